import { describe, expect, it } from 'vitest';
import { FrameClock } from '../../../../web/capture/frame-clock.ts';
import { RateLimit } from '../../../../web/capture/rate-limit.ts';

/** Number of a camera's pictures that pass in `seconds`. @param jitter of each picture's time, in milliseconds. */
function passed(
  limit: RateLimit,
  cameraFps: number,
  seconds: number,
  jitter: (index: number) => number = () => 0,
): number {
  let count = 0;
  for (let index = 0; index < cameraFps * seconds; index += 1)
    count += Number(limit.take((index * 1000) / cameraFps + jitter(index)));
  return count;
}

describe('RateLimit', () => {
  it.each([
    [30, 15, 150],
    [30, 10, 100],
    [30, 12, 120],
    [30, 30, 300],
    [29.97, 30, 300],
    [60, 24, 240],
    [10, 30, 100],
  ])('reduces %d fps of a camera to %d fps: %d pictures in ten seconds', (cameraFps, fps, expected) => {
    expect(Math.abs(passed(new RateLimit(fps), cameraFps, 10) - expected)).toBeLessThanOrEqual(expected / 100);
  });

  it("forwards all pictures at the camera's own rate, even with jitter", () => {
    expect(passed(new RateLimit(30), 30, 10, (index) => ((index * 37) % 11) - 5)).toBe(300);
  });

  it('does not catch up after a gap', () => {
    const limit = new RateLimit(10);
    expect(limit.take(0)).toBe(true);
    expect(limit.take(1000)).toBe(true);
    expect(limit.take(1010)).toBe(false);
    expect(limit.waitMs(1010)).toBe(65);
  });

  it('starts over with another camera, whose timestamps have another origin', () => {
    const limit = new RateLimit(10);
    expect(limit.take(1e9)).toBe(true);
    expect(limit.take(5)).toBe(true);
    expect(limit.take(6)).toBe(false);
  });

  it('takes effect immediately when it is changed', () => {
    const limit = new RateLimit(1);
    expect(limit.take(0)).toBe(true);
    limit.fps = 20;
    expect(limit.take(10)).toBe(true);
    expect(limit.take(20)).toBe(false);
    expect(limit.take(50)).toBe(true);
  });
});

describe('FrameClock', () => {
  it('treats the latency of the fastest picture as zero, and never returns a future time', () => {
    const clock = new FrameClock();
    expect(clock.capturedAtMs(0, 1050)).toBe(1050);
    expect(clock.capturedAtMs(33, 1053)).toBe(1053);
    // Ten milliseconds more than the fastest.
    expect(clock.capturedAtMs(66, 1096)).toBeCloseTo(1086, 0);
  });

  it('starts over with a clock that has stopped in the meantime', () => {
    const clock = new FrameClock();
    clock.capturedAtMs(0, 1000);
    expect(clock.capturedAtMs(33, 61_033)).toBe(61_033);
  });
});
