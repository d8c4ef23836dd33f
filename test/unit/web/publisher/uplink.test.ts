import { describe, expect, it } from 'vitest';
import { Uplink } from '../../../../web/publisher/capture/uplink.ts';
import { UplinkRate } from '../../../../web/publisher/capture/uplink-rate.ts';
import { UplinkSteps } from '../../../../web/publisher/capture/uplink-steps.ts';

const WANTED = { fps: 15, quality: 80, shortSide: 720 };

/** A simulated link: sends frames, at most two in flight, and returns their acknowledgements. */
class PaperLink {
  readonly rate: UplinkRate;
  bitsPerSecond: number;
  readonly roundTripMs: number;
  #freeAtMs = 0;
  #sequence = 0;
  nowMs = 0;
  readonly #under: { sequence: number; takenAtMs: number }[] = [];

  /** @param greetingMs round trip of the greeting. */
  constructor(bitsPerSecond: number, roundTripMs: number, greetingMs = roundTripMs) {
    this.bitsPerSecond = bitsPerSecond;
    this.roundTripMs = roundTripMs;
    this.rate = new UplinkRate(greetingMs, 0);
  }

  /** Sends one frame when at most one is in flight. @returns its one-way latency. */
  send(bytes: number): number {
    while (this.#under.length >= 2) this.#take();
    this.#sequence += 1;
    this.rate.sent(this.#sequence, bytes, this.nowMs);
    this.#freeAtMs = Math.max(this.#freeAtMs, this.nowMs + this.roundTripMs / 2) + (bytes * 8000) / this.bitsPerSecond;
    this.#under.push({ sequence: this.#sequence, takenAtMs: this.#freeAtMs + this.roundTripMs / 2 });
    return this.#freeAtMs - this.nowMs;
  }

  /** Advances the time. */
  until(ms: number): void {
    while (this.#under[0] !== undefined && this.#under[0].takenAtMs <= ms) this.#take();
    this.nowMs = Math.max(this.nowMs, ms);
  }

  #take(): void {
    const { sequence, takenAtMs } = this.#under.shift()!;
    this.nowMs = Math.max(this.nowMs, takenAtMs);
    this.rate.taken(sequence, this.nowMs);
  }
}

describe('UplinkRate', () => {
  it('is null before the first acknowledgement', () => {
    expect(new UplinkRate().measured(0).bitsPerSecond).toBeNull();
  });

  it.each([
    [0.5e6, 200, 40_000],
    [1e6, 10, 60_000],
    [1e6, 120, 5000],
    [8e6, 40, 60_000],
    [8e6, 300, 2000],
  ])(
    'is the rate of a link of %d bits/s and %d ms for frames of %d bytes, in a row',
    (bitsPerSecond, roundTripMs, bytes) => {
      const link = new PaperLink(bitsPerSecond, roundTripMs);
      for (let n = 0; n < 20; n += 1) link.send(bytes);
      expect(link.rate.measured(link.nowMs).bitsPerSecond! / bitsPerSecond).toBeCloseTo(1, 1);
    },
  );

  it('does not mistake a full queue for a long round trip, even if the greeting was slow and all frames wait', () => {
    const link = new PaperLink(1e6, 40, 1500);
    for (let n = 0; n < 60; n += 1) link.send(97_000);
    expect(link.nowMs).toBeGreaterThan(40_000);
    expect(link.rate.measured(link.nowMs).bitsPerSecond! / 1e6).toBeCloseTo(1, 1);
  });

  it('is the same for frames with pauses, which use a tenth of the link', () => {
    const link = new PaperLink(4e6, 50);
    for (let n = 0; n < 20; n += 1) {
      link.send(5000);
      link.until(link.nowMs + 200);
    }
    expect(link.rate.measured(link.nowMs).bitsPerSecond! / 4e6).toBeCloseTo(1, 1);
  });

  it('falls with a link before the frame in flight has been acknowledged', () => {
    const link = new PaperLink(50e6, 40);
    for (let n = 0; n < 20; n += 1) {
      link.send(60_000);
      link.until(link.nowMs + 66);
    }
    link.bitsPerSecond = 1e6;
    link.send(60_000);
    expect(link.rate.measured(link.nowMs + 240).bitsPerSecond! / 1e6).toBeGreaterThan(20);
    expect(link.rate.measured(link.nowMs + 440).bitsPerSecond! / 1e6).toBeLessThan(3);
    link.send(60_000);
    link.until(link.nowMs + 1600);
    expect(link.rate.measured(link.nowMs).bitsPerSecond! / 1e6).toBeLessThan(1.2);
  });

  it('measures the minimum round trip again after a while, because the route may have changed', () => {
    const rate = new UplinkRate(10, 0);
    for (let n = 1; n <= 30; n += 1) {
      rate.sent(n, 1000, n * 1000);
      rate.taken(n, n * 1000 + 90);
    }
    expect(rate.minRoundTripMs).toBe(90);
  });
});

describe('Uplink', () => {
  it('discards the frames in flight on another connection', () => {
    const uplink = new Uplink({ ...WANTED, maxBitsPerSecond: null, isFixed: false }, () => undefined);
    uplink.connected(10, 0);
    uplink.sent(1, 50_000, 0);
    uplink.connected(10, 60_000);
    expect(uplink.stats(60_000).linkBitsPerSecond).toBeNull();
    uplink.sent(2, 1000, 60_000);
    uplink.taken(2, 60_018);
    expect(uplink.stats(60_018).linkBitsPerSecond).toBe(1e6);
  });
});

/** Bytes of a camera's JPEG with these settings, by a formula other than the ladder's own. */
const bytesOf = ({ shortSide, quality }: typeof WANTED): number =>
  1500 + 78_500 * (shortSide / 720) ** 1.8 * (quality / 80) ** 0.9;

/**
 * Runs the steps on a simulated link: the latency of a frame is its own transmission time, plus that of another frame
 * if the link is too slow for the rate.
 */
class Ladder {
  readonly steps: UplinkSteps;
  readonly changes: { readonly atMs: number; readonly isUp: boolean }[] = [];
  nowMs = 0;

  constructor(isScreen = false, wanted = WANTED) {
    this.steps = new UplinkSteps(wanted, isScreen);
  }

  run(ms: number, bitsPerSecond: (nowMs: number) => number, maxBitsPerSecond: number | null = null, noiseMs = 0): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += 66) {
      const bytes = bytesOf(this.steps.settings);
      const carried = bitsPerSecond(this.nowMs);
      this.steps.encoded(bytes);
      const before = this.steps.index;
      const queueingMs = ((bytes * 8000) / carried) * (this.needs > carried ? 2 : 1) + noiseMs;
      const measured = noiseMs === 0 ? carried : (bytes * 8000) / ((bytes * 8000) / carried + noiseMs);
      if (this.steps.update({ bitsPerSecond: measured, isCertain: true, queueingMs, maxBitsPerSecond }, this.nowMs))
        this.changes.push({ atMs: this.nowMs, isUp: this.steps.index < before });
    }
  }

  /** Bits per second. */
  get needs(): number {
    return bytesOf(this.steps.settings) * this.steps.settings.fps * 8;
  }
}

describe('UplinkSteps', () => {
  it('keeps the requested settings on a fast link', () => {
    const ladder = new Ladder();
    ladder.run(10_000, () => 50e6);
    expect(ladder.steps.settings).toEqual(WANTED);
    expect(ladder.changes).toEqual([]);
  });

  it('keeps the settings if a busy program measures a low rate but frames are not late', () => {
    const ladder = new Ladder();
    ladder.run(20_000, () => 50e6, null, 70);
    expect(ladder.changes).toEqual([]);
  });

  it('changes nothing before the link and the size of a frame are known', () => {
    const steps = new UplinkSteps(WANTED, false);
    expect(steps.update({ bitsPerSecond: 1000, isCertain: true, queueingMs: 1000, maxBitsPerSecond: null }, 0)).toBe(
      false,
    );
    steps.encoded(100_000);
    expect(steps.update({ bitsPerSecond: null, isCertain: true, queueingMs: 0, maxBitsPerSecond: null }, 0)).toBe(
      false,
    );
    expect(steps.update({ bitsPerSecond: 1000, isCertain: true, queueingMs: 1000, maxBitsPerSecond: null }, 0)).toBe(
      true,
    );
  });

  it('adapts to a link of 1 Mbit/s within a second, and probes higher steps at growing intervals', () => {
    const ladder = new Ladder();
    ladder.run(1000, () => 1e6);
    expect(ladder.needs).toBeLessThan(1e6);
    expect(ladder.needs).toBeGreaterThan(0.4e6);
    expect(ladder.steps.settings.fps).toBe(15);
    ladder.run(120_000, (nowMs) => 1e6 * (1 + 0.1 * Math.sin(nowMs / 700)));
    const raises = ladder.changes.filter(({ isUp }) => isUp);
    expect(raises.length).toBeLessThan(14);
    expect(raises.at(-1)!.atMs - raises.at(-2)!.atMs).toBeGreaterThan(12_000);
  });

  it.each([0, 60])(
    'returns to the requested settings within 15 s when the link is fast again, with acknowledgements %d ms late',
    (noiseMs) => {
      const ladder = new Ladder();
      ladder.run(2000, () => 1e6);
      expect(ladder.steps.index).toBeGreaterThan(2);
      ladder.run(15_000, () => 50e6, null, noiseMs);
      expect(ladder.steps.settings).toEqual(WANTED);
    },
  );

  it('stays below a maximum rate on a fast link', () => {
    const ladder = new Ladder();
    ladder.run(30_000, () => 50e6, 800_000);
    expect(ladder.needs).toBeLessThanOrEqual(800_000);
    expect(ladder.needs).toBeGreaterThan(300_000);
    expect(ladder.changes.filter(({ atMs }) => atMs > 5000).length).toBeLessThanOrEqual(3);
  });

  it('keeps a screen readable by lowering the rate before the size', () => {
    const [camera, screen] = [new Ladder(), new Ladder(true)];
    for (const ladder of [camera, screen]) ladder.run(2000, () => 2.5e6);
    expect(screen.steps.settings.shortSide).toBe(720);
    expect(screen.steps.settings.fps).toBeLessThan(15);
    expect(camera.steps.settings.shortSide).toBeLessThan(720);
    expect(camera.steps.settings.fps).toBe(15);
  });

  it('stops at its last step, and keeps a quality that browsers can encode', () => {
    const ladder = new Ladder(false, { ...WANTED, quality: 5 });
    ladder.run(5000, () => 100);
    expect(ladder.steps.settings).toMatchObject({ quality: 5, shortSide: 180 });
    expect(ladder.steps.settings.fps).toBeGreaterThan(1);
  });
});
