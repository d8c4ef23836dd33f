import { describe, expect, it } from 'vitest';
import type { RenditionKind } from '../../../../gateway/clients/renditions.ts';
import { Pacer } from '../../../../gateway/clients/web/pacer.ts';
import { ViewerDelivery } from '../../../../gateway/clients/web/viewer-delivery.ts';
import type { Frame } from '../../../../gateway/hub/frame.ts';
import { expectedBytes, type Step, stepName } from '../../../../gateway/renditions/ladder.ts';
import type { WantFields } from '../../../../shared/protocol.ts';
import { blocks } from '../../../helpers/example-lines.ts';
import { zeros } from '../../../helpers/zeros.ts';

const FPS = 30;
const SOURCE_BYTES = 100_000;

/** A link with a first-in-first-out queue before it. */
interface Link {
  readonly bitsPerSecond: number;
  readonly roundTripMs: number;
  /** Maximum random delay of an acknowledgement, in addition. */
  readonly jitterMs?: number;
  /** How long the page is busy per second: frames that arrive in the meantime are processed afterwards. */
  readonly busyMs?: number;
  /** How long the viewer's machine, with too little processor time, takes for any message: half to one and a half. */
  readonly starvedMs?: number;
}

/** Size of a key frame in relation to the mean frame. */
const KEY_FRAME_RATIO = 4;

interface Shown {
  readonly atMs: number;
  readonly latencyMs: number;
  readonly step: string;
}

const frameOf = (sequence: number, bytes: number): Frame => ({
  sequence,
  receivedAtUs: 0,
  width: 1280,
  height: 720,
  encoding: { kind: 'jpeg' },
  payload: zeros(bytes),
  message: null,
  wireHeader: null,
});

/** A gateway and a viewer at the ends of a link, in steps of a millisecond. */
class Simulation {
  readonly pacer = new Pacer();
  readonly delivery: ViewerDelivery;
  readonly shown: Shown[] = [];
  nowMs = 0;
  #sequence = 0;
  #freeAtMs = 0;
  #pending: Frame | null = null;
  #offeredAtMs = 0;
  #lastStep = '';
  #lastAckAtMs = 0;
  #random = 1;
  #takenAtMs = 0;
  readonly #sourceBytes: number;
  readonly #underWay: { sequence: number; ackAtMs: number; shown: Shown }[] = [];
  readonly #pings: { sentAtMs: number; answeredAtMs: number }[] = [];

  constructor({
    want = {},
    maxBitsPerSecond = Infinity,
    sourceBytes = SOURCE_BYTES,
    renditions = 'pictures',
    greetingMs = 0,
    hasVideo = false,
  }: {
    want?: WantFields;
    maxBitsPerSecond?: number;
    sourceBytes?: number;
    renditions?: RenditionKind;
    greetingMs?: number;
    hasVideo?: boolean;
  } = {}) {
    this.#sourceBytes = sourceBytes;
    if (greetingMs > 0) this.pacer.link.roundTrip(greetingMs, 0);
    const bytesOf = (step: Step): number => expectedBytes(step, sourceBytes);
    this.delivery = new ViewerDelivery(
      { frameTimeMs: () => 1000 / FPS, renditionsOf: () => renditions, bytesOf, hasVideo },
      this.pacer.link,
      { maxBitsPerSecond, unpacks: true },
      0,
    );
    this.delivery.wanted({ ...want, video: hasVideo });
  }

  run(forMs: number, link: Link): readonly Shown[] {
    const from = this.shown.length;
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; this.nowMs += 1) {
      this.#acknowledge(link);
      if (Math.floor((this.nowMs * FPS) / 1000) > this.#sequence) {
        this.#sequence += 1;
        this.#pending = frameOf(this.#sequence, this.#sourceBytes);
        this.#offeredAtMs = this.nowMs;
        const { underWay } = this.pacer;
        if (this.pacer.needsPing(this.nowMs)) this.#ping(link);
        if (underWay !== null) this.delivery.waiting(underWay.sinceMs, underWay.bytes, this.nowMs);
      }
      if (this.nowMs % 1000 === 0) this.#ping(link);
      if (this.nowMs % 1000 === 0) this.delivery.report(this.nowMs);
      this.#send(link);
    }
    return this.shown.slice(from);
  }

  /** Waits behind the frames in transit, like all other data, and is answered even while the page is busy. */
  #ping(link: Link): void {
    const arrivesAtMs = Math.max(this.nowMs, this.#freeAtMs) + link.roundTripMs / 2;
    const answeredAtMs = this.#taken(arrivesAtMs, link) + link.roundTripMs / 2;
    this.#pings.push({ sentAtMs: this.nowMs, answeredAtMs });
  }

  /** When the viewer's machine takes a message, in the order of arrival. */
  #taken(arrivesAtMs: number, { starvedMs = 0 }: Link): number {
    this.#takenAtMs = Math.max(this.#takenAtMs, arrivesAtMs + starvedMs * (0.5 + this.#nextRandom()));
    return this.#takenAtMs;
  }

  /** A linear congruential generator: the same delays in each run. */
  #nextRandom(): number {
    this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#random / 2 ** 32;
  }

  #acknowledge(link: Link): void {
    for (let [ping] = this.#pings; ping !== undefined && ping.answeredAtMs <= this.nowMs; [ping] = this.#pings) {
      this.#pings.shift();
      this.pacer.answered(ping.sentAtMs, this.nowMs);
    }
    for (let [next] = this.#underWay; next !== undefined && next.ackAtMs <= this.nowMs; [next] = this.#underWay) {
      this.#underWay.shift();
      const delivered = this.pacer.acknowledged(next.sequence, 1000 / FPS, this.nowMs, 0);
      if (delivered !== null) this.delivery.delivered(delivered, this.nowMs);
      if (delivered !== null && this.pacer.needsIdlePing(this.nowMs)) this.#ping(link);
      this.shown.push(next.shown);
    }
  }

  #send(link: Link): void {
    const { bitsPerSecond, roundTripMs, jitterMs = 0, busyMs = 0 } = link;
    if (
      this.#pending === null ||
      !this.pacer.canSend() ||
      (this.pacer.roundTripMs === null && this.pacer.bytesInFlight > 0)
    )
      return;
    const step = this.delivery.choose(this.#pending);
    const isKey = step.kind === 'h264' && stepName(step) !== this.#lastStep;
    this.#lastStep = stepName(step);
    const bytes = Math.round(this.delivery.bytes(step) * (isKey ? KEY_FRAME_RATIO : 1));
    this.pacer.sent(this.#pending.sequence, bytes, this.nowMs);
    this.delivery.sent(this.#pending.sequence, bytes);
    this.#freeAtMs = Math.max(this.nowMs, this.#freeAtMs) + (bytes * 8000) / bitsPerSecond;
    const arrivesAtMs = this.#taken(this.#freeAtMs + roundTripMs / 2, link);
    const takenAtMs = Math.max(arrivesAtMs, Math.floor(arrivesAtMs / 1000) * 1000 + busyMs);
    const shown = { atMs: takenAtMs, latencyMs: takenAtMs - this.#offeredAtMs, step: stepName(step) };
    const ackAtMs = takenAtMs + roundTripMs / 2 + jitterMs * this.#nextRandom();
    this.#lastAckAtMs = Math.max(this.#lastAckAtMs, ackAtMs);
    this.#underWay.push({ sequence: this.#pending.sequence, ackAtMs: this.#lastAckAtMs, shown });
    this.#pending = null;
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
const longestGap = (shown: readonly Shown[]): number =>
  Math.max(...shown.slice(1).map(({ atMs }, at) => atMs - (shown[at]?.atMs ?? 0)));
const steps = (shown: readonly Shown[]): string[] => [...new Set(shown.map(({ step }) => step))];

describe('ViewerDelivery', () => {
  it('sends only the source on a fast link', () => {
    const simulation = new Simulation();
    const shown = simulation.run(20_000, { bitsPerSecond: 100e6, roundTripMs: 20 });
    expect(steps(shown)).toEqual(['source']);
    expect(shown.length).toBeGreaterThan(20 * FPS - 5);
    expect(simulation.delivery.describe(simulation.nowMs)).toBe('');
  });

  it.each([
    ['2 Mbit/s', { bitsPerSecond: 2e6, roundTripMs: 120 }, 25, 250],
    ['8 Mbit/s', { bitsPerSecond: 8e6, roundTripMs: 40 }, 28, 150],
    ['500 kbit/s', { bitsPerSecond: 500e3, roundTripMs: 200 }, 10, 500],
  ] as const)('keeps the frame rate and the latency over %s', (_name, link, fps, latencyMs) => {
    const simulation = new Simulation();
    const startMs = 3000;
    const first = simulation.run(startMs, link);
    expect(first[0]?.atMs).toBeLessThan(link.bitsPerSecond > 1e6 ? 700 : 2000);
    const seconds = 60;
    const shown = simulation.run(seconds * 1000, link);
    expect(shown.length / seconds).toBeGreaterThan(fps);
    expect(median(shown.map((one) => one.latencyMs))).toBeLessThan(latencyMs);
    expect(longestGap(shown)).toBeLessThan(500);
    expect(simulation.delivery.isLimited(simulation.nowMs)).toBe(true);
  });

  it.each([
    ['2 Mbit/s', { bitsPerSecond: 2e6, roundTripMs: 120 }, 300],
    ['500 kbit/s', { bitsPerSecond: 500e3, roundTripMs: 200 }, 650],
  ] as const)(
    'begins with a small picture over %s, and continues with the size that the link can carry',
    (_name, link, firstMs) => {
      const simulation = new Simulation({ greetingMs: link.roundTripMs + 5 });
      const shown = simulation.run(3000, link);
      expect(shown[0]?.step).toBe('jpeg-2-50');
      expect(shown[0]?.atMs).toBeLessThan(firstMs);
      expect(steps(shown)).not.toContain('source');
      expect(longestGap(shown)).toBeLessThan(700);
      expect(median(shown.slice(3).map(({ latencyMs }) => latencyMs))).toBeLessThan(500);
    },
  );

  it('reaches the source within four seconds on a fast link with a high latency, or with a slow greeting only', () => {
    for (const roundTripMs of [20, 200]) {
      const simulation = new Simulation({ greetingMs: 200 });
      const link = { bitsPerSecond: 100e6, roundTripMs };
      expect(simulation.run(4000, link)[0]?.step).toBe('jpeg-2-50');
      expect(steps(simulation.run(10_000, link))).toEqual(['source']);
    }
  });

  it.each([
    ['a viewer nearby', { greetingMs: 90 }],
    ['a small picture', { greetingMs: 200, sourceBytes: 32 << 10 }],
    ['an array that cannot be packed', { greetingMs: 200, renditions: 'none' }],
    ['a viewer that wants the source', { greetingMs: 200, want: { quality: 'source' } }],
  ] as const)('begins with the source for %s', (_name, options) => {
    expect(new Simulation(options).run(1000, { bitsPerSecond: 8e6, roundTripMs: 90 })[0]?.step).toBe('source');
  });

  it('follows a link that becomes slow within a second, and returns to the source within ten', () => {
    const simulation = new Simulation();
    const fast = { bitsPerSecond: 50e6, roundTripMs: 20 };
    expect(steps(simulation.run(5000, fast))).toEqual(['source']);
    simulation.run(2000, { ...fast, bitsPerSecond: 1e6 });
    const slow = simulation.run(18_000, { ...fast, bitsPerSecond: 1e6 });
    expect(median(slow.map(({ latencyMs }) => latencyMs))).toBeLessThan(150);
    expect(longestGap(simulation.shown)).toBeLessThan(1000);
    const recovered = simulation.run(10_000, fast);
    expect(longestGap(recovered)).toBeLessThan(200);
    expect(steps(simulation.run(10_000, fast))).toEqual(['source']);
    expect(simulation.delivery.describe(simulation.nowMs)).toBe('');
  });

  it.each([2, 8, 20])(
    'does so with H.264 and a jitter of %i ms, as soon as the frames in flight have drained',
    (jitterMs) => {
      const sourceBytes = 129_000;
      const simulation = new Simulation({ hasVideo: true, sourceBytes });
      const fast = { bitsPerSecond: 50e6, roundTripMs: 40, jitterMs };
      const slow = { ...fast, bitsPerSecond: 1e6 };
      expect(steps(simulation.run(5000, fast))).toEqual(['source']);
      const { window } = simulation.pacer;
      const drainMs = (window * sourceBytes * 8000) / slow.bitsPerSecond;
      const drained = simulation.run(drainMs + 500, slow);
      // After the first late frame, none is sent behind those that are in flight.
      const late = drained.filter(({ step, latencyMs }) => step === 'source' && latencyMs > 500);
      expect(late.length).toBeLessThanOrEqual(window);
      expect(drained.at(-1)?.latencyMs).toBeLessThan(500);
      const settled = simulation.run(10_000, slow);
      expect(Math.max(...settled.map(({ latencyMs }) => latencyMs))).toBeLessThan(500);
      expect(steps(settled).every((step) => step.startsWith('h264-'))).toBe(true);
      const widenedAtMs = simulation.nowMs;
      const restored = simulation.run(10_000, fast).find(({ step }) => step === 'source');
      expect((restored?.atMs ?? Infinity) - widenedAtMs).toBeLessThan(5000);
    },
  );

  it.each([
    ['beside the gateway', 1, false],
    ['far away', 40, false],
    ['that decodes H.264', 40, true],
  ])('does not mistake a busy page %s for a slow link, and names it as the reason', (_name, roundTripMs, hasVideo) => {
    const simulation = new Simulation({ hasVideo });
    const link = { bitsPerSecond: 50e6, roundTripMs };
    simulation.run(5000, link);
    const busy = simulation.run(20_000, { ...link, busyMs: 700 });
    expect(steps(busy)).toEqual(['source']);
    expect(simulation.delivery.isLimited(simulation.nowMs)).toBe(false);
    expect(simulation.delivery.describe(simulation.nowMs)).toMatch(/^source 1280×720, .*: busy page$/);
    simulation.run(10_000, link);
    expect(simulation.delivery.describe(simulation.nowMs)).toBe('');
  });

  it.each([
    ['beside the gateway', 1, 150],
    ['beside the gateway, and very slow', 1, 300],
    ['far away', 40, 200],
  ])('does not mistake a machine without processor time %s for a slow link', (_name, roundTripMs, starvedMs) => {
    const simulation = new Simulation();
    const link = { bitsPerSecond: 50e6, roundTripMs };
    simulation.run(5000, link);
    const starved = simulation.run(20_000, { ...link, starvedMs });
    expect(steps(starved)).toEqual(['source']);
    expect(simulation.delivery.isLimited(simulation.nowMs)).toBe(false);
  });

  it('sends the source to a viewer on the same machine whose greeting and first frame were late', () => {
    const simulation = new Simulation({ greetingMs: 250 });
    const shown = simulation.run(1000, { bitsPerSecond: 2e6, roundTripMs: 1 });
    expect(shown[0]?.step).toBe('jpeg-2-50');
    expect(shown[1]?.step).toBe('source');
  });

  it('sends smaller pictures to a machine without processor time behind a slow link', () => {
    const simulation = new Simulation();
    const link = { bitsPerSecond: 2e6, roundTripMs: 40, starvedMs: 150 };
    simulation.run(5000, link);
    expect(steps(simulation.run(20_000, link))).not.toContain('source');
    expect(simulation.delivery.isLimited(simulation.nowMs)).toBe(true);
  });

  it('sends smaller pictures to a busy page behind a slow link, and names the link as the reason', () => {
    const simulation = new Simulation();
    const link = { bitsPerSecond: 2e6, roundTripMs: 40, busyMs: 700 };
    simulation.run(5000, link);
    expect(steps(simulation.run(20_000, link))).not.toContain('source');
    expect(simulation.delivery.isLimited(simulation.nowMs)).toBe(true);
    expect(simulation.delivery.describe(simulation.nowMs)).toMatch(/^JPEG .*: link [\d.]+ Mbit\/s$/);
  });

  it('probes at growing intervals while probes fail', () => {
    const simulation = new Simulation();
    const link = { bitsPerSecond: 2e6, roundTripMs: 120 };
    simulation.run(60_000, link);
    const shown = simulation.run(120_000, link);
    const changes = shown.slice(1).filter(({ step }, at) => step !== shown[at]?.step).length;
    expect(changes).toBeLessThan(20);
    const late = shown.filter(({ latencyMs }) => latencyMs > 400);
    expect(late.length).toBeLessThan(shown.length / 20);
  });

  it('stays within a maximum bit rate on a fast link', () => {
    const simulation = new Simulation({ want: { maxBitsPerSecond: 1e6 } });
    const shown = simulation.run(10_000, { bitsPerSecond: 100e6, roundTripMs: 20 });
    expect(steps(shown)).not.toContain('source');
    expect(simulation.delivery.isLimited(simulation.nowMs)).toBe(false);
    expect(simulation.delivery.describe(simulation.nowMs)).toMatch(/^JPEG \d+×\d+ q\d+, .* limited to 1\.0 Mbit\/s$/);
  });

  it('applies the maximum of the gateway, and lowers the frame rate if no step is small enough', () => {
    const simulation = new Simulation({ maxBitsPerSecond: 300e3 });
    simulation.run(1000, { bitsPerSecond: 100e6, roundTripMs: 20 });
    const fps = simulation.delivery.maxFramesPerSecond();
    expect(fps).toBeLessThan(FPS);
    expect(fps * 8 * expectedBytes({ kind: 'jpeg', divisor: 4, quality: 45 }, SOURCE_BYTES)).toBeCloseTo(300e3, 0);
  });

  it.each([
    ['source', /^source$/],
    ['half', /^jpeg-[24]-/],
    ['quarter', /^jpeg-4-/],
  ] as const)('sends only pictures that the quality %s allows', (quality, expected) => {
    for (const link of [
      { bitsPerSecond: 100e6, roundTripMs: 20 },
      { bitsPerSecond: 2e6, roundTripMs: 120 },
    ]) {
      for (const step of steps(new Simulation({ want: { quality } }).run(10_000, link))) expect(step).toMatch(expected);
    }
  });

  it('sends no more pixels over a slow link than are shown', () => {
    const shown = new Simulation({ want: { width: 200, height: 112 } }).run(30_000, {
      bitsPerSecond: 8e6,
      roundTripMs: 40,
    });
    expect(steps(shown.slice(10)).every((step) => step.startsWith('jpeg-4-'))).toBe(true);
  });

  it('packs arrays for a slow link, and a distant viewer begins with them', () => {
    const link = { bitsPerSecond: 8e6, roundTripMs: 120 };
    const shown = new Simulation({ renditions: 'packed' }).run(5000, link);
    expect(shown.at(-1)?.step).toBe('packed');
    expect(new Simulation({ renditions: 'packed', greetingMs: 200 }).run(1000, link)[0]?.step).toBe('packed');
    const source = { renditions: 'packed', want: { quality: 'source' } } as const;
    expect(steps(new Simulation(source).run(5000, link))).toEqual(['source']);
  });

  it('describes itself as docs/thin-links.md shows', () => {
    const [text = ''] = blocks('thin-links.md', 'text');
    const simulation = new Simulation();
    simulation.run(5000, { bitsPerSecond: 2e6, roundTripMs: 120 });
    // The simulation has JPEGs only.
    const shape = (each: string): string =>
      each
        .trim()
        .replace('H.264', 'JPEG')
        .replace(/ q\d+/, '')
        .replaceAll(/[\d.]+/g, '#');
    expect(shape(simulation.delivery.describe(simulation.nowMs))).toBe(shape(text));
  });

  it('leaves arrays that cannot be packed as they are, and reports the link', () => {
    const simulation = new Simulation({ renditions: 'none' });
    expect(steps(simulation.run(5000, { bitsPerSecond: 2e6, roundTripMs: 120 }))).toEqual(['source']);
    expect(simulation.delivery.describe(simulation.nowMs)).toMatch(/^source 1280×720, .*: link [12]\.\d Mbit\/s$/);
  });
});
