import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FrameExporter } from '../../../gateway/cluster/frame-exporter.ts';
import { encodeBatch, type ReturnItem } from '../../../gateway/cluster/return-wire.ts';
import { type HostedStream, SessionHost } from '../../../gateway/cluster/session-host.ts';
import { encodePart, type PartHead, type SessionAnswer } from '../../../gateway/cluster/session-wire.ts';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import { Stream } from '../../../gateway/hub/stream.ts';
import { logTo } from '../../helpers/log.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';

/** A host of the stream `main`, with a connection that delivers what the test sends. */
class Fixture {
  readonly streams = new Map<string, HostedStream>();
  readonly log: string[] = [];
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
      connection: { publish: () => undefined, flush: () => Promise.resolve() } as unknown as NatsConnection,
      maxPayload: () => 1 << 20,
      subject: 'frames',
    });
    this.streams.set('main', { stream, exporter, isOwner: () => true });
    return stream;
  }

  /** @returns null if there is no answer. */
  send(session: string, batch: number, items: readonly ReturnItem[] = []): SessionAnswer | null {
    return this.sendBytes(
      encodePart(
        { stream: 'main', session, from: 'other', batch, part: 0, parts: 1 },
        encodeBatch({ wantsFrames: true, newestFrame: 0, isLast: false, control: [], items }),
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
  it('begins new sessions after a stream was created again, and ends those of the old one', () => {
    const fixture = new Fixture();
    const old = fixture.create();
    expect(fixture.send('a', 1, [{ kind: 'join', port: 6000 }])).toMatchObject({ ok: true });
    expect([old.isWatched(), old.returns.isEmpty]).toEqual([true, false]);
    fixture.host.endSessions(old);
    const next = fixture.create();
    expect([old.isWatched(), old.returns.isEmpty]).toEqual([false, true]);
    expect(fixture.send('a', 2)).toEqual({ ok: false, code: 'restart' });
    expect(fixture.send('b', 1, [{ kind: 'join', port: 6000 }])).toMatchObject({ ok: true });
    expect([next.isWatched(), next.returns.isEmpty]).toEqual([true, false]);
  });

  it('assembles a batch of several parts, and refuses one of more than 64 MiB', () => {
    const fixture = new Fixture();
    const { returns } = fixture.create();
    const batch = encodeBatch({
      wantsFrames: false,
      newestFrame: 0,
      isLast: false,
      control: [],
      items: [{ kind: 'join', port: 6000 }],
    });
    const head = { stream: 'main', session: 'a', from: 'other', batch: 1 };
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
        : { stream: 'main', session: 'a', from: 'other', batch: 1, part: 0, parts: 1, ...changes };
    const answer = fixture.sendBytes(
      encodePart(
        head as PartHead,
        encodeBatch({
          wantsFrames: true,
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

  it('accepts at most 4096 sessions', () => {
    const fixture = new Fixture();
    fixture.create();
    for (let count = 0; count < 4096; count += 1) expect(fixture.send(`s${count}`, 1)).toMatchObject({ ok: true });
    expect(fixture.send('another', 1)).toEqual({ ok: false, code: 'restart' });
    expect(fixture.send('s0', 2)).toMatchObject({ ok: true });
  });
});
