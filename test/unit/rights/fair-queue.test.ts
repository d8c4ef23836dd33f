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

  /** @param address in capitals: under suspicion. */
  add(address: string): void {
    this.#count += 1;
    const name = `${address}${this.#count}`;
    void this.#queue
      .run(address, address !== address.toLowerCase(), async () => {
        expect(this.#end).toBeNull();
        this.started.push(name);
        await new Promise<void>((resolve) => {
          this.#end = resolve;
        });
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
  it('runs one task at a time, first those of addresses with one, then the others in rotation', async () => {
    const checks = new Checks(10);
    for (const address of 'aaaabbc') checks.add(address);
    await checks.drain();
    expect(checks.started).toEqual(['a1', 'c7', 'a2', 'b5', 'a3', 'b6', 'a4']);
    expect(checks.refused).toEqual([]);
  });

  it('refuses the newest task of the address with the most tasks, in favour of another address', async () => {
    const checks = new Checks(4);
    for (const address of 'aaaaaabb') checks.add(address);
    await checks.drain();
    expect(checks.refused.toSorted()).toEqual(['a4', 'a5', 'a6']);
    expect(checks.started).toEqual(['a1', 'a2', 'b7', 'a3', 'b8']);
  });

  it('runs the work of addresses under suspicion after all other, each in turn', async () => {
    const checks = new Checks(10);
    for (const address of 'AABBab') checks.add(address);
    await checks.drain();
    expect(checks.started).toEqual(['A1', 'a5', 'b6', 'A2', 'B3', 'B4']);
  });

  it('refuses the work of addresses under suspicion in favour of any other, and never the reverse', async () => {
    const checks = new Checks(4);
    for (const address of 'ABCDEFabcdefGG') checks.add(address);
    await checks.drain();
    expect(checks.started).toEqual(['A1', 'a7', 'b8', 'c9', 'd10']);
    expect(checks.refused).toHaveLength(9);
  });

  it('accepts the only task of an address while more addresses than may wait have several', async () => {
    const checks = new Checks(4);
    for (let round = 0; round < 3; round += 1)
      for (let index = 0; index < 10; index += 1) checks.add(String.fromCodePoint(97 + index));
    checks.add('z');
    await checks.drain();
    expect(checks.started).toContain('z31');
  });

  it('continues after failed work', async () => {
    const queue = new FairQueue(1);
    const [first, second] = [
      queue.run('a', false, () => Promise.reject(new Error('failed'))),
      queue.run('a', false, () => Promise.resolve(2)),
    ];
    await expect(first).rejects.toThrow('failed');
    expect(await second).toBe(2);
    expect(await queue.run('a', false, () => Promise.resolve(3))).toBe(3);
  });

  it('settles each task once, and starts the only task of an address after at most one of each other address', async () => {
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
