import { describe, expect, it } from 'vitest';
import { Pacer } from '../../../../gateway/clients/web/pacer.ts';

interface Link {
  /** Minimum round trip, without queueing. */
  readonly roundTripMs: number;
  /** Maximum jitter per frame; frames after a late frame wait for it, as in TCP. */
  readonly jitterMs?: number;
  /** Transmission time of a frame; the next one waits for it. */
  readonly carryMs?: number;
}

/** Pseudo-random values between 0 and 1. */
const DICE = [0.51, 0.08, 0.93, 0.27, 0.66, 0.02, 0.84, 0.39, 0.73, 0.15, 0.97, 0.45, 0.6, 0.21, 0.88, 0.33, 0.05];

/**
 * Simulates `forMs` milliseconds of a source with this frame time, over this link. A frame that may not be sent waits,
 * and a newer one replaces it.
 */
function run(
  pacer: Pacer,
  {
    forMs,
    frameTimeMs,
    link: { roundTripMs, carryMs = 0, jitterMs = 0 },
    startMs = 0,
    from = 0,
  }: { forMs: number; frameTimeMs: number; link: Link; startMs?: number; from?: number },
): { nowMs: number; delivered: number } {
  const underWay: { sequence: number; acknowledgedAtMs: number }[] = [];
  let waiting: number | null = null;
  let freeAtMs = startMs;
  let delivered = 0;
  for (let nowMs = startMs; nowMs <= startMs + forMs; nowMs += 1) {
    for (let next = underWay[0]; next !== undefined && next.acknowledgedAtMs <= nowMs; next = underWay[0]) {
      underWay.shift();
      delivered += 1;
      pacer.acknowledged(next.sequence, frameTimeMs, nowMs);
    }
    if ((nowMs - startMs) % frameTimeMs === 0) waiting = from + (nowMs - startMs) / frameTimeMs + 1;
    if (waiting !== null && pacer.canSend()) {
      freeAtMs = Math.max(freeAtMs, nowMs) + carryMs;
      const acknowledgedAtMs = freeAtMs + roundTripMs + Math.round(jitterMs * DICE[waiting % DICE.length]!);
      underWay.push({
        sequence: waiting,
        acknowledgedAtMs: Math.max(acknowledgedAtMs, underWay.at(-1)?.acknowledgedAtMs ?? 0),
      });
      pacer.sent(waiting, 1000, nowMs);
      waiting = null;
    }
  }
  const last = underWay.at(-1);
  if (last !== undefined) pacer.acknowledged(last.sequence, frameTimeMs, last.acknowledgedAtMs);
  return { nowMs: Math.max(startMs + forMs, last?.acknowledgedAtMs ?? 0), delivered };
}

describe('Pacer', () => {
  it('begins with a window of 2', () => {
    const pacer = new Pacer();
    expect(pacer.window).toBe(2);
    expect(pacer.canSend()).toBe(true);
    pacer.sent(1, 1000, 0);
    expect(pacer.canSend()).toBe(true);
    pacer.sent(2, 1000, 0);
    expect(pacer.canSend()).toBe(false);
  });

  it('counts an acknowledgement for all earlier frames', () => {
    const pacer = new Pacer();
    pacer.sent(1, 1000, 0);
    pacer.sent(5, 1000, 0);
    pacer.acknowledged(4, undefined, 10);
    expect(pacer.canSend()).toBe(true);
    pacer.sent(6, 1000, 10);
    expect(pacer.canSend()).toBe(false);
    pacer.acknowledged(1000, undefined, 20);
    expect(pacer.waitingSinceMs).toBeNull();
  });

  it.each([
    ['the same frame', 2],
    ['an earlier frame', 1],
  ])('measures the acknowledged frame, not a key frame of %s that was sent after it', (_name, sequence) => {
    const pacer = new Pacer();
    pacer.sent(2, 1000, 0);
    pacer.sent(sequence, 4000, 99);
    expect(pacer.acknowledged(2, undefined, 100)).toMatchObject({ sequence: 2, sentAtMs: 0 });
    expect(pacer.latestRoundTripMs).toBe(100);
    expect(pacer.bytesInFlight).toBe(4000);
    expect(pacer.acknowledged(sequence, undefined, 160)).toMatchObject({ sequence, bytes: 4000, sentAtMs: 99 });
    expect(pacer.bytesInFlight).toBe(0);
  });

  it('counts a key frame without an acknowledgement of its own as acknowledged with the next frame', () => {
    const pacer = new Pacer();
    for (const [sequence, ms] of [
      [2, 0],
      [1, 10],
      [3, 20],
    ] as const)
      pacer.sent(sequence, 1000, ms);
    pacer.acknowledged(2, undefined, 100);
    pacer.acknowledged(4, undefined, 120);
    expect(pacer.bytesInFlight).toBe(0);
  });

  it('ignores an acknowledgement that covers nothing new', () => {
    const pacer = new Pacer();
    pacer.acknowledged(5, 10, 0);
    expect(pacer.roundTripMs).toBeNull();
    pacer.sent(6, 1000, 100);
    pacer.acknowledged(5, 10, 200);
    expect(pacer.waitingSinceMs).toBe(100);
    expect(pacer.roundTripMs).toBeNull();
  });

  it('waits from the first frame in flight, then from each acknowledgement', () => {
    const pacer = new Pacer();
    expect(pacer.waitingSinceMs).toBeNull();
    pacer.sent(1, 1000, 100);
    pacer.sent(2, 1000, 150);
    expect(pacer.waitingSinceMs).toBe(100);
    pacer.acknowledged(1, undefined, 170);
    expect(pacer.waitingSinceMs).toBe(170);
    pacer.acknowledged(2, undefined, 180);
    expect(pacer.waitingSinceMs).toBeNull();
  });

  it('waits from the end of a pause', () => {
    const pacer = new Pacer();
    pacer.resumed(50);
    expect(pacer.waitingSinceMs).toBeNull();
    pacer.sent(1, 1000, 100);
    pacer.resumed(60_000);
    expect(pacer.waitingSinceMs).toBe(60_000);
  });

  it.each([
    // Round trip and frame time in ms, and the window: the whole frames of a round trip and one more, between 2 and 8.
    [1, 33, 2],
    [33, 33, 2],
    [61, 33, 2],
    [66, 33, 3],
    [200, 33, 7],
    [10, 16, 2],
    [30, 16, 2],
    [100, 16, 7],
    [80, 16, 6],
    [1000, 16, 8],
  ])(
    'opens the window with a round trip of %i ms and a frame time of %i ms to %i',
    (roundTripMs, frameTimeMs, window) => {
      const pacer = new Pacer();
      // The window grows by one frame per round trip.
      run(pacer, { forMs: 3000 + 10 * roundTripMs, frameTimeMs, link: { roundTripMs } });
      expect(pacer.window).toBe(window);
      for (let i = 0; i < window; i += 1) {
        expect(pacer.canSend()).toBe(true);
        pacer.sent(100 + i, 1000, 0);
      }
      expect(pacer.canSend()).toBe(false);
    },
  );

  it.each(
    [16, 33].flatMap((frameTimeMs) =>
      [5, 10, 30, 61, 80, 100, ...(frameTimeMs > 30 ? [200] : [])].flatMap((roundTripMs) =>
        [0, 5, 15].map((jitterMs) => ({ frameTimeMs, roundTripMs, jitterMs })),
      ),
    ),
  )(
    'loses no frames of $frameTimeMs ms at a round trip of $roundTripMs ms and up to $jitterMs ms of jitter',
    ({ frameTimeMs, roundTripMs, jitterMs }) => {
      const pacer = new Pacer();
      const link = { roundTripMs, jitterMs };
      const { nowMs } = run(pacer, { forMs: 200 * frameTimeMs, frameTimeMs, link });
      const { delivered } = run(pacer, { forMs: 1000 * frameTimeMs, frameTimeMs, link, startMs: nowMs, from: 1000 });
      expect(delivered).toBeGreaterThan(980);
    },
  );

  it('saturates a link that carries less than the source sends, with one waiting frame', () => {
    const pacer = new Pacer();
    const link = { roundTripMs: 22, carryMs: 20 };
    const { nowMs } = run(pacer, { forMs: 3000, frameTimeMs: 16, link });
    expect(pacer.window).toBe(3);
    expect(run(pacer, { forMs: 3200, frameTimeMs: 16, link, startMs: nowMs, from: 1000 }).delivered).toBeGreaterThan(
      155,
    );
    // One frame in flight, one that waits and an acknowledgement take 60 ms; the gap after the last run adds a little.
    expect(pacer.roundTripMs).toBeLessThan(63);
  });

  it.each([
    // Transmission time in ms per frame, and the window: in flight, one waiting, one by rounding up.
    [20, 3],
    [40, 3],
    [100, 2],
  ])('has no growing queue after a minute on a link that transmits a frame in %i ms', (carryMs, window) => {
    const pacer = new Pacer();
    const link = { roundTripMs: 22, carryMs };
    const forMs = 60_000;
    const { delivered } = run(pacer, { forMs, frameTimeMs: 16, link });
    expect(pacer.window).toBeLessThanOrEqual(window);
    // The pacer has probed the path occasionally, for about one frame each time.
    expect(delivered).toBeGreaterThan((0.98 * forMs) / carryMs);
  });

  it('finds the minimum round trip again if frames always queue', () => {
    const pacer = new Pacer();
    const { nowMs } = run(pacer, { forMs: 4000, frameTimeMs: 16, link: { roundTripMs: 20 } });
    // The link became slow: frames wait for the previous one, and none shows the round trip without queueing.
    run(pacer, { forMs: 60_000, frameTimeMs: 16, link: { roundTripMs: 20, carryMs: 100 }, startMs: nowMs, from: 1000 });
    expect(pacer.window).toBe(2);
    expect(pacer.roundTripMs).toBeLessThan(225);
  });

  it('reopens its window when the path has become longer', () => {
    const pacer = new Pacer();
    const { nowMs } = run(pacer, { forMs: 4000, frameTimeMs: 16, link: { roundTripMs: 10 } });
    expect(pacer.window).toBe(2);
    run(pacer, { forMs: 12_000, frameTimeMs: 16, link: { roundTripMs: 85 }, startMs: nowMs, from: 1000 });
    expect(pacer.window).toBe(6);
  });

  it.each([
    // Minimum round trip and jitter in ms; fps that a window for the minimum passes, of 62.5.
    [80, 20, 60],
    [80, 40, 55],
    [60, 60, 48],
  ])('keeps its window with round trips of %i ms and up to %i ms of jitter', (roundTripMs, jitterMs, atLeast) => {
    const pacer = new Pacer();
    const link = { roundTripMs, jitterMs };
    const { nowMs } = run(pacer, { forMs: 10_000, frameTimeMs: 16, link });
    expect(
      run(pacer, { forMs: 20_000, frameTimeMs: 16, link, startMs: nowMs, from: 10_000 }).delivered / 20,
    ).toBeGreaterThan(atLeast);
  });

  it('does not change its window while the frame time is unknown', () => {
    const pacer = new Pacer();
    pacer.sent(1, 1000, 0);
    pacer.acknowledged(1, undefined, 500);
    pacer.sent(2, 1000, 500);
    pacer.acknowledged(2, 0, 1000);
    expect(pacer.window).toBe(2);
    expect(pacer.roundTripMs).toBe(500);
  });

  it('shrinks while acknowledgements are slower than the minimum explains', () => {
    const pacer = new Pacer();
    const { nowMs } = run(pacer, { forMs: 2000, frameTimeMs: 16, link: { roundTripMs: 60 } });
    expect(pacer.window).toBe(4);
    // A queue on the path: 60 ms become 600. The minimum of the last seconds is still 60.
    run(pacer, { forMs: 1500, frameTimeMs: 16, link: { roundTripMs: 600 }, startMs: nowMs, from: 1000 });
    expect(pacer.window).toBeLessThan(4);
    expect(pacer.window).toBeGreaterThanOrEqual(2);
  });

  it('has at most 8 MiB in flight, but always two frames', () => {
    const pacer = new Pacer();
    run(pacer, { forMs: 3000, frameTimeMs: 16, link: { roundTripMs: 120 } });
    expect(pacer.window).toBe(8);
    pacer.sent(1001, 4 << 20, 0);
    pacer.sent(1002, (4 << 20) - 1, 0);
    expect(pacer.canSend()).toBe(true);
    pacer.sent(1003, 1, 0);
    expect(pacer.canSend()).toBe(false);
    pacer.acknowledged(1003, 16, 100);
    pacer.sent(1004, 64 << 20, 100);
    expect(pacer.canSend()).toBe(true);
    pacer.sent(1005, 64 << 20, 100);
    expect(pacer.canSend()).toBe(false);
  });

  it('requests a ping once a frame is overdue, and once per overdue frame', () => {
    const pacer = new Pacer();
    pacer.link.roundTrip(20, 0);
    expect(pacer.needsPing(0)).toBe(false);
    pacer.sent(1, 1000, 0);
    expect(pacer.needsPing(69)).toBe(false);
    expect(pacer.needsPing(70)).toBe(true);
    expect(pacer.needsPing(500)).toBe(false);
    pacer.sent(2, 1000, 500);
    pacer.answered(70, 510);
    expect(pacer.needsPing(569)).toBe(false);
    expect(pacer.needsPing(570)).toBe(true);
  });

  it('distinguishes a busy page from a slow link by the answer to a ping', () => {
    const pacer = new Pacer();
    pacer.link.roundTrip(20, 0);
    pacer.sent(1, 1000, 0);
    pacer.sent(2, 3000, 80);
    expect(pacer.underWay).toEqual({ sinceMs: 0, bytes: 1000 });
    pacer.answered(70, 90);
    expect(pacer.underWay).toEqual({ sinceMs: 90, bytes: 3000 });
    pacer.answered(85, 105);
    expect(pacer.underWay).toBeNull();
    // The stop of the page counts for the window and the time limit, but not for the link.
    expect(pacer.waitingSinceMs).toBe(0);
    expect(pacer.acknowledged(1, undefined, 700)).toMatchObject({ delayMs: 70, pageMs: 610 });
    expect(pacer.acknowledged(2, undefined, 701)).toMatchObject({ delayMs: 5, pageMs: 596 });
    expect(pacer.latestRoundTripMs).toBe(621);
  });

  it('waits for all frames in flight after one that was much slower, until one is on time', () => {
    const pacer = new Pacer();
    const { nowMs } = run(pacer, { forMs: 3000, frameTimeMs: 33, link: { roundTripMs: 61 } });
    pacer.sent(2001, 1000, nowMs);
    pacer.sent(2002, 1000, nowMs + 33);
    pacer.acknowledged(2001, 33, nowMs + 200);
    expect(pacer.canSend()).toBe(false);
    pacer.acknowledged(2002, 33, nowMs + 300);
    expect(pacer.canSend()).toBe(true);
    pacer.sent(2003, 1000, nowMs + 300);
    expect(pacer.canSend()).toBe(false);
    pacer.acknowledged(2003, 33, nowMs + 361);
    pacer.sent(2004, 1000, nowMs + 361);
    expect(pacer.canSend()).toBe(true);
  });

  it('keeps two frames in flight to a busy machine nearby', () => {
    const pacer = new Pacer();
    const { nowMs } = run(pacer, { forMs: 3000, frameTimeMs: 5, link: { roundTripMs: 1 } });
    pacer.sent(2001, 1000, nowMs);
    pacer.sent(2002, 1000, nowMs);
    pacer.acknowledged(2001, 5, nowMs + 90);
    expect(pacer.canSend()).toBe(true);
  });

  it('pings before the frame after a late one, and measures delays from the round trip of that ping', () => {
    const pacer = new Pacer();
    const { nowMs } = run(pacer, { forMs: 3000, frameTimeMs: 33, link: { roundTripMs: 1 } });
    expect(pacer.needsIdlePing(nowMs)).toBe(false);
    pacer.sent(2001, 1000, nowMs);
    pacer.sent(2002, 1000, nowMs + 33);
    pacer.acknowledged(2001, 33, nowMs + 200);
    expect(pacer.needsIdlePing(nowMs + 200)).toBe(false);
    pacer.acknowledged(2002, 33, nowMs + 240);
    expect(pacer.needsIdlePing(nowMs + 240)).toBe(true);
    expect(pacer.needsIdlePing(nowMs + 240)).toBe(false);
    pacer.sent(2003, 1000, nowMs + 240);
    // The frame cannot have delayed a ping that was sent before it.
    expect(pacer.underWay).toBeNull();
    pacer.answered(nowMs + 240, nowMs + 440);
    expect(pacer.underWay).toEqual({ sinceMs: nowMs + 440, bytes: 1000 });
    expect(pacer.acknowledged(2003, 33, nowMs + 460)).toMatchObject({ delayMs: 20 });
    expect(pacer.canSend()).toBe(true);
    // The measurement is repeated after a second, and forgotten after four.
    for (const [sequence, afterMs] of [
      [2004, 1400],
      [2005, 5000],
    ] as const) {
      pacer.sent(sequence, 1000, nowMs + afterMs);
      pacer.acknowledged(sequence, 33, nowMs + afterMs + 200);
    }
    expect(pacer.link.baseMs(nowMs + 5200)).toBe(1);
  });

  it('smooths the round trip', () => {
    const pacer = new Pacer();
    pacer.sent(1, 1000, 0);
    pacer.acknowledged(1, 16, 80);
    expect(pacer.roundTripMs).toBe(80);
    pacer.sent(2, 1000, 100);
    pacer.acknowledged(2, 16, 100);
    expect(pacer.roundTripMs).toBe(70);
  });
});
