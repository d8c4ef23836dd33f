import { describe, expect, it } from 'vitest';
import { Pacer } from '../../gateway/clients/pacer.ts';

/** Sends `count` frames of a source with this frame time, each acknowledged after `roundTripMs`, one at a time. */
function run(pacer: Pacer, { count, frameTimeMs, roundTripMs, from = 0, startMs = 0 }: { count: number; frameTimeMs: number; roundTripMs: number; from?: number; startMs?: number }): number {
  let nowMs = startMs;
  for (let i = 1; i <= count; i += 1) {
    pacer.sent(from + i, 1000, nowMs);
    nowMs += roundTripMs;
    pacer.acknowledged(from + i, frameTimeMs, nowMs);
  }
  return nowMs;
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

  it('takes an acknowledgement for all frames before it', () => {
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
    // Round trip and frame time in ms; ceil(round trip / frame time) + 1, between 2 and 8.
    [1, 33, 2],
    [33, 33, 2],
    [34, 33, 3],
    [30, 16, 3],
    [100, 16, 8],
    [1000, 16, 8],
  ])('with a round trip of %i ms and a frame time of %i ms opens the window to %i', (roundTripMs, frameTimeMs, window) => {
    const pacer = new Pacer();
    run(pacer, { count: 10, frameTimeMs, roundTripMs });
    expect(pacer.window).toBe(window);
    for (let i = 0; i < window; i += 1) {
      expect(pacer.canSend()).toBe(true);
      pacer.sent(100 + i, 1000, 0);
    }
    expect(pacer.canSend()).toBe(false);
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
    const nowMs = run(pacer, { count: 10, frameTimeMs: 16, roundTripMs: 60 });
    expect(pacer.window).toBe(5);
    // A queue on the way: 60 ms become 600. The minimum of the last seconds is still 60.
    run(pacer, { count: 4, frameTimeMs: 16, roundTripMs: 600, from: 10, startMs: nowMs });
    expect(pacer.window).toBeLessThan(5);
    expect(pacer.window).toBeGreaterThanOrEqual(2);
  });

  it('has at most 8 MiB in flight, but always two frames', () => {
    const pacer = new Pacer();
    run(pacer, { count: 10, frameTimeMs: 16, roundTripMs: 100 });
    expect(pacer.window).toBe(8);
    pacer.sent(101, 4 << 20, 0);
    pacer.sent(102, (4 << 20) - 1, 0);
    expect(pacer.canSend()).toBe(true);
    pacer.sent(103, 1, 0);
    expect(pacer.canSend()).toBe(false);
    pacer.acknowledged(103, 16, 100);
    pacer.sent(104, 64 << 20, 100);
    expect(pacer.canSend()).toBe(true);
    pacer.sent(105, 64 << 20, 100);
    expect(pacer.canSend()).toBe(false);
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
