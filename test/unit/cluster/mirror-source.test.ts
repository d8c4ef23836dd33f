import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { FrameExporter } from '../../../gateway/cluster/frame-exporter.ts';
import { MirrorSource } from '../../../gateway/cluster/mirror-source.ts';
import { RemoteNumbers } from '../../../gateway/cluster/remote-numbers.ts';
import { SessionHost } from '../../../gateway/cluster/session-host.ts';
import type { Follower, Stream } from '../../../gateway/hub/stream.ts';
import { SourceRun } from '../../../gateway/sources/source-run.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { createDoor } from '../../helpers/stream.ts';
import { Bus } from './bus.ts';

const PICTURE = {
  width: 640,
  height: 480,
  encoding: { kind: 'jpeg' },
  payload: Uint8Array.of(1, 2, 3),
  message: null,
  wireHeader: null,
} as const;

function createStream(): Stream {
  const stream = createDoor();
  onTestFinished(() => stream.close());
  return stream;
}

/** A follower that needs pictures, or only the heads of frames. */
const follower = (needsPictures: boolean): Follower => ({
  isActive: true,
  needsPictures,
  offer: () => undefined,
  streamChanged: () => undefined,
});

/** Delivers all messages in transit, and those that result from them, without any time passing. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
}

/** A stream at its owner and at another gateway. */
class Fixture {
  readonly bus = new Bus();
  readonly owned = createStream();
  readonly mirrored = createStream();

  constructor() {
    const exporter = new FrameExporter({
      stream: this.owned,
      origin: 'o',
      connection: this.bus.connect(),
      maxPayload: () => 1 << 20,
      subject: 'frames.a.door',
    });
    const host = new SessionHost({
      connection: this.bus.connect(),
      subject: 'session.a',
      streams: new Map([['door', { stream: this.owned, exporter, isOwner: () => true }]]),
      gatewayName: (id) => id,
      log: SILENT_LOGGER,
    });
    onTestFinished(() => host.close());
  }

  /** Opens the stream at the other gateway. */
  async open(): Promise<void> {
    const source = new MirrorSource({
      stream: 'door',
      self: 'b',
      control: this.bus.connect(),
      frames: this.bus.connect(),
      maxPayload: () => 1 << 20,
      frameSubject: (owner) => `frames.${owner}.door`,
      sessionSubject: (owner) => `session.${owner}`,
      owner: () => ({ id: 'a', name: 'A', takesReturns: false, verifiesJpegs: true }),
      numbers: new RemoteNumbers(() => this.mirrored.newestSequence),
      endSessions: () => undefined,
      exclusiveControl: () => null,
      log: SILENT_LOGGER,
    });
    const run = new SourceRun({ stream: this.mirrored, stallMs: null, isOnDemand: false });
    this.mirrored.onNeed(() => source.needsChanged());
    await source.open(run);
    onTestFinished(async () => {
      run.close();
      await source.close();
    });
    await settle();
  }

  /** Publishes frames at the owner, each after 100 ms. @returns the number of pictures that crossed the network. */
  async publish(count: number): Promise<number> {
    const before = this.pictures;
    for (let published = 0; published < count; published += 1) {
      await vi.advanceTimersByTimeAsync(100);
      this.owned.publish(PICTURE);
      await settle();
    }
    return this.pictures - before;
  }

  get pictures(): number {
    return this.bus.published.filter((subject) => subject === 'frames.a.door.p').length;
  }
}

let fixture: Fixture;

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  fixture = new Fixture();
});

describe('MirrorSource', () => {
  it('receives only the heads of frames while no client needs pictures', async () => {
    fixture.mirrored.follow(follower(false));
    await fixture.open();
    expect(await fixture.publish(30)).toBe(0);
    expect([fixture.mirrored.newestSequence, fixture.mirrored.latest]).toEqual([30, null]);
  });

  it.each([
    ['a client that joins', ({ mirrored }: Fixture) => mirrored.follow(follower(true))],
    ['a snapshot', ({ mirrored }: Fixture) => mirrored.noteSnapshotRequest()],
  ])('requests the newest picture for %s, without waiting for a timer or a frame', async (_, begin) => {
    fixture.mirrored.follow(follower(false));
    await fixture.open();
    await fixture.publish(5);
    begin(fixture);
    await settle();
    expect([fixture.pictures, fixture.mirrored.latest?.sequence]).toEqual([1, 5]);
  });

  it('receives pictures for 2 s after they are needed, even if no frame arrives in the meantime', async () => {
    const viewer = follower(true);
    fixture.mirrored.follow(viewer);
    await fixture.open();
    expect(await fixture.publish(10)).toBe(10);
    fixture.mirrored.unfollow(viewer);
    expect(await fixture.publish(15)).toBe(15);
    await fixture.publish(10);
    expect(await fixture.publish(10)).toBe(0);
    fixture.mirrored.follow(viewer);
    expect(await fixture.publish(10)).toBeGreaterThanOrEqual(10);
    fixture.mirrored.unfollow(viewer);
    await vi.advanceTimersByTimeAsync(3000);
    expect(await fixture.publish(10)).toBe(0);
  });
});
