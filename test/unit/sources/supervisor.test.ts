import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import type { FrameInput } from '../../../gateway/hub/frame.ts';
import { type Client, Stream } from '../../../gateway/hub/stream.ts';
import type { Source, SourceSink } from '../../../gateway/sources/source.ts';
import { SourceSupervisor } from '../../../gateway/sources/supervisor.ts';
import type { StreamState } from '../../../shared/status.ts';
import { idleClientStatus } from '../../helpers/client-status.ts';
import { logTo } from '../../helpers/log.ts';

const INPUT: FrameInput = {
  width: 2,
  height: 1,
  encoding: { kind: 'jpeg' },
  payload: new Uint8Array(4),
  message: null,
  wireHeader: null,
};

/** A source whose failures are set by the test. */
class FakeSource implements Source {
  readonly kind = 'fake';
  readonly address = 'nowhere';
  readonly waitingReason = 'waiting for the test';
  readonly takesReturns = false;
  readonly verifiesJpegs = false;
  readonly serverPorts = null;
  readonly stallMs: number | null;
  /** Sink of the current run; null while closed. */
  sink: SourceSink | null = null;
  opened = 0;
  /** The error that the next `open()` throws. */
  refusal: Error | null = null;

  constructor(stallMs: number | null = null) {
    this.stallMs = stallMs;
  }

  state(): string {
    return 'running';
  }

  async open(sink: SourceSink): Promise<void> {
    if (this.sink !== null) throw new TypeError('open, and not closed before');
    this.opened += 1;
    if (this.refusal !== null) throw this.refusal;
    this.sink = sink;
  }

  async close(): Promise<void> {
    this.sink = null;
  }
}

/** A client that is active when the test requires it, and records notifications. */
function watcher(): Client & { isActive: boolean; readonly changes: [StreamState, string][] } {
  const changes: [StreamState, string][] = [];
  return {
    id: 'watcher',
    isActive: true,
    changes,
    offer: () => undefined,
    streamChanged: (state, reason) => void changes.push([state, reason]),
    // The counters of the client are read when it leaves.
    status: () => idleClientStatus('watcher'),
    sendAway: () => undefined,
  };
}

const open: { close(): unknown }[] = [];
function create(
  source: FakeSource,
  { isOnDemand = false } = {},
): {
  readonly stream: Stream;
  readonly supervisor: SourceSupervisor;
  readonly logged: string[];
  readonly options: { isOnDemand: boolean };
} {
  const logged: string[] = [];
  const log = logTo(logged).child({ stream: 'main' });
  const stream = new Stream({
    name: 'main',
    virtualPorts: [{ from: 6000, to: 6003 }],
    sourceTakesReturns: false,
    events: new EventLog(),
    waitingReason: source.waitingReason,
    isOnDemand,
    log,
  });
  const options = { source, stream, isOnDemand, log };
  const supervisor = new SourceSupervisor(options);
  open.push(supervisor, stream);
  return { stream, supervisor, logged, options };
}

const sleep = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
  vi.useRealTimers();
});

describe('SourceSupervisor', () => {
  it('opens the source and forwards its frames', async () => {
    const source = new FakeSource();
    const { stream, supervisor } = create(source);
    await supervisor.open();
    source.sink?.publish(INPUT);
    expect(stream.latest?.sequence).toBe(1);
    expect(supervisor.status()).toEqual({
      kind: 'fake',
      address: 'nowhere',
      state: 'running',
      lastError: null,
      restarts: 0,
    });
  });

  it('reports the first failure to its caller, and does not retry', async () => {
    const source = new FakeSource();
    source.refusal = new Error('the address is in use');
    const { supervisor } = create(source);
    await expect(supervisor.open()).rejects.toThrow('the address is in use');
    await sleep(60_000);
    expect(source.opened).toBe(1);
    expect(supervisor.status()).toMatchObject({ state: 'closed', restarts: 0 });
  });

  it('reopens a failed source with growing intervals of up to 15 s', async () => {
    const source = new FakeSource();
    const { supervisor } = create(source);
    await supervisor.open();
    const delays: number[] = [];
    for (let failure = 0; failure < 9; failure += 1) {
      source.sink?.fail(new Error('unplugged'));
      await sleep(0);
      const before = source.opened;
      let waited = 0;
      for (; source.opened === before; waited += 10) await sleep(10);
      delays.push(waited);
    }
    expect(delays).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    expect(supervisor.status()).toMatchObject({ state: 'running', lastError: 'unplugged', restarts: 9 });
  });

  it('resets the interval once the source has delivered for 5 s', async () => {
    const source = new FakeSource();
    const { supervisor } = create(source);
    await supervisor.open();
    for (let failure = 0; failure < 4; failure += 1) {
      source.sink?.fail(new Error('unplugged'));
      await sleep(2000);
    }
    expect(source.opened).toBe(5);
    source.sink?.publish(INPUT);
    await sleep(5000);
    source.sink?.publish(INPUT);
    source.sink?.fail(new Error('unplugged'));
    await sleep(250);
    expect(source.opened).toBe(6);
  });

  it('reports the reason for missing frames to clients, and retains the last frame', async () => {
    const source = new FakeSource();
    const { stream, supervisor, logged } = create(source);
    const client = watcher();
    stream.attach(client);
    await supervisor.open();
    source.sink?.fail(new Error('no such camera'));
    await sleep(0);
    source.sink?.publish(INPUT);
    await sleep(250);
    source.sink?.publish(INPUT);
    source.sink?.fail(new Error('unplugged'));
    await sleep(0);
    expect(client.changes).toEqual([
      ['waiting', 'no such camera'],
      ['live', 'frames arrive'],
      ['stale', 'unplugged'],
    ]);
    expect(stream.latest?.sequence).toBe(1);
    expect(logged).toEqual([
      'stream main: waiting, no such camera',
      'stream main: live, frames arrive',
      'warning: stream main: stale, unplugged',
    ]);
    expect(supervisor.status().state).toBe('restarts in 1 s');
  });

  it('logs a failure once, and again after 10 and 100 failures', async () => {
    const source = new FakeSource();
    const { supervisor, logged } = create(source);
    await supervisor.open();
    for (let failure = 0; failure < 120; failure += 1) {
      source.sink?.fail(new Error('unplugged'));
      await sleep(15_000);
    }
    expect(logged).toEqual([
      'stream main: waiting, unplugged',
      'warning: stream main: source fake has failed 10 times in a row: unplugged',
      'warning: stream main: source fake has failed 100 times in a row: unplugged',
    ]);
    source.sink?.fail(new Error('no such camera'));
    await sleep(0);
    expect(logged.at(-1)).toBe('stream main: waiting, no such camera');
  });

  it('removes control characters from the texts of a source', async () => {
    const source = new FakeSource();
    const { stream, supervisor, logged } = create(source);
    await supervisor.open();
    source.sink?.reject(new Error('bad\u001B[2J\nframe'));
    source.sink?.fail(new Error('one\r\ntwo\u202E'));
    await sleep(0);
    const { lastError } = supervisor.status();
    expect([lastError, stream.reason, logged, stream.status(supervisor.status()).counters.lastRejections]).toEqual([
      'one two',
      'one two',
      ['warning: stream main: frame rejected (1 so far): unknown: bad [2J frame', 'stream main: waiting, one two'],
      ['unknown: bad [2J frame'],
    ]);
  });

  it('reopens a source that later fails to open', async () => {
    const source = new FakeSource();
    const { supervisor } = create(source);
    await supervisor.open();
    source.refusal = new Error('not there yet');
    source.sink?.fail(new Error('unplugged'));
    await sleep(1000);
    expect(source.opened).toBe(3);
    expect(supervisor.status().lastError).toBe('not there yet');
    source.refusal = null;
    await sleep(2000);
    expect(source.sink).not.toBeNull();
  });

  it('reopens a silent source, with a three times longer limit before the first frame', async () => {
    const source = new FakeSource(5000);
    const { supervisor } = create(source);
    await supervisor.open();
    await sleep(14_700);
    expect(source.opened).toBe(1);
    await sleep(1000);
    expect(source.opened).toBe(2);
    expect(supervisor.status().lastError).toBe('no first frame for 15 s');
    source.sink?.publish(INPUT);
    await sleep(4700);
    expect(source.opened).toBe(2);
    await sleep(1500);
    expect(source.opened).toBe(3);
    expect(supervisor.status().lastError).toBe('no frame for 5 s');
  });

  it('does not reopen a source that has ended', async () => {
    const source = new FakeSource(5000);
    const { stream, supervisor } = create(source);
    await supervisor.open();
    source.sink?.publish(INPUT);
    source.sink?.end('the file has ended');
    await sleep(60_000);
    expect(source.opened).toBe(1);
    expect([stream.state, stream.reason]).toEqual(['ended', 'the file has ended']);
  });

  it('closes the source permanently', async () => {
    const source = new FakeSource();
    const { supervisor } = create(source);
    await supervisor.open();
    source.sink?.fail(new Error('unplugged'));
    await sleep(0);
    await supervisor.close();
    await supervisor.close();
    await sleep(60_000);
    expect(source.opened).toBe(1);
    expect(supervisor.status().state).toBe('closed');
  });

  describe('on demand', () => {
    it('is closed until there is a viewer, and 3 s after the last viewer has left', async () => {
      const source = new FakeSource();
      const { stream, supervisor } = create(source, { isOnDemand: true });
      await supervisor.open();
      await sleep(10_000);
      expect(source.opened).toBe(0);
      expect(supervisor.status().state).toBe('asleep');

      const client = watcher();
      stream.attach(client);
      await sleep(50);
      expect(source.opened).toBe(1);
      expect([stream.state, stream.reason]).toEqual(['waiting', 'waiting for the test']);
      source.sink?.publish(INPUT);

      client.isActive = false;
      await sleep(2500);
      expect(source.sink).not.toBeNull();
      await sleep(1000);
      expect(source.sink).toBeNull();
      expect(supervisor.status()).toMatchObject({ state: 'asleep', restarts: 0, lastError: null });
      // A viewer that connects later is not shown an outdated frame.
      expect(stream.latest).toBeNull();
      expect(stream.state).toBe('waiting');

      client.isActive = true;
      await sleep(50);
      expect(source.opened).toBe(2);
    });

    it('is opened without viewers when it stops being on demand, as when a gateway becomes the owner in a cluster', async () => {
      const source = new FakeSource();
      const { supervisor, options } = create(source, { isOnDemand: true });
      await supervisor.open();
      await sleep(1000);
      expect(supervisor.status().state).toBe('asleep');
      options.isOnDemand = false;
      await sleep(50);
      expect(source.opened).toBe(1);
      expect(source.sink).not.toBeNull();
    });

    it('stays open while a page is reloaded', async () => {
      const source = new FakeSource();
      const { stream, supervisor } = create(source, { isOnDemand: true });
      const client = watcher();
      stream.attach(client);
      await supervisor.open();
      for (let reload = 0; reload < 5; reload += 1) {
        stream.detach(client);
        await sleep(2000);
        stream.attach(client);
        await sleep(1000);
      }
      expect(source.opened).toBe(1);
    });

    it('is opened for a single picture', async () => {
      const source = new FakeSource();
      const { stream, supervisor } = create(source, { isOnDemand: true });
      await supervisor.open();
      stream.noteSnapshotRequest();
      await sleep(50);
      expect(source.sink).not.toBeNull();
      await sleep(9000);
      expect(source.sink).toBeNull();
    });

    it('does not restart a failed source without viewers', async () => {
      const source = new FakeSource();
      const { stream, supervisor } = create(source, { isOnDemand: true });
      const client = watcher();
      stream.attach(client);
      await supervisor.open();
      source.sink?.fail(new Error('unplugged'));
      stream.detach(client);
      await sleep(10_000);
      expect(source.opened).toBe(1);
      expect(supervisor.status()).toMatchObject({ state: 'asleep', lastError: 'unplugged' });
    });

    it('reports a first failure like any later failure', async () => {
      const source = new FakeSource();
      source.refusal = new Error('FFmpeg is not installed');
      const { stream, supervisor } = create(source, { isOnDemand: true });
      stream.attach(watcher());
      await supervisor.open();
      await sleep(50);
      expect([stream.state, stream.reason]).toEqual(['waiting', 'FFmpeg is not installed']);
    });
  });
});
