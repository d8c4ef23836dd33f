import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import type { FrameInput } from '../../../gateway/hub/frame.ts';
import {
  type Client,
  DEFAULT_STREAM_POLICY,
  type ListedClient,
  round,
  Stream,
  type StreamPolicy,
} from '../../../gateway/hub/stream.ts';
import { GearwayError } from '../../../shared/errors.ts';
import { idleClientStatus } from '../../helpers/client-status.ts';
import { takeJson } from '../../helpers/take-json.ts';
import { logTo } from '../../helpers/log.ts';

const INPUT: FrameInput = {
  width: 2,
  height: 1,
  encoding: { kind: 'jpeg' },
  payload: new Uint8Array(4),
  message: { n: 1 },
  wireHeader: null,
};
const SOURCE = { kind: 'push', address: 'this program', state: 'open', lastError: null, restarts: 0 };

const streams: Stream[] = [];
let events: EventLog;
function createStream(lines: string[] = [], policy: Partial<StreamPolicy> = {}): Stream {
  const stream = new Stream({
    policy: { ...DEFAULT_STREAM_POLICY, ...policy },
    name: 'main',
    virtualPorts: [{ from: 6000, to: 6003 }],
    sourceTakesReturns: true,
    events,
    waitingReason: 'no frame yet',
    log: logTo(lines),
  });
  streams.push(stream);
  return stream;
}

function client(port: number | null = null): Client & {
  readonly sendAway: ReturnType<typeof vi.fn<Client['sendAway']>>;
  readonly offer: ReturnType<typeof vi.fn<Client['offer']>>;
  readonly streamChanged: ReturnType<typeof vi.fn<Client['streamChanged']>>;
} {
  const status = idleClientStatus(`client-${port}`, port);
  return {
    id: status.id,
    isActive: true,
    sendAway: vi.fn<Client['sendAway']>(),
    offer: vi.fn<Client['offer']>(),
    streamChanged: vi.fn<Client['streamChanged']>(),
    status: () => status,
  };
}

function listed(port: number): ReturnType<typeof client> &
  Omit<ListedClient, 'hasAnswered' | 'readiness'> & {
    hasAnswered: boolean;
    readiness: ListedClient['readiness'];
    readonly notifyEndOfStream: ReturnType<typeof vi.fn<() => void>>;
  } {
  return { ...client(port), port, hasAnswered: false, readiness: 'absent', notifyEndOfStream: vi.fn<() => void>() };
}

beforeEach(() => {
  events = new EventLog();
  vi.useFakeTimers();
});

afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
  vi.useRealTimers();
});

describe('Stream', () => {
  it('numbers and stamps frames, and offers each to every client', () => {
    const stream = createStream();
    const [first, second] = [client(), client()];
    stream.attach(first);
    stream.attach(second);
    const before = Date.now() * 1000 - 1000;
    const frame = stream.publish(INPUT);
    expect(frame).toMatchObject({ ...INPUT, sequence: 1 });
    expect(frame.payload).toBe(INPUT.payload);
    expect(frame.receivedAtUs).toBeGreaterThanOrEqual(before);
    expect(first.offer.mock.calls).toEqual([[frame]]);
    expect(second.offer.mock.calls).toEqual([[frame]]);
    expect(stream.latest).toBe(frame);
    expect(stream.publish(INPUT).sequence).toBe(2);
  });

  it('needs pictures while an active client or follower does, or a snapshot was requested', () => {
    const stream = createStream();
    const [viewer, follower] = [
      { ...client(), isActive: true, needsPictures: true },
      { isActive: true, needsPictures: false, offer: vi.fn(), streamChanged: vi.fn() },
    ];
    stream.follow(follower);
    expect([stream.isWatched(), stream.needsPictures()]).toEqual([true, false]);
    stream.attach(viewer);
    expect(stream.needsPictures()).toBe(true);
    viewer.isActive = false;
    expect(stream.needsPictures()).toBe(false);
    viewer.isActive = true;
    viewer.needsPictures = false;
    expect(stream.needsPictures()).toBe(false);
    // A client that supports only pictures.
    stream.attach(client());
    expect(stream.needsPictures()).toBe(true);
    const other = createStream();
    other.noteSnapshotRequest();
    expect(other.needsPictures()).toBe(true);
    vi.advanceTimersByTime(5500);
    expect(other.needsPictures()).toBe(false);
  });

  it('announces frames whose pictures are not here, and keeps no older picture', () => {
    const stream = createStream();
    const announce = vi.fn();
    const viewer = { ...client(), announce };
    stream.attach(viewer);
    stream.attach(client());
    stream.publish(INPUT);
    const outline = {
      sequence: 7,
      receivedAtUs: 5,
      width: 64,
      height: 48,
      encoding: { kind: 'jpeg' },
      payload: { byteLength: 9 },
    } as const;
    stream.announce(outline);
    expect(announce.mock.calls).toEqual([[outline]]);
    expect(viewer.offer).toHaveBeenCalledTimes(1);
    expect([stream.latest, stream.newestSequence, stream.lastSize]).toEqual([null, 7, { width: 64, height: 48 }]);
    expect(stream.status(SOURCE)).toMatchObject({ state: 'live', frame: { sequence: 7, width: 64, encoding: 'jpeg' } });
    stream.interrupted('the gateway of the source cannot be reached');
    expect(stream.state).toBe('stale');
    // Its picture may arrive later.
    const frame = stream.publish({ ...INPUT, arrival: { sequence: 7, receivedAtUs: 5 } });
    expect([stream.latest, frame.sequence]).toEqual([frame, 7]);
    stream.announce({ ...outline, sequence: 8 });
    vi.advanceTimersByTime(2500);
    expect([stream.state, stream.reason]).toEqual(['stale', 'the source has stopped sending']);
    stream.wait('suspended');
    expect(stream.status(SOURCE).frame).toBeNull();
  });

  it('reports arrays that cannot be shown while they arrive', () => {
    const stream = createStream();
    const viewer = client();
    stream.attach(viewer);
    const flow: FrameInput = { ...INPUT, encoding: { kind: 'raw', dtype: 'float32', shape: [8, 8, 2] } };
    for (let count = 0; count < 3; count += 1) stream.publish(flow);
    const reason =
      'frames arrive that viewers cannot show: arrays of shape [8, 8, 2] cannot be shown as a picture, expected 1 (gray), 3 (BGR) or 4 (BGRA) channels';
    expect([stream.state, stream.reason]).toEqual(['live', reason]);
    stream.publish(INPUT);
    expect(viewer.streamChanged.mock.calls).toEqual([
      ['live', reason],
      ['live', 'frames arrive'],
    ]);
  });

  it('reports the rejection of frames as the reason while they arrive', () => {
    const logged: string[] = [];
    const stream = createStream(logged);
    const reject = (number: number): void =>
      stream.rejectInput(new GearwayError('dtype-unknown', `bad frame ${number}`));
    for (let number = 1; number <= 100; number += 1) reject(number);
    const reason = 'the frames that arrive are rejected: dtype-unknown: bad frame 1';
    expect([stream.state, stream.reason, logged.length]).toEqual(['waiting', reason, 1]);
    vi.advanceTimersByTime(5500);
    expect([stream.state, stream.reason]).toEqual(['waiting', 'no frame yet']);
    // An earlier picture does not hide the reason.
    stream.publish(INPUT);
    for (let elapsedMs = 0; elapsedMs < 2500; elapsedMs += 250) {
      reject(101);
      vi.advanceTimersByTime(250);
    }
    expect([stream.state, stream.reason]).toEqual([
      'stale',
      'the frames that arrive are rejected: dtype-unknown: bad frame 101',
    ]);
    vi.advanceTimersByTime(5500);
    expect([stream.state, stream.reason]).toEqual(['stale', 'the source has stopped sending']);
    stream.publish(INPUT);
    reject(102);
    expect([stream.state, stream.reason]).toEqual(['live', 'frames arrive']);
  });

  it('appends the problem of the source to its reason while there is no picture', () => {
    const stream = createStream();
    const viewer = client(6000);
    stream.attach(viewer);
    stream.explain('a server of pattern 0');
    expect([stream.state, stream.reason]).toEqual(['waiting', 'no frame yet; a server of pattern 0']);
    // Foreign peers cannot flood the events with problems.
    for (let number = 0; number < 100; number += 1) stream.explain(`stranger ${number}`);
    expect(viewer.streamChanged.mock.calls).toEqual([['waiting', 'no frame yet; a server of pattern 0']]);
    vi.advanceTimersByTime(10_000);
    stream.explain('a port scan');
    expect(stream.reason).toBe('no frame yet; a port scan');
    stream.explain(null);
    expect(stream.reason).toBe('no frame yet');
    stream.publish(INPUT);
    stream.explain('a server of pattern 0');
    expect([stream.state, stream.reason]).toEqual(['live', 'frames arrive']);
  });

  it('reports whether browsers can show its frames', () => {
    const stream = createStream();
    const array = (shape: readonly number[]): FrameInput => ({
      ...INPUT,
      encoding: { kind: 'raw', dtype: 'uint8', shape },
    });
    stream.publish(array([8, 8, 2]));
    expect(stream.status(SOURCE).showable).toBe(false);
    stream.publish(array([8, 8, 3]));
    expect(stream.status(SOURCE).showable).toBe(true);
  });

  it('keeps the reason of a stream that withholds frames', () => {
    const stream = createStream(undefined, { start: 'all' });
    stream.attachListed(listed(5567));
    stream.publish(INPUT);
    const { reason } = stream;
    stream.rejectInput(new GearwayError('dtype-unknown', 'bad'));
    expect(stream.reason).toBe(reason);
  });

  it('offers nothing to a detached client', () => {
    const stream = createStream();
    const gone = client();
    stream.attach(gone);
    stream.detach(gone);
    stream.publish(INPUT);
    stream.end('over');
    expect(gone.offer).not.toHaveBeenCalled();
    expect(gone.streamChanged).not.toHaveBeenCalled();
  });

  it('waits for the first frame without a limit', () => {
    const stream = createStream();
    expect([stream.state, stream.reason]).toEqual(['waiting', 'no frame yet']);
    vi.advanceTimersByTime(600_000);
    expect(stream.state).toBe('waiting');
    stream.publish(INPUT);
    expect(stream.state).toBe('live');
  });

  it('is stale after 2 s without a frame, and live with the next one', () => {
    const stream = createStream();
    const watching = client();
    stream.attach(watching);
    for (let i = 0; i < 10; i += 1) {
      stream.publish(INPUT);
      vi.advanceTimersByTime(25);
    }
    vi.advanceTimersByTime(1974);
    expect(stream.state).toBe('live');
    // Checked every quarter of a second.
    vi.advanceTimersByTime(251);
    expect(stream.state).toBe('stale');
    vi.advanceTimersByTime(60_000);
    expect(stream.state).toBe('stale');
    stream.publish(INPUT);
    expect(stream.state).toBe('live');
    expect(watching.streamChanged.mock.calls.map(([state]) => state)).toEqual(['live', 'stale', 'live']);
  });

  it('waits for 5 frame times at low rates', () => {
    const stream = createStream();
    for (let i = 0; i < 10; i += 1) {
      stream.publish(INPUT);
      if (i < 9) vi.advanceTimersByTime(1000);
    }
    vi.advanceTimersByTime(4999);
    expect(stream.state).toBe('live');
    vi.advanceTimersByTime(251);
    expect(stream.state).toBe('stale');
  });

  it('ends with its source, and is live again with another frame', () => {
    const stream = createStream();
    const watching = client();
    stream.attach(watching);
    stream.publish(INPUT);
    stream.end('the server has ended the stream');
    expect([stream.state, stream.reason]).toEqual(['ended', 'the server has ended the stream']);
    vi.advanceTimersByTime(60_000);
    expect(stream.state).toBe('ended');
    expect(stream.publish(INPUT).sequence).toBe(2);
    expect(stream.state).toBe('live');
    expect(watching.streamChanged.mock.calls.map(([state]) => state)).toEqual(['live', 'ended', 'live']);
  });

  it('reports and logs a change once', () => {
    const lines: string[] = [];
    const stream = createStream(lines);
    const watching = client();
    stream.attach(watching);
    for (let i = 0; i < 5; i += 1) stream.publish(INPUT);
    stream.end('over');
    stream.end('over');
    expect(watching.streamChanged).toHaveBeenCalledTimes(2);
    expect(lines).toHaveLength(2);
  });

  it('counts rejected frames, keeps the last eight reasons, and logs at most every 10 s', () => {
    const lines: string[] = [];
    const stream = createStream(lines);
    for (let i = 1; i <= 9; i += 1) stream.reject(new GearwayError('array-misfit', `reason ${i}`));
    stream.reject('thrown text');
    expect(stream.status(SOURCE).counters).toMatchObject({ received: 0, rejected: 10 });
    expect(stream.status(SOURCE).counters.lastRejections).toEqual([
      'unknown: thrown text',
      ...[9, 8, 7, 6, 5, 4, 3].map((i) => `array-misfit: reason ${i}`),
    ]);
    expect(lines).toHaveLength(1);
    vi.advanceTimersByTime(9999);
    stream.reject(new Error('e'));
    expect(lines).toHaveLength(1);
    vi.advanceTimersByTime(1);
    stream.reject(new Error('e'));
    expect(lines).toHaveLength(2);
    expect(stream.state).toBe('waiting');
  });

  it('describes itself', () => {
    const stream = createStream();
    expect(stream.status(SOURCE)).toEqual({
      name: 'main',
      state: 'waiting',
      reason: 'no frame yet',
      source: SOURCE,
      showable: true,
      frame: null,
      counters: {
        received: 0,
        receivedBytes: 0,
        rejected: 0,
        returnsRejected: 0,
        returnsDropped: 0,
        lastRejections: [],
      },
      ports: { ranges: [{ from: 6000, to: 6003 }], free: 4, taken: 0, held: [], reserved: [] },
      control: null,
      awaited: [],
      clients: [],
    });
    for (let i = 0; i < 10; i += 1) {
      stream.publish({ ...INPUT, encoding: { kind: 'raw', dtype: 'uint16', shape: [1, 2] } });
      if (i < 9) vi.advanceTimersByTime(40);
    }
    expect(stream.status(SOURCE)).toMatchObject({
      state: 'live',
      frame: { sequence: 10, width: 2, height: 1, encoding: 'uint16', framesPerSecond: 25 },
      counters: { received: 10 },
    });
    expect(stream.frameTimeMs()).toBeCloseTo(40);
    expect(stream.framesPerSecond()).toBeCloseTo(25);
  });

  it('reports each change of its state', () => {
    const stream = createStream();
    stream.publish(INPUT);
    stream.publish(INPUT);
    stream.end('the server has ended the stream');
    events.close();
    const reader = events.events();
    return expect(Promise.all([reader.next(), reader.next(), reader.next()])).resolves.toMatchObject([
      { value: { id: 1, stream: 'main', kind: 'state', client: null, reason: 'live: frames arrive' } },
      { value: { id: 2, reason: 'ended: the server has ended the stream' } },
      { done: true },
    ]);
  });

  it('disconnects the given client, and no other', () => {
    const stream = createStream();
    const [first, second] = [client(6000), client(6001)];
    stream.attach(first);
    stream.attach(second);
    expect(stream.sendAway('client-6001', 'enough')).toMatchObject({ port: 6001 });
    expect(second.sendAway).toHaveBeenCalledWith('enough');
    expect(first.sendAway).not.toHaveBeenCalled();
    expect(stream.sendAway('client-6002', 'enough')).toBeNull();
  });

  it('lists clients by port, spectators last', () => {
    const stream = createStream();
    for (const port of [6001, null, 5567, 6000]) stream.attach(client(port));
    expect(stream.clientStatuses().map(({ port }) => port)).toEqual([5567, 6000, 6001, null]);
  });

  it("passes all clients' return data to its source", () => {
    const stream = createStream();
    stream.returns.join(6000);
    expect(takeJson(stream.returns)).toBe('{"6000": null}');
  });

  it('can be closed twice, and stops its timer', () => {
    const stream = createStream();
    stream.publish(INPUT);
    stream.close();
    stream.close();
    vi.advanceTimersByTime(10_000);
    expect(stream.state).toBe('live');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('round', () => {
  it('has one decimal place', () => {
    expect([round(29.97), round(0.04), round(0)]).toEqual([30, 0, 0]);
  });
});

describe('Stream: start all', () => {
  it('withholds the newest frame until each listed client has connected once, and reports the missing clients', () => {
    const stream = createStream(undefined, { start: 'all' });
    const [first, second, viewer] = [listed(5567), listed(5577), client()];
    for (const one of [first, second]) stream.attachListed(one);
    stream.attach(viewer);
    expect(stream.status(SOURCE)).toMatchObject({ awaited: [5567, 5577], state: 'waiting', reason: 'no frame yet' });
    stream.publish(INPUT);
    const newest = stream.publish(INPUT);
    expect(newest.sequence).toBe(2);
    expect(stream.status(SOURCE)).toMatchObject({
      awaited: [5567, 5577],
      state: 'waiting',
      reason: 'holding frames until every client has connected once, missing: 5567, 5577 (start: all)',
      counters: { received: 2 },
    });
    first.hasAnswered = true;
    stream.onClientReady();
    expect(stream.status(SOURCE)).toMatchObject({
      awaited: [5577],
      reason: 'holding frames until every client has connected once, missing: 5577 (start: all)',
    });
    expect(stream.latest).toBeNull();
    for (const one of [first, second, viewer]) expect(one.offer).not.toHaveBeenCalled();
    second.hasAnswered = true;
    stream.onClientReady();
    expect(stream.status(SOURCE)).toMatchObject({ awaited: [], state: 'live' });
    for (const one of [first, second, viewer]) expect(one.offer.mock.calls).toEqual([[newest]]);
    // The stream does not wait for later clients.
    stream.attachListed(listed(5587));
    stream.publish(INPUT);
    expect(viewer.offer).toHaveBeenCalledTimes(2);
  });

  it('does not wait for removed clients', () => {
    const stream = createStream(undefined, { start: 'all' });
    const [first, second] = [listed(5567), listed(5577)];
    for (const one of [first, second]) stream.attachListed(one);
    first.hasAnswered = true;
    stream.publish(INPUT);
    stream.detachListed(second);
    expect(stream.state).toBe('live');
    expect(first.offer).toHaveBeenCalledTimes(1);
  });
});

describe('Stream: distribution round-robin', () => {
  it('sends to the ready listed clients in rotation, and sends every frame to viewers', () => {
    const stream = createStream(undefined, { distribution: 'round-robin' });
    const [a, missing, b] = [listed(1), listed(2), listed(3)];
    const viewer = client();
    for (const one of [a, missing, b]) stream.attachListed(one);
    stream.attach(viewer);
    const dealt = (): number[] => [a, missing, b].map((one) => one.offer.mock.calls.length);
    a.readiness = b.readiness = 'ready';
    for (let i = 0; i < 4; i += 1) stream.publish(INPUT);
    expect(dealt()).toEqual([2, 0, 2]);
    expect(viewer.offer).toHaveBeenCalledTimes(4);
    // A busy client is skipped while another one is ready.
    a.readiness = 'busy';
    stream.publish(INPUT);
    stream.publish(INPUT);
    expect(dealt()).toEqual([2, 0, 4]);
    b.readiness = 'busy';
    stream.publish(INPUT);
    stream.publish(INPUT);
    expect(dealt()).toEqual([3, 0, 5]);
    // Without listed clients, viewers still get the frame.
    a.readiness = b.readiness = 'absent';
    stream.publish(INPUT);
    expect(dealt()).toEqual([3, 0, 5]);
    expect(viewer.offer).toHaveBeenCalledTimes(9);
  });
});

describe('Stream: on source end', () => {
  it.each([
    ['wait', 0],
    ['terminate', 1],
  ] as const)('%s: the listed clients are ended %i times', (onSourceEnd, times) => {
    const stream = createStream(undefined, { onSourceEnd });
    const one = listed(5567);
    stream.attachListed(one);
    stream.publish(INPUT);
    stream.end('the server has ended the stream');
    expect(one.notifyEndOfStream).toHaveBeenCalledTimes(times);
  });
});
