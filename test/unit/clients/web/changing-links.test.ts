import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isStalled, mobileLink, quantile, type SimulatedLink } from '../../../helpers/simulated-link.ts';
import { type SimulatedPicture, SimulatedViewer } from '../../../helpers/simulated-viewer.ts';

beforeEach(
  () =>
    void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] }),
);
afterEach(() => void vi.useRealTimers());

/** Statistics of the pictures that a viewer has shown in this number of seconds. */
function seen(
  shown: readonly SimulatedPicture[],
  seconds: number,
): { fps: number; medianMs: number; lateMs: number; freezeMs: number; share: (step: RegExp) => number } {
  const latencies = shown.map(({ latencyMs }) => latencyMs);
  return {
    fps: shown.length / seconds,
    medianMs: quantile(latencies, 0.5),
    lateMs: quantile(latencies, 0.95),
    freezeMs: Math.max(...shown.slice(1).map(({ atMs }, index) => atMs - (shown[index]?.atMs ?? 0))),
    share: (pattern) => shown.filter(({ step }) => pattern.test(step)).length / shown.length,
  };
}

describe('WebClient', () => {
  it('keeps its rendition over a link that stalls, which is as fast as before afterwards', async () => {
    const viewer = new SimulatedViewer();
    const link = (nowMs: number): SimulatedLink => ({
      bitsPerSecond: 3e6,
      delayMs: 30,
      isStalled: isStalled(nowMs),
    });
    await viewer.run(5000, link);
    const { fps, medianMs, freezeMs, share } = seen(await viewer.run(40_000, link), 40);
    expect(share(/^h264-1-/)).toBeGreaterThan(0.9);
    expect(fps).toBeGreaterThan(26);
    expect(medianMs).toBeLessThan(120);
    expect(freezeMs).toBeLessThan(650);
  });

  it.each([1, 2])('stays current and large over a mobile network (%i)', async (seed) => {
    const viewer = new SimulatedViewer({ seed });
    const link = mobileLink(seed);
    await viewer.run(5000, link);
    const { fps, medianMs, lateMs, freezeMs, share } = seen(await viewer.run(60_000, link), 60);
    expect(fps).toBeGreaterThan(23);
    expect(medianMs).toBeLessThan(130);
    expect(lateMs).toBeLessThan(600);
    expect(freezeMs).toBeLessThan(900);
    expect(share(/^h264-[12]-/)).toBeGreaterThan(0.7);
    expect(share(/^source$/)).toBeLessThan(0.01);
    expect(viewer.broken).toBe(0);
  });

  it.each([0, 10, 20, 31])(
    'does not overestimate a link whose pings are %i ms away from the frames',
    async (phaseMs) => {
      for (const hasVideo of [true, false]) {
        const viewer = new SimulatedViewer({ hasVideo, phaseMs });
        const link = (): SimulatedLink => ({ bitsPerSecond: 8e6, delayMs: 20 });
        await viewer.run(5000, link);
        const { fps, lateMs, share } = seen(await viewer.run(30_000, link), 30);
        expect(share(/^source$/)).toBe(0);
        expect(fps).toBeGreaterThan(28);
        expect(lateMs).toBeLessThan(100);
      }
    },
  );

  it.each([
    [1.3e6, 40, /^h264-2-/],
    [0.5e6, 100, /^h264-4-/],
  ] as const)(
    'rarely tries more than a link of %d bits per second carries',
    async (bitsPerSecond, delayMs, pattern) => {
      const viewer = new SimulatedViewer();
      const link = (): SimulatedLink => ({ bitsPerSecond, delayMs });
      await viewer.run(5000, link);
      const { fps, lateMs, share } = seen(await viewer.run(60_000, link), 60);
      expect(share(pattern)).toBeGreaterThan(0.95);
      expect(fps).toBeGreaterThan(28);
      expect(lateMs).toBeLessThan(200);
    },
  );

  it.each([0, 20])('follows a link that becomes slow and fast again, with a jitter of %i ms', async (jitterMs) => {
    const viewer = new SimulatedViewer();
    const link = (bitsPerSecond: number) => (): SimulatedLink => ({ bitsPerSecond, delayMs: 20, jitterMs });
    expect(seen(await viewer.run(5000, link(50e6)), 5).share(/^source$/)).toBe(1);
    await viewer.run(3500, link(1e6));
    const slow = seen(await viewer.run(10_000, link(1e6)), 10);
    expect(slow.fps).toBeGreaterThan(25);
    expect(slow.lateMs).toBeLessThan(400);
    await viewer.run(8000, link(50e6));
    expect(seen(await viewer.run(10_000, link(50e6)), 10).share(/^source$/)).toBeGreaterThan(0.95);
  });
});
