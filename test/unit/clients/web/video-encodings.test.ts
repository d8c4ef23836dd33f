import fc from 'fast-check';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Encoders, VideoEncodings } from '../../../../gateway/clients/web/video-encodings.ts';
import type { VideoStep } from '../../../../gateway/renditions/ladder.ts';
import type { SharedEncoding, VideoSubscriber } from '../../../../gateway/renditions/rendition.ts';
import { SILENT_LOGGER } from '../../../../shared/logger.ts';

const MAX_ENCODERS = 8;

/** How long an encoding continues without viewers. */
const UNUSED_MS = 3000;

const [GREEDY, OTHER] = ['192.0.2.1', '192.0.2.2'];

const step = (index: number): VideoStep => ({ kind: 'h264', divisor: 1, bitsPerSecond: 500_000 + index });

/** Encodings of one stream without frames, so that no FFmpeg runs. Each step also represents a separate stream. */
class Gateway {
  readonly encoders = new Encoders();
  readonly #encodings = new VideoEncodings(
    {
      latest: null,
      frameTimeMs: () => undefined,
      sendsPictures: () => false,
      follow: () => undefined,
      unfollow: () => undefined,
    },
    () => new Uint8Array(0),
    this.encoders,
    SILENT_LOGGER,
  );

  get(address: string, index: number): SharedEncoding | null {
    return this.#encodings.get(step(index), address);
  }
}

/** A viewer, which requests its encoding again with each frame, as {@link ViewerVideo} does. */
class FakeViewer implements VideoSubscriber {
  readonly address: string;
  interruptions = 0;
  encoding: SharedEncoding | null = null;
  readonly #gateway: Gateway;
  readonly #index: number;

  constructor(gateway: Gateway, address: string, index: number) {
    this.#gateway = gateway;
    this.address = address;
    this.#index = index;
  }

  /** @returns whether it gets H.264. */
  frame(): boolean {
    const next = this.#gateway.get(this.address, this.#index);
    if (next !== this.encoding) {
      this.leave();
      next?.subscribe(this);
      this.encoding = next;
    }
    return next !== null;
  }

  leave(): void {
    this.encoding?.unsubscribe(this);
    this.encoding = null;
  }

  chunk(): void {
    // There are no frames.
  }

  interrupted(): void {
    this.interruptions += 1;
  }
}

/** How many of the viewers get H.264 with their next frame. */
const served = (viewers: readonly FakeViewer[]): number => viewers.filter((viewer) => viewer.frame()).length;

describe('VideoEncodings', () => {
  let gateway: Gateway;
  let used = 0;

  /** Viewers of different streams, before their first frame. */
  const viewers = (address: string, count: number): FakeViewer[] =>
    Array.from({ length: count }, () => new FakeViewer(gateway, address, (used += 1)));

  beforeEach(() => {
    vi.useFakeTimers();
    gateway = new Gateway();
    onTestFinished(() => {
      gateway.encoders.close();
      expect(gateway.encoders.size).toBe(0);
      vi.useRealTimers();
    });
  });

  it('assigns all encoders to one address, and half of them to the next address as soon as it needs them', () => {
    const greedy = viewers(GREEDY, 12);
    expect(served(greedy)).toBe(MAX_ENCODERS);
    const others = viewers(OTHER, 1);
    expect(served(others)).toBe(1);
    expect(served(greedy)).toBe(MAX_ENCODERS - 1);
    expect(greedy.filter(({ interruptions }) => interruptions > 0)).toHaveLength(1);
    others.push(...viewers(OTHER, 11));
    expect(served(others)).toBe(MAX_ENCODERS / 2);
    expect(served(greedy)).toBe(MAX_ENCODERS / 2);
  });

  it('returns an encoder to an address when the others no longer need it', () => {
    const [greedy, others] = [viewers(GREEDY, 8), viewers(OTHER, 4)];
    served(greedy);
    served(others);
    expect(served(greedy)).toBe(4);
    for (const viewer of others) viewer.leave();
    expect(served(greedy)).toBe(8);
  });

  it('refuses an address if each of the others has one encoder', () => {
    const all = Array.from({ length: MAX_ENCODERS + 1 }, (_, index) => viewers(`192.0.2.${index}`, 1)).flat();
    expect(all.map((viewer) => viewer.frame())).toEqual([...Array<boolean>(MAX_ENCODERS).fill(true), false]);
  });

  it('lets any number of viewers of any address share a running encoding', () => {
    served(viewers(GREEDY, 8));
    const sharing = Array.from({ length: 20 }, (_, index) => new FakeViewer(gateway, `192.0.2.${index + 10}`, used));
    expect(served(sharing)).toBe(20);
    expect(gateway.encoders.size).toBe(MAX_ENCODERS);
  });

  it('counts a shared encoding for one address, and after it has left for the next one', () => {
    const own = viewers(GREEDY, 8);
    served(own);
    const sharing = own.map((_, index) => new FakeViewer(gateway, OTHER, used - index));
    served(sharing);
    // An address that shares all of them does not protect them.
    expect(served(viewers('192.0.2.3', 2))).toBe(2);
    for (const viewer of own) viewer.leave();
    expect(served(viewers('192.0.2.4', 2))).toBe(2);
    expect(served(sharing)).toBe(4);
  });

  it('ends encodings without viewers first, so that they occupy no share', () => {
    const left = viewers(GREEDY, 4);
    const staying = viewers(OTHER, 4);
    served([...left, ...staying]);
    for (const viewer of left) viewer.leave();
    expect(served(viewers('192.0.2.3', 4))).toBe(4);
    expect(served(staying)).toBe(4);
    expect(staying.every(({ interruptions }) => interruptions === 0)).toBe(true);
    vi.advanceTimersByTime(UNUSED_MS);
    expect(gateway.encoders.size).toBe(MAX_ENCODERS);
  });

  it('starts few encoders for an address whose viewers constantly select other steps, and serves the others', () => {
    const greedy = viewers(GREEDY, MAX_ENCODERS + 1);
    const started = new Set<SharedEncoding>();
    for (let frame = 0; frame < 300; frame += 1) {
      for (const viewer of greedy) {
        viewer.frame();
        if (viewer.encoding !== null) started.add(viewer.encoding);
        viewer.leave();
      }
      vi.advanceTimersByTime(33);
    }
    // About 10 s: the first ones, a burst, and one per second. Each could be an FFmpeg.
    expect(started.size).toBeLessThan(40);
    expect(served(viewers(OTHER, 4))).toBe(4);
  });

  it('shares fairly for any needs of the addresses in any order, and then withdraws no further encoder', () => {
    const needs = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(needs, fc.infiniteStream(fc.nat()), (counts, order) => {
        gateway = new Gateway();
        const byAddress = counts.map((count, index) => viewers(`192.0.2.${index}`, count));
        const waiting = byAddress.flat();
        const all: FakeViewer[] = [];
        while (waiting.length > 0) {
          const index = (order.next().value ?? 0) % waiting.length;
          all.push(...waiting.splice(index, 1));
          served(all);
        }
        for (let frame = 0; frame < 10; frame += 1) served(all);
        const interruptions = all.map((viewer) => viewer.interruptions);
        const shares = byAddress.map(served);
        expect(all.map((viewer) => viewer.interruptions)).toEqual(interruptions);
        const total = counts.reduce((sum, count) => sum + count, 0);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(Math.min(total, MAX_ENCODERS));
        const most = Math.max(...shares);
        for (const [index, share] of shares.entries())
          if (share < (counts[index] ?? 0)) expect(most - share).toBeLessThanOrEqual(1);
        gateway.encoders.close();
      }),
    );
  });
});
