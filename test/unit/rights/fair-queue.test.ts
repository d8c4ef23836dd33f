import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue } from '../../../gateway/rights/fair-queue.ts';

/** Tasks that run until the test ends them, with the result of each. */
class Checks {
  readonly started: string[] = [];
  readonly refused: string[] = [];
  readonly #queue: FairQueue;
  #end: (() => void) | null = null;
  #count = 0;

  constructor(maxWaiting: number) {
    this.#queue = new FairQueue(maxWaiting);
  }

  /** @param address in capitals: its secret is correct. */
  add(address: string): void {
    this.#count += 1;
    const name = `${address}${this.#count}`;
    void this.#queue
      .run(address.toLowerCase(), async () => {
        expect(this.#end).toBeNull();
        this.started.push(name);
        await new Promise<void>((resolve) => {
          this.#end = resolve;
        });
        return address !== address.toLowerCase();
      })
      .catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'busy' });
        this.refused.push(name);
      });
  }

  /** Ends the running task. */
  async end(): Promise<void> {
    this.#end?.();
    this.#end = null;
    await new Promise(setImmediate);
  }

  /** Ends all tasks, one after another. */
  async drain(): Promise<void> {
    for (let left = this.#count + 1; left > 0; left -= 1) await this.end();
  }
}

describe('FairQueue', () => {
  it('runs one check at a time, first those of the address with the fewest, in their order', async () => {
    const checks = new Checks(10);
    for (const address of 'aaaabbc') checks.add(address);
    await checks.drain();
    expect(checks.started).toEqual(['a1', 'c7', 'b5', 'b6', 'a2', 'a3', 'a4']);
    expect(checks.refused).toEqual([]);
  });

  it('refuses the newest check of the address with the most, including refused ones', async () => {
    const checks = new Checks(4);
    for (const address of 'aaaaaaabcdaefg') checks.add(address);
    await checks.drain();
    expect(checks.refused).toEqual(['a6', 'a7', 'a5', 'a4', 'a3', 'a11', 'a2', 'f13', 'g14']);
    expect(checks.started).toEqual(['a1', 'b8', 'c9', 'd10', 'e12']);
  });

  it('counts failed checks until one succeeds', async () => {
    const checks = new Checks(4);
    for (const address of 'aab') checks.add(address);
    await checks.drain();
    for (const address of 'zabA') checks.add(address);
    await checks.drain();
    for (const address of 'zba') checks.add(address);
    await checks.drain();
    expect(checks.started).toEqual(['a1', 'b3', 'a2', 'z4', 'b6', 'a5', 'A7', 'z8', 'a10', 'b9']);
  });

  it('accepts the only check of an address even while more addresses than may wait have several checks', async () => {
    for (let until = 10; until < 60; until += 1) {
      const checks = new Checks(4);
      for (let index = 0; index < until; index += 1) checks.add(String.fromCodePoint(97 + (index % 10)));
      const tried = checks.started.length;
      checks.add('z');
      await checks.end();
      // From 20 checks on, the other addresses have more than one.
      if (until >= 20) expect(checks.started[tried]).toBe(`z${until + 1}`);
      await checks.drain();
    }
  });

  it('continues after failed work', async () => {
    const queue = new FairQueue(1);
    const [first, second] = [
      queue.run('a', () => Promise.reject(new Error('failed'))),
      queue.run('a', () => Promise.resolve(true)),
    ];
    await expect(first).rejects.toThrow('failed');
    expect(await second).toBe(true);
    expect(await queue.run('a', () => Promise.resolve(false))).toBe(false);
  });

  it('settles each check once, and starts the only one of an address after at most one of each other address', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c', 'd') }, fc.constant('end')), {
          maxLength: 60,
        }),
        async (steps) => {
          const checks = new Checks(8);
          for (const step of steps) {
            if (step === 'end') await checks.end();
            else checks.add(step);
          }
          await new Promise(setImmediate);
          const before = checks.started.length;
          checks.add('z');
          const own = `z${steps.filter((step) => step !== 'end').length + 1}`;
          await checks.drain();
          const settled = [...checks.started, ...checks.refused];
          expect(new Set(settled).size).toBe(settled.length);
          expect(settled).toHaveLength(steps.filter((step) => step !== 'end').length + 1);
          expect(checks.refused).not.toContain(own);
          expect(checks.started.indexOf(own)).toBeLessThanOrEqual(before + 4);
        },
      ),
    );
  });
});
