import { describe, expect, it } from 'vitest';
import { isStalled, mobileLink, quantile } from '../../../helpers/simulated-link.ts';
import { type PublishedPicture, SimulatedPublisher, type SimulatedUplink } from './simulated-publisher.ts';

function received(
  published: readonly PublishedPicture[],
  seconds: number,
): { fps: number; medianMs: number; lateMs: number; freezeMs: number; shortSide: number } {
  const latencies = published.map(({ latencyMs }) => latencyMs);
  return {
    fps: published.length / seconds,
    medianMs: quantile(latencies, 0.5),
    lateMs: quantile(latencies, 0.95),
    freezeMs: Math.max(...published.slice(1).map(({ atMs }, index) => atMs - (published[index]?.atMs ?? 0))),
    shortSide: published.reduce((sum, { settings }) => sum + settings.shortSide, 0) / published.length,
  };
}

describe('Uplink', () => {
  it.each([
    ['1 Mbit/s', { bitsPerSecond: 1e6, delayMs: 20 }, 14, 180],
    ['1.2 Mbit/s', { bitsPerSecond: 1.2e6, delayMs: 40 }, 13, 180],
    ['1.5 Mbit/s', { bitsPerSecond: 1.5e6, delayMs: 20 }, 14, 250],
    ['3 Mbit/s', { bitsPerSecond: 3e6, delayMs: 30 }, 14, 300],
    ['3 Mbit/s with jitter', { bitsPerSecond: 3e6, delayMs: 30, jitterMs: 50 }, 11, 300],
    ['50 Mbit/s', { bitsPerSecond: 50e6, delayMs: 30 }, 14.8, 720],
  ] as const)('keeps the frame rate and the latency over %s', async (_name, link, fps, shortSide) => {
    const publisher = new SimulatedPublisher(2 * link.delayMs);
    await publisher.run(5000, () => link);
    const figures = received(await publisher.run(60_000, () => link), 60);
    expect(figures.fps).toBeGreaterThan(fps);
    expect(figures.lateMs).toBeLessThan(250);
    expect(figures.shortSide).toBeGreaterThanOrEqual(shortSide);
  });

  it.each([
    [3e6, 300],
    [50e6, 650],
  ])('keeps its settings over a link of %d bits per second that stalls', async (bitsPerSecond, shortSide) => {
    const publisher = new SimulatedPublisher(60);
    const link = (nowMs: number): SimulatedUplink => ({ bitsPerSecond, delayMs: 30, isStalled: isStalled(nowMs) });
    await publisher.run(5000, link);
    const figures = received(await publisher.run(60_000, link), 60);
    expect(figures.fps).toBeGreaterThan(12.5);
    expect(figures.shortSide).toBeGreaterThan(shortSide);
    expect(figures.freezeMs).toBeLessThan(700);
  });

  it.each([1, 2])('stays current over a mobile network (%i)', async (seed) => {
    const publisher = new SimulatedPublisher(60, seed);
    const link = mobileLink(seed);
    await publisher.run(5000, link);
    const figures = received(await publisher.run(60_000, link), 60);
    expect(figures.fps).toBeGreaterThan(9);
    expect(figures.medianMs).toBeLessThan(150);
    expect(figures.lateMs).toBeLessThan(400);
    expect(figures.freezeMs).toBeLessThan(800);
    expect(figures.shortSide).toBeGreaterThan(190);
  });

  it.each([
    [0, 1000, 3000],
    [200, 1500, 5000],
    [400, 3000, 15_000],
    [600, 2500, 20_000],
  ])(
    'returns to the requested settings when the link is fast again, in a page that stalls for %i ms every %i ms',
    async (stallMs, everyMs, withinMs) => {
      const publisher = new SimulatedPublisher(40);
      const link =
        (bitsPerSecond: number) =>
        (nowMs: number): SimulatedUplink => ({
          bitsPerSecond,
          delayMs: 20,
          isPageStalled: nowMs % everyMs < stallMs,
        });
      const slow = await publisher.run(60_000, link(1e6));
      expect(slow.at(-1)?.settings.shortSide).toBeLessThan(720);
      const fastMs = publisher.nowMs;
      const fast = await publisher.run(60_000, link(50e6));
      const restored = fast.find(({ settings }) => settings.shortSide === 720 && settings.quality === 80);
      expect((restored?.atMs ?? Infinity) - fastMs).toBeLessThan(withinMs);
      const rest = fast.filter(({ atMs }) => atMs > fastMs + withinMs);
      expect(received(rest, 1).shortSide).toBeGreaterThan(600);
    },
  );
});
