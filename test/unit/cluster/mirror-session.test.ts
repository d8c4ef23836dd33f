import type { NatsConnection } from '@nats-io/transport-node';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { MirrorSession } from '../../../gateway/cluster/mirror-session.ts';
import { decodePart, type PartHead, type SessionAnswer } from '../../../gateway/cluster/session-wire.ts';
import { Returns } from '../../../gateway/hub/returns/returns.ts';
import { logTo } from '../../helpers/log.ts';

const GOOD: SessionAnswer = { ok: true, state: 'live', reason: '', newestFrame: 3, refused: [], control: null };

/** A session with an owner whose answers are set by the test. */
class Fixture {
  readonly heads: PartHead[] = [];
  readonly log: string[] = [];
  answers = 0;
  failures = 0;
  answer: unknown = GOOD;
  readonly session: MirrorSession;

  constructor() {
    const connection = {
      publish: () => undefined,
      request: (_subject: string, data: Uint8Array) => {
        this.heads.push(decodePart(data).head);
        const { answer } = this;
        return answer === undefined
          ? Promise.reject(new Error('timeout'))
          : Promise.resolve({
              json: () => JSON.parse(typeof answer === 'string' ? answer : JSON.stringify(answer)) as unknown,
            });
      },
    } as unknown as NatsConnection;
    this.session = new MirrorSession({
      connection,
      maxPayload: () => 1 << 20,
      subject: 'session',
      stream: 'main',
      from: 'b',
      returns: new Returns({ hasServer: true }),
      control: null,
      needsPictures: () => true,
      newestFrame: () => 0,
      onAnswer: () => (this.answers += 1),
      onFailure: () => (this.failures += 1),
      log: logTo(this.log),
    });
    onTestFinished(() => this.session.close());
  }
}

let fixture: Fixture;

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  fixture = new Fixture();
});

describe('MirrorSession', () => {
  it('continues after any malformed answer, which it treats as a missing answer', async () => {
    await vi.advanceTimersByTimeAsync(1000);
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.constant('not JSON'),
      fc.constantFrom(...Object.keys(GOOD)).chain((key) =>
        fc
          .jsonValue()
          // A list of texts is well-formed: the reasons for which return data was refused, which are logged.
          .filter(
            (value) => key !== 'refused' || !Array.isArray(value) || value.some((item) => typeof item !== 'string'),
          )
          .map((value) => ({ ...GOOD, [key]: value })),
      ),
      fc.jsonValue().map((control) => ({
        ...GOOD,
        control: { state: control, holder: control, results: control, events: control },
      })),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (answer) => {
        fixture.answer = answer;
        await vi.advanceTimersByTimeAsync(700);
        fixture.answer = GOOD;
        const before = fixture.answers;
        await vi.advanceTimersByTimeAsync(1500);
        expect(fixture.answers).toBeGreaterThan(before);
      }),
      { numRuns: 200 },
    );
    expect(fixture.failures).toBeGreaterThan(50);
    expect(fixture.log).toEqual([]);
  });

  it('logs few of the refusals, because viewers can cause any number of them', async () => {
    fixture.answer = { ...GOOD, refused: Array<string>(16).fill('port 6000: too many values') };
    await vi.advanceTimersByTimeAsync(9000);
    expect(fixture.answers).toBeGreaterThan(10);
    expect(fixture.log).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(fixture.log[1]).toMatch(/too many values \(and \d+ more warnings before\)/);
  });

  it('gives each session a greater epoch than all before, including those of earlier objects for the same stream', async () => {
    const epochs: number[] = [];
    for (let count = 0; count < 3; count += 1) {
      const one = count === 0 ? fixture : new Fixture();
      one.answer = { ok: false, code: 'restart' };
      await vi.advanceTimersByTimeAsync(1000);
      epochs.push(...new Set(one.heads.map(({ epoch }) => epoch)));
      expect(new Set(one.heads.map(({ session }) => session)).size).toBeGreaterThan(5);
      await one.session.close();
    }
    expect(epochs.length).toBeGreaterThan(15);
    expect(epochs).toEqual([...new Set(epochs)].sort((one, other) => one - other));
  });
});
