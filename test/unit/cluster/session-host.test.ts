import type { Msg, NatsConnection } from '@nats-io/transport-node';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { FrameExporter } from '../../../gateway/cluster/frame-exporter.ts';
import { encodeBatch, type ReturnItem } from '../../../gateway/cluster/return-wire.ts';
import { type HostedStream, SessionHost } from '../../../gateway/cluster/session-host.ts';
import { encodePart, type PartHead, type SessionAnswer } from '../../../gateway/cluster/session-wire.ts';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import { Stream } from '../../../gateway/hub/stream.ts';
import type { ReturnData } from '../../../gateway/hub/returns/return-data.ts';
import { logTo } from '../../helpers/log.ts';
import { JPEG_FRAME } from '../../helpers/viewer.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';

/** A host of the stream `main`, with a connection that delivers the messages of the test. */
class Fixture {
  readonly streams = new Map<string, HostedStream>();
  readonly log: string[] = [];
  /** Number of heads of frames. */
  published = 0;
  readonly host: SessionHost;
  #deliver: (error: Error | null, message: Msg) => void = () => undefined;

  constructor() {
    const connection = {
      subscribe: (
        _subject: string,
        { callback }: { readonly callback: (error: Error | null, message: Msg) => void },
      ) => {
        this.#deliver = callback;
        return { unsubscribe: () => undefined };
      },
      publish: () => undefined,
      flush: () => Promise.resolve(),
    } as unknown as NatsConnection;
    this.host = new SessionHost({
      connection,
      subject: 'session',
      streams: this.streams,
      gatewayName: (id) => id,
      log: logTo(this.log),
    });
    onTestFinished(() => this.host.close());
  }

  create(): Stream {
    const stream = new Stream({
      name: 'main',
      virtualPorts: [],
      sourceTakesReturns: true,
      events: new EventLog(),
      waitingReason: 'no frame yet',
      log: SILENT_LOGGER,
    });
    onTestFinished(() => stream.close());
    const exporter = new FrameExporter({
      stream,
      origin: 'o',
      connection: {
        publish: (subject: string) => (this.published += Number(subject.endsWith('.h'))),
        flush: () => Promise.resolve(),
      } as unknown as NatsConnection,
      maxPayload: () => 1 << 20,
      subject: 'frames',
    });
    this.streams.set('main', { stream, exporter, isOwner: () => true });
    return stream;
  }

  /** @returns null if there is no answer. */
  send(
    session: string,
    batch: number,
    items: readonly ReturnItem[] = [],
    { from = 'other', epoch = 1, needsPictures = true }: Partial<PartHead> & { readonly needsPictures?: boolean } = {},
  ): SessionAnswer | null {
    return this.sendBytes(
      encodePart(
        { stream: 'main', session, epoch, from, batch, part: 0, parts: 1 },
        encodeBatch({ needsPictures, newestFrame: 0, isLast: false, control: [], items }),
      ),
    );
  }

  sendBytes(data: Uint8Array): SessionAnswer | null {
    let answer: SessionAnswer | null = null;
    this.#deliver(null, {
      data,
      reply: 'reply',
      respond: (text: string) => (answer = JSON.parse(text) as SessionAnswer),
    } as unknown as Msg);
    return answer;
  }
}

describe('SessionHost', () => {
  it('begins new sessions after a stream was recreated, and ends those of the old one', () => {
    const fixture = new Fixture();
    const old = fixture.create();
    expect(fixture.send('a', 1, [{ kind: 'join', port: 6000 }])).toMatchObject({ ok: true });
    expect([old.isWatched(), old.returns.isEmpty]).toEqual([true, false]);
    fixture.host.endSessions(old);
    const next = fixture.create();
    expect([old.isWatched(), old.returns.isEmpty]).toEqual([false, true]);
    expect(fixture.send('a', 2)).toEqual({ ok: false, code: 'restart' });
    expect(fixture.send('b', 1, [{ kind: 'join', port: 6000 }], { epoch: 2 })).toMatchObject({ ok: true });
    expect([next.isWatched(), next.returns.isEmpty]).toEqual([true, false]);
  });

  it('assembles a batch of several parts, and refuses one of more than 64 MiB', () => {
    const fixture = new Fixture();
    const { returns } = fixture.create();
    const batch = encodeBatch({
      needsPictures: false,
      newestFrame: 0,
      isLast: false,
      control: [],
      items: [{ kind: 'join', port: 6000 }],
    });
    const head = { stream: 'main', session: 'a', epoch: 1, from: 'other', batch: 1 };
    expect(fixture.sendBytes(encodePart({ ...head, part: 0, parts: 2 }, batch.subarray(0, 10)))).toBeNull();
    expect(fixture.sendBytes(encodePart({ ...head, part: 1, parts: 2 }, batch.subarray(10)))).toMatchObject({
      ok: true,
    });
    expect(returns.isEmpty).toBe(false);
    const large = new Uint8Array(32 << 20);
    expect(fixture.sendBytes(encodePart({ ...head, batch: 2, part: 0, parts: 3 }, large))).toBeNull();
    expect(fixture.sendBytes(encodePart({ ...head, batch: 2, part: 1, parts: 3 }, large))).toBeNull();
    expect(fixture.sendBytes(encodePart({ ...head, batch: 2, part: 2, parts: 3 }, new Uint8Array(1)))).toEqual({
      ok: false,
      code: 'restart',
    });
    // Its session has ended.
    expect(returns.isEmpty).toBe(true);
  });

  it.each([
    null,
    {},
    { session: 5 },
    { session: 'x'.repeat(65) },
    { from: undefined },
    { from: 'x'.repeat(65) },
    { epoch: undefined },
    { epoch: 1.5 },
    { stream: 5 },
    { batch: 0 },
    { batch: '1' },
    { part: -1 },
    { part: 1 },
    { parts: 0 },
    { parts: 4097 },
    { parts: 1.5 },
  ])('refuses a part with the head %j', (changes) => {
    const fixture = new Fixture();
    const { returns } = fixture.create();
    const head =
      changes === null || Object.keys(changes).length === 0
        ? changes
        : { stream: 'main', session: 'a', epoch: 1, from: 'other', batch: 1, part: 0, parts: 1, ...changes };
    const answer = fixture.sendBytes(
      encodePart(
        head as PartHead,
        encodeBatch({
          needsPictures: true,
          newestFrame: 0,
          isLast: false,
          control: [],
          items: [{ kind: 'join', port: 6000 }],
        }),
      ),
    );
    expect(answer).toEqual({ ok: false, code: 'restart' });
    expect(fixture.log).toHaveLength(1);
    expect(returns.isEmpty).toBe(true);
  });

  it('rarely publishes the latest frame for a gateway that constantly requests it, and finally once more', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const fixture = new Fixture();
    const stream = fixture.create();
    stream.publish({ ...JPEG_FRAME });
    for (let batch = 1; batch <= 1000; batch += 1) {
      fixture.send('a', batch, [], { needsPictures: batch % 2 === 0 });
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(fixture.published).toBeGreaterThan(10);
    expect(fixture.published).toBeLessThan(60);
    for (const batch of [1001, 1002]) fixture.send('a', batch, [], { needsPictures: batch % 2 === 0 });
    const before = fixture.published;
    await vi.advanceTimersByTimeAsync(100);
    expect(fixture.published).toBe(before + 1);
  });

  it('accepts at most 8192 clients of a stream, and data of none of the others', () => {
    const fixture = new Fixture();
    const { returns } = fixture.create();
    const join = (from: number, count: number): ReturnItem[] =>
      Array.from({ length: count }, (_, index) => ({ kind: 'join', port: from + index }));
    expect(fixture.send('a', 1, join(1, 8000), { from: 'a' })).toMatchObject({ refused: [] });
    const data: ReturnData = { kind: 'value', value: 1, json: '1' };
    const answer = fixture.send('b', 1, [...join(20_001, 193), { kind: 'set', port: 20_193, data }], { from: 'b' });
    expect(answer).toMatchObject({ refused: ['port 20193: the stream already has 8192 clients'] });
    expect([returns.size, returns.get(20_193)]).toEqual([8192, null]);
    // A new client can replace one that has left, and present clients remain.
    expect(
      fixture.send(
        'a',
        2,
        [
          { kind: 'join', port: 5 },
          { kind: 'leave', port: 6 },
        ],
        { from: 'a' },
      ),
    ).toMatchObject({
      refused: [],
    });
    expect(fixture.send('b', 2, join(20_193, 1), { from: 'b' })).toMatchObject({ refused: [] });
  });

  it('accepts at most 4096 sessions', () => {
    const fixture = new Fixture();
    fixture.create();
    const answers = Array.from({ length: 4096 }, (_, count) => fixture.send(`s${count}`, 1, [], { from: `g${count}` }));
    expect(answers.filter((answer) => answer?.ok !== true)).toEqual([]);
    for (let count = 0; count < 10; count += 1)
      expect(fixture.send(`another ${count}`, 1)).toEqual({ ok: false, code: 'restart' });
    expect(fixture.log).toEqual([expect.stringContaining('more than 4096 sessions')]);
    expect(fixture.send('s0', 2, [], { from: 'g0' })).toMatchObject({ ok: true });
  });

  it('accepts no message of an ended session that arrives late or again, nor of one that was replaced', () => {
    const fixture = new Fixture();
    const { returns } = fixture.create();
    const value = (text: string): ReturnItem => ({
      kind: 'set',
      port: 6000,
      data: { kind: 'value', value: text, json: JSON.stringify(text) },
    });
    const join: ReturnItem = { kind: 'join', port: 6000 };
    expect(fixture.send('a', 1, [join, value('forward')], { epoch: 5 })).toMatchObject({ ok: true });
    // The gateway begins again, because the answer did not reach it.
    expect(fixture.send('b', 1, [join, value('stop')], { epoch: 6 })).toMatchObject({ ok: true });
    expect(fixture.send('b', 2, [value('halt')], { epoch: 6 })).toMatchObject({ ok: true });
    for (const [session, batch, epoch] of [
      ['a', 1, 5],
      ['a', 2, 5],
      ['a', 1, 6],
      ['late', 1, 4],
      ['b', 1, 6],
    ] as const) {
      fixture.send(session, batch, [join, value('forward')], { epoch });
      expect(returns.get(6000), `${session} ${batch}`).toMatchObject({ value: 'halt' });
    }
    // The session continues, and its port has not been affected by the others.
    expect(fixture.send('b', 3, [value('slow')], { epoch: 6 })).toMatchObject({ ok: true });
    expect(returns.get(6000)).toMatchObject({ value: 'slow' });
  });

  it('ignores messages with the id of another gateway’s session', () => {
    const fixture = new Fixture();
    const { returns } = fixture.create();
    expect(fixture.send('a', 1, [{ kind: 'join', port: 6000 }])).toMatchObject({ ok: true });
    for (const batch of [1, 2, 9])
      expect(fixture.send('a', batch, [{ kind: 'leave', port: 6000 }], { from: 'thief' })).toEqual({
        ok: false,
        code: 'restart',
      });
    expect(returns.isEmpty).toBe(false);
    expect(fixture.send('a', 2)).toMatchObject({ ok: true });
  });

  it('keeps at most 256 MiB of incomplete batches of all sessions, and frees them', () => {
    const fixture = new Fixture();
    fixture.create();
    const head = (from: string, epoch: number): PartHead => ({
      stream: 'main',
      session: `${from}${epoch}`,
      epoch,
      from,
      batch: 1,
      part: 0,
      parts: 2,
    });
    const message = encodePart(head('a', 0), new Uint8Array(60 << 20));
    const begin = (from: string, epoch: number): SessionAnswer | null => {
      // All heads have the same length.
      message.set(encodePart(head(from, epoch), new Uint8Array(0)));
      return fixture.sendBytes(message);
    };
    const end = (from: string, epoch: number): SessionAnswer | null =>
      fixture.sendBytes(encodePart({ ...head(from, epoch), part: 1 }, new Uint8Array(8)));
    for (let round = 1; round <= 2; round += 1) {
      for (const from of ['a', 'b', 'c', 'd']) expect(begin(from, round)).toBeNull();
      expect(begin('e', round)).toEqual({ ok: false, code: 'restart' });
      // These messages are malformed, so their sessions end.
      for (const from of ['a', 'b', 'c', 'd']) expect(end(from, round)).toEqual({ ok: false, code: 'restart' });
    }
  });

  it('answers every message, never throws, and logs little, even for invalid messages', () => {
    const fixture = new Fixture();
    fixture.create();
    const json = fc.oneof(fc.jsonValue(), fc.record({ stream: fc.constant('main'), session: fc.jsonValue() }));
    fc.assert(
      fc.property(json, fc.uint8Array(), fc.uint8Array(), (head, body, any) => {
        fixture.sendBytes(any);
        fixture.sendBytes(encodePart(head as unknown as PartHead, body));
        const valid = { stream: 'main', session: 's', epoch: 1, from: 'g', batch: 1, part: 0, parts: 1 };
        expect(fixture.sendBytes(encodePart(valid, body))).not.toBeNull();
      }),
    );
    expect(fixture.log.length).toBeLessThan(3);
  });

  it('leaves out reasons for which there is no room in an answer', () => {
    const fixture = new Fixture();
    const { returns } = fixture.create();
    const items = Array.from({ length: 5000 }, (): ReturnItem[] => [
      { kind: 'once', port: 6000, data: { kind: 'value', value: 1, json: '1' } },
    ]).flat();
    const answer = fixture.send('a', 1, [{ kind: 'join', port: 6000 }, ...items]);
    expect(answer).toMatchObject({ ok: true });
    expect(JSON.stringify(answer).length).toBeLessThan(10_000);
    expect(returns.isEmpty).toBe(false);
  });
});
