import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { MirroredRenditions } from '../../../gateway/cluster/mirrored-renditions.ts';
import { RemoteNumbers } from '../../../gateway/cluster/remote-numbers.ts';
import { RenditionSubscription } from '../../../gateway/cluster/rendition-subscription.ts';
import { RenditionHost } from '../../../gateway/cluster/rendition-host.ts';
import type { Frame, FrameOutline } from '../../../gateway/hub/frame.ts';
import type { JpegStep, VideoStep } from '../../../gateway/renditions/ladder.ts';
import type {
  RenditionFrame,
  SharedEncoding,
  VideoChunk,
  VideoSubscriber,
} from '../../../gateway/renditions/rendition.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { createDoor } from '../../helpers/stream.ts';
import { Bus } from './bus.ts';

const VIDEO: VideoStep = { kind: 'h264', divisor: 2, bitsPerSecond: 500_000 };
const JPEG: JpegStep = { kind: 'jpeg', divisor: 2, quality: 50 };

const frame = (sequence: number): Frame => ({
  sequence,
  receivedAtUs: 0,
  width: 640,
  height: 480,
  encoding: { kind: 'jpeg' },
  payload: Uint8Array.of(1, 2, 3),
  message: null,
  wireHeader: null,
});

/** The renditions of an owner; chunks and JPEGs are created by the test. */
class Owner {
  readonly id: string;
  readonly stream = createDoor();
  readonly subscribers = new Set<VideoSubscriber>();
  readonly scaled: number[] = [];
  keyRequests = 0;
  isAvailable = true;
  isOwner = true;
  readonly #encoding: SharedEncoding = {
    subscribe: (subscriber) => {
      this.subscribers.add(subscriber);
      this.keyRequests += 1;
    },
    unsubscribe: (subscriber) => void this.subscribers.delete(subscriber),
    requestKey: () => void (this.keyRequests += 1),
  };

  constructor(bus: Bus, id = 'a') {
    this.id = id;
    const host = new RenditionHost({
      control: bus.connect(),
      frames: bus.connect(),
      maxPayload: () => 1 << 20,
      subject: `requests.${id}`,
      frameSubject: (stream, step) => `renditions.${id}.${stream}.${step}`,
      streams: new Map([['door', { stream: this.stream, origin: `stream of ${id}`, isOwner: () => this.isOwner }]]),
      renditionsOf: () => ({
        video: () => (this.isAvailable ? this.#encoding : null),
        jpeg: (source) => {
          this.scaled.push(source.sequence);
          return Promise.resolve({ ...this.#frame(source.sequence), encoding: { kind: 'jpeg' } });
        },
      }),
      log: SILENT_LOGGER,
    });
    onTestFinished(() => {
      host.close();
      this.stream.close();
    });
  }

  /** The encoder creates a chunk. */
  async encode(sequence: number, isKey = false): Promise<void> {
    const description = { codec: 'avc1.42c028', description: Uint8Array.of(1, 66, 192, 40) };
    const encoding: VideoChunk['encoding'] = { kind: 'h264', isKey, ...(isKey ? description : {}) };
    for (const subscriber of this.subscribers) subscriber.chunk({ ...this.#frame(sequence), encoding });
    await settle();
  }

  #frame(sequence: number): RenditionFrame {
    return {
      sequence,
      receivedAtUs: 0,
      capturedAtUs: 1000 + sequence,
      width: 640,
      height: 480,
      message: { n: sequence },
      encoding: { kind: 'jpeg' },
      rendition: { rendition: 'h264-2-500', pictureWidth: 320, pictureHeight: 240 },
      payload: Uint8Array.of(sequence & 255, 7),
    };
  }
}

/** Another gateway, and the messages that one of its viewers gets. */
class Mirror implements VideoSubscriber {
  readonly address = '192.0.2.1';
  readonly renditions: MirroredRenditions;
  readonly chunks: VideoChunk[] = [];
  readonly events: (number | 'interrupted')[] = [];
  owner: string | null = 'a';
  isHere = false;
  newest = 0;

  constructor(bus: Bus, id = 'b') {
    this.renditions = new MirroredRenditions({
      link: {
        control: bus.connect(),
        frames: bus.connect(),
        stream: 'door',
        self: id,
        owner: () => this.owner,
        requestSubject: (owner) => `requests.${owner}`,
        frameSubject: (owner, step) => `renditions.${owner}.door.${step}`,
        log: SILENT_LOGGER,
      },
      numbers: new RemoteNumbers(() => this.newest),
      isHere: () => this.isHere,
    });
    onTestFinished(() => this.renditions.close());
  }

  chunk(chunk: VideoChunk): void {
    this.chunks.push(chunk);
    this.events.push(chunk.sequence);
  }

  interrupted(): void {
    this.events.push('interrupted');
  }
}

/** Delivers all messages in transit, and those that result from them. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

let bus: Bus;
let owner: Owner;
let mirror: Mirror;

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  bus = new Bus();
  owner = new Owner(bus);
  mirror = new Mirror(bus);
});

describe('H.264 of another gateway', () => {
  it('is encoded once for all gateways, with the number, times, message and size of the frame', async () => {
    const other = new Mirror(bus, 'c');
    for (const one of [mirror, other]) one.renditions.video(VIDEO)!.subscribe(one);
    await settle();
    expect(owner.subscribers.size).toBe(1);
    expect(owner.stream.isWatched()).toBe(true);
    await owner.encode(7, true);
    await owner.encode(8);
    for (const { chunks } of [mirror, other]) {
      expect(chunks.map(({ sequence, encoding }) => [sequence, encoding.isKey])).toEqual([
        [7, true],
        [8, false],
      ]);
      expect(chunks[0]).toMatchObject({
        capturedAtUs: 1007,
        width: 640,
        height: 480,
        message: { n: 7 },
        encoding: { codec: 'avc1.42c028', description: Uint8Array.of(1, 66, 192, 40) },
        rendition: { rendition: 'h264-2-500', pictureWidth: 320, pictureHeight: 240 },
      });
      expect([...(chunks[1]?.payload ?? [])]).toEqual([8, 7]);
    }
    // A head and a part per chunk, regardless of the number of gateways.
    expect(bus.published.filter((subject) => subject.startsWith('renditions.'))).toHaveLength(4);
  });

  it('ends when no gateway requests it, or the requesting gateways are silent', async () => {
    const other = new Mirror(bus, 'c');
    for (const one of [mirror, other]) one.renditions.video(VIDEO)!.subscribe(one);
    await settle();
    mirror.renditions.video(VIDEO)!.unsubscribe(mirror);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(owner.subscribers.size).toBe(1);
    bus.loses = (subject) => subject.startsWith('requests.');
    await vi.advanceTimersByTimeAsync(1200);
    expect(owner.subscribers.size).toBe(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect([owner.subscribers.size, owner.stream.isWatched()]).toEqual([0, false]);
  });

  it('requests one key frame for viewers that join while a request is in transit', async () => {
    const video = mirror.renditions.video(VIDEO)!;
    const join = (): void =>
      video.subscribe({ address: '192.0.2.1', chunk: () => undefined, interrupted: () => undefined });
    join();
    await settle();
    await owner.encode(1, true);
    const before = owner.keyRequests;
    for (let count = 0; count < 50; count += 1) join();
    await settle();
    // The request that was sent with the first viewer, and one for the others.
    expect(owner.keyRequests - before).toBe(2);
    await vi.advanceTimersByTimeAsync(5000);
    expect(owner.keyRequests - before).toBe(2);
  });

  it('continues with a requested key frame after a chunk was lost', async () => {
    mirror.renditions.video(VIDEO)!.subscribe(mirror);
    await settle();
    await owner.encode(1, true);
    bus.loses = (subject) => subject.startsWith('renditions.');
    await owner.encode(2);
    bus.loses = () => false;
    const before = owner.keyRequests;
    for (const sequence of [3, 4, 5]) await owner.encode(sequence);
    expect(owner.keyRequests - before).toBe(1);
    await owner.encode(6, true);
    await owner.encode(7);
    expect(mirror.events).toEqual([1, 'interrupted', 6, 7]);
  });

  it('skips to a key frame if the NATS server does not accept the chunks, and requests it when it does', async () => {
    mirror.renditions.video(VIDEO)!.subscribe(mirror);
    await settle();
    bus.isStuck = true;
    await owner.encode(1, true);
    for (let sequence = 2; sequence <= 20; sequence += 1) await owner.encode(sequence);
    const before = owner.keyRequests;
    expect(mirror.chunks).toHaveLength(8);
    bus.release();
    await settle();
    expect(owner.keyRequests - before).toBe(1);
    await owner.encode(21);
    await owner.encode(22, true);
    await owner.encode(23);
    expect(mirror.events).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 22, 23]);
  });

  it('is encoded locally if the owner cannot encode it', async () => {
    owner.isAvailable = false;
    mirror.renditions.video(VIDEO)!.subscribe(mirror);
    await settle();
    expect(mirror.events).toContain('interrupted');
    expect([mirror.renditions.hasVideo, mirror.renditions.video(VIDEO)]).toEqual([false, null]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(mirror.renditions.hasVideo).toBe(true);
    expect(mirror.renditions.video(VIDEO)).not.toBeNull();
  });

  it('comes from the next owner, with increasing numbers, or is encoded locally', async () => {
    mirror.renditions.video(VIDEO)!.subscribe(mirror);
    await settle();
    await owner.encode(500, true);
    mirror.newest = 500;
    const next = new Owner(bus, 'd');
    mirror.owner = null;
    mirror.renditions.ownerChanged();
    mirror.owner = 'd';
    mirror.renditions.ownerChanged();
    await settle();
    await next.encode(3, true);
    await next.encode(4);
    expect(mirror.events).toEqual([500, 'interrupted', 501, 502]);
    expect(mirror.chunks.at(-1)?.message).toEqual({ n: 4 });
    mirror.isHere = true;
    mirror.renditions.ownerChanged();
    await settle();
    expect(next.subscribers.size).toBe(0);
    expect(mirror.renditions.video(VIDEO)).toBeNull();
    expect(mirror.events.at(-1)).toBe('interrupted');
  });
});

describe('scaled JPEGs of another gateway', () => {
  /** Requests frames until the owner scales them. */
  async function begin(): Promise<void> {
    for (let sequence = 1; sequence <= 10; sequence += 1) {
      expect(mirror.renditions.jpeg(frame(sequence), JPEG)).toBeNull();
      await vi.advanceTimersByTimeAsync(50);
    }
    publish(11);
    await settle();
  }

  /** Publishes the frame with this number at the owner. */
  function publish(sequence: number): void {
    owner.stream.publish({ ...frame(sequence), arrival: { sequence, receivedAtUs: 0 } });
  }

  it('are scaled locally for a viewer that needs them for a short time, and otherwise once by the owner', async () => {
    expect(mirror.renditions.jpeg(frame(1), JPEG)).toBeNull();
    await vi.advanceTimersByTimeAsync(2000);
    expect(mirror.renditions.jpeg(frame(2), JPEG)).toBeNull();
    expect(bus.published).toEqual([]);
    await begin();
    const [one, other] = [mirror.renditions.jpeg(frame(12), JPEG), mirror.renditions.jpeg(frame(12), JPEG)];
    publish(12);
    const [first, second] = [await one, await other];
    expect(first).toMatchObject({ sequence: 12, message: { n: 12 }, encoding: { kind: 'jpeg' } });
    expect(second).toBe(first);
    expect(owner.scaled).toEqual([11, 12]);
  });

  it('are skipped with frames that the owner skips', async () => {
    await begin();
    const skipped = mirror.renditions.jpeg(frame(12), JPEG);
    const next = mirror.renditions.jpeg(frame(13), JPEG);
    publish(13);
    expect(await skipped).toBe('skipped');
    expect(await next).toMatchObject({ sequence: 13 });
    expect(await mirror.renditions.jpeg(frame(12), JPEG)).toBe('skipped');
  });

  it('are scaled locally while none arrive', async () => {
    await begin();
    const missing = mirror.renditions.jpeg(frame(12), JPEG);
    await vi.advanceTimersByTimeAsync(500);
    expect(await missing).toBe('missing');
    expect(mirror.renditions.jpeg(frame(13), JPEG)).toBeNull();
    publish(14);
    await settle();
    const next = mirror.renditions.jpeg(frame(15), JPEG);
    publish(15);
    expect(await next).toMatchObject({ sequence: 15 });
  });

  it('are requested immediately for a frame whose picture is not here, and expected for half a second', async () => {
    const outline = (sequence: number): FrameOutline => ({ ...frame(sequence), payload: { byteLength: 3 } });
    expect(mirror.renditions.hasJpegs(JPEG)).toBe(false);
    expect(mirror.renditions.jpeg(outline(1), JPEG)).toBeNull();
    expect(mirror.renditions.hasJpegs(JPEG)).toBe(true);
    await settle();
    expect(owner.stream.isWatched()).toBe(true);
    await vi.advanceTimersByTimeAsync(510);
    // No JPEG has arrived.
    expect(mirror.renditions.hasJpegs(JPEG)).toBe(false);
    publish(2);
    await settle();
    expect(mirror.renditions.hasJpegs(JPEG)).toBe(true);
    expect(await mirror.renditions.jpeg(outline(2), JPEG)).toMatchObject({ sequence: 2 });
    const missing = mirror.renditions.jpeg(outline(3), JPEG);
    await vi.advanceTimersByTimeAsync(500);
    expect([await missing, mirror.renditions.hasJpegs(JPEG)]).toEqual(['missing', false]);
    mirror.isHere = true;
    mirror.renditions.ownerChanged();
    expect(mirror.renditions.hasJpegs(JPEG)).toBe(false);
  });

  it('end when they are no longer requested', async () => {
    await begin();
    expect(owner.stream.isWatched()).toBe(true);
    await vi.advanceTimersByTimeAsync(6000);
    expect(owner.stream.isWatched()).toBe(false);
    // No timer is left, except those of the stream and the host.
    expect(vi.getTimerCount()).toBe(2);
  });
});

describe('RenditionSubscription', () => {
  it.each(['not JSON', 'null', '5', '{}', '{"ok":false}', '{"ok":false,"reason":5}', '{"ok":"yes"}'])(
    'requests again after the malformed answer %s',
    async (text) => {
      const answers = [text];
      const real = bus.connect();
      const control = {
        ...real,
        request: (...args: Parameters<typeof real.request>) => {
          const answer = answers.shift();
          return answer === undefined
            ? real.request(...args)
            : Promise.resolve({ json: () => JSON.parse(answer) as unknown });
        },
      };
      const subscription = new RenditionSubscription({
        link: {
          control: control as unknown as typeof real,
          frames: bus.connect(),
          stream: 'door',
          self: 'z',
          owner: () => 'a',
          requestSubject: (of) => `requests.${of}`,
          frameSubject: (of, step) => `renditions.${of}.door.${step}`,
          log: SILENT_LOGGER,
        },
        step: 'h264-2-500',
        onFrame: () => undefined,
        onInterrupted: () => undefined,
        onUnavailable: () => expect.fail('it is available'),
      });
      onTestFinished(() => subscription.close());
      await settle();
      expect(owner.subscribers.size).toBe(0);
      await vi.advanceTimersByTimeAsync(200);
      expect(owner.subscribers.size).toBe(1);
    },
  );
});

describe('RenditionHost', () => {
  it('remembers at most 1024 gateways that want a rendition', async () => {
    const wants = (from: string): Promise<unknown> => ask({ ...request, from });
    for (let count = 0; count < 1024; count += 1) expect(await wants(`g${count}`)).toEqual({ ok: true });
    expect(await wants('another')).toEqual({ ok: false, reason: 'unavailable' });
    expect(await wants('g0')).toEqual({ ok: true });
  });

  const ask = async (request: unknown): Promise<unknown> => {
    const answer = bus.connect().request('requests.a', JSON.stringify(request), { timeout: 100 });
    return Promise.race([answer.then((message) => message.json()), settle().then(() => 'none')]);
  };
  const request = { stream: 'door', step: 'h264-2-500', from: 'x', keys: 1, isLast: false };

  it.each(['h264-3-500', 'h264-2-5', 'h264-2-x', 'jpeg-2-51', 'source', 'packed', ''])(
    'refuses the step %j',
    async (step) => {
      expect(await ask({ ...request, step })).toEqual({ ok: false, reason: 'unavailable' });
    },
  );

  it.each([
    null,
    5,
    {},
    { ...request, keys: 'x' },
    { ...request, from: 'x'.repeat(161) },
    { ...request, from: undefined },
    { ...request, isLast: 1 },
  ])('does not answer %j', async (malformed) => {
    expect(await ask(malformed)).toBe('none');
  });

  it('refuses streams that this gateway does not have', async () => {
    expect(await ask({ ...request, stream: 'yard' })).toEqual({ ok: false, reason: 'not-owner' });
    owner.isOwner = false;
    expect(await ask(request)).toEqual({ ok: false, reason: 'not-owner' });
  });
});
