import type { EncodingSettings } from '../../capture/capture-types.ts';

/** One step of the ladder, relative to the requested settings. */
interface Step {
  /** Scale of width and height. */
  readonly scale: number;
  readonly quality: number;
  readonly fps: number;
}

/** Steps for a camera, which keep the frame rate and reduce detail. */
const CAMERA_STEPS: readonly Step[] = [
  { scale: 1, quality: 1, fps: 1 },
  { scale: 1, quality: 0.75, fps: 1 },
  { scale: 0.75, quality: 0.75, fps: 1 },
  { scale: 0.5, quality: 0.75, fps: 1 },
  { scale: 0.5, quality: 0.55, fps: 1 },
  { scale: 0.375, quality: 0.55, fps: 1 },
  { scale: 0.25, quality: 0.55, fps: 1 },
  { scale: 0.25, quality: 0.45, fps: 0.7 },
  { scale: 0.25, quality: 0.35, fps: 0.5 },
  { scale: 0.25, quality: 0.35, fps: 0.25 },
];

/** Steps for a screen, which keep text readable and reduce the frame rate. */
const SCREEN_STEPS: readonly Step[] = [
  { scale: 1, quality: 1, fps: 1 },
  { scale: 1, quality: 0.75, fps: 1 },
  { scale: 1, quality: 0.75, fps: 0.5 },
  { scale: 1, quality: 0.6, fps: 0.25 },
  { scale: 0.75, quality: 0.6, fps: 0.25 },
  { scale: 0.5, quality: 0.6, fps: 0.25 },
  { scale: 0.5, quality: 0.4, fps: 0.15 },
];

/**
 * Exponents by which the size of a JPEG grows with its quality and pixels: measured with camera pictures, and
 * corrected by the sizes of encoded frames.
 */
const BYTES_PER_QUALITY = 1.1;
const BYTES_PER_PIXELS = 0.85;

/**
 * Shares of the link's rate. A step that needs more than `OVERLOAD` is replaced by one that needs at most `TARGET`. A
 * higher step may need at most `HEADROOM`, unless it is probed.
 */
const OVERLOAD = 0.95;
const TARGET = 0.8;
const HEADROOM = 0.65;

/**
 * Limits of the queueing delay, which includes the transmission of the frame itself. The link counts as too slow only
 * above `LATE`: two frame intervals, within its minimum and maximum. The measured rate alone is not sufficient, because
 * a busy program measures a rate that is too low. Up to `PROMPT_MS`, the next higher step is tried. For a few seconds,
 * this step must not exceed `PROMPT_MS` either, unless the link has become faster: on a full link, the two frames in
 * flight may be on time although others are skipped.
 */
const LATE = { intervals: 2, minMs: 100, maxMs: 150 } as const;
const PROMPT_MS = 80;

/** Measurements and limit of a link. Null if unknown, or for no limit. */
interface LinkState {
  readonly bitsPerSecond: number | null;
  /** Whether several frames confirm this rate. After a single slow frame, the link may be as fast as before. */
  readonly isCertain: boolean;
  readonly queueingMs: number;
  readonly maxBitsPerSecond: number | null;
}

/**
 * How long there must be headroom before a higher step is chosen. Doubles, up to the maximum, whenever the link does
 * not carry the higher step; the shortest one applies if the link has become faster.
 */
const UP_AFTER_MS = 2000;
const MAX_UP_AFTER_MS = 16_000;

/** The link has become faster if it carries this multiple of the rate at the last step down. */
const FASTER_RATIO = 2;

/** A step down within this time after a step up means that the link did not carry it. */
const FAILED_WITHIN_MS = 4000;

/** Minimum interval between two steps down, in which acknowledgements show the effect of the first one. */
const DOWN_AFTER_MS = 300;

/** Weight of a new frame's size in the average. */
const SMOOTHING = 0.3;

const MIN_QUALITY = 10;

/**
 * Limits the settings by the link's delivery rate, with hysteresis: steps down as soon as frames are late, and probes
 * higher steps after two seconds without queueing.
 */
export class UplinkSteps {
  readonly #steps: readonly Step[];
  readonly #wanted: EncodingSettings;
  #index = 0;
  /** Estimated size of a frame at the highest step, in bytes. */
  #fullBytes: number | null = null;
  #headroomSinceMs: number | null = null;
  #changedAtMs = -Infinity;
  #raisedAtMs = -Infinity;
  #upAfterMs = UP_AFTER_MS;
  /** Rate of the link at the last step down. */
  #failedBitsPerSecond = Infinity;
  /** A lower step while the rate is uncertain. */
  #cautious = 0;

  /** @param wanted settings of the highest step. */
  constructor(wanted: EncodingSettings, isScreen: boolean) {
    this.#wanted = wanted;
    this.#steps = isScreen ? SCREEN_STEPS : CAMERA_STEPS;
  }

  /** Index of the step; 0 for the requested settings. */
  get index(): number {
    return Math.max(this.#index, this.#cautious);
  }

  /** The settings of the current step. */
  get settings(): EncodingSettings {
    const { scale, quality, fps } = this.#step(this.index);
    const wanted = this.#wanted;
    return {
      ...wanted,
      shortSide: Math.max(2, Math.round(wanted.shortSide * scale)),
      quality: Math.max(Math.min(MIN_QUALITY, wanted.quality), Math.round(wanted.quality * quality)),
      fps: wanted.fps * fps,
    };
  }

  /** Records a frame that was encoded with the current settings. */
  encoded(bytes: number): void {
    const fullBytes = bytes / this.#relativeBytes(this.index);
    this.#fullBytes =
      this.#fullBytes === null ? fullBytes : this.#fullBytes + (fullBytes - this.#fullBytes) * SMOOTHING;
  }

  /** Chooses the step for a link. @returns whether the step has changed. */
  update(state: LinkState, nowMs: number): boolean {
    if (this.#fullBytes === null) return false;
    const before = this.index;
    const link = state.bitsPerSecond ?? Infinity;
    const max = state.maxBitsPerSecond ?? Infinity;
    if (state.isCertain) {
      this.#cautious = 0;
      this.#choose(link, state.queueingMs, max, nowMs);
    } else this.#cautious = this.#needs(this.#index) > link * OVERLOAD ? this.#best(Math.min(max, link * TARGET)) : 0;
    return this.index !== before;
  }

  #choose(link: number, queueingMs: number, max: number, nowMs: number): void {
    const needs = this.#needs(this.#index);
    const isFaster = link > FASTER_RATIO * this.#failedBitsPerSecond;
    const isTrial = nowMs - this.#raisedAtMs < FAILED_WITHIN_MS && !isFaster;
    const lateMs = isTrial ? PROMPT_MS : this.#lateMs();
    if (needs > max || (needs > link * OVERLOAD && queueingMs > lateMs)) {
      this.#headroomSinceMs = null;
      if (nowMs - this.#changedAtMs < DOWN_AFTER_MS) return;
      this.#failedBitsPerSecond = link;
      this.#change(Math.max(this.#index, this.#best(Math.min(max, link * TARGET))), nowMs);
      return;
    }
    const better = this.#better(link, queueingMs, max);
    if (better >= this.#index) {
      this.#headroomSinceMs = null;
      return;
    }
    this.#headroomSinceMs ??= nowMs;
    const afterMs = isFaster ? UP_AFTER_MS : this.#upAfterMs;
    if (nowMs - this.#headroomSinceMs >= afterMs) this.#change(better, nowMs);
  }

  /** The step that a link with headroom carries; the next higher step, as a probe, if no frames queue. */
  #better(link: number, queueingMs: number, max: number): number {
    const next = this.#index - 1;
    if (next < 0 || queueingMs > this.#lateMs()) return this.#index;
    const carried = this.#best(Math.min(max * HEADROOM, link * HEADROOM));
    return carried > next && queueingMs <= PROMPT_MS && this.#needs(next) <= max * TARGET ? next : carried;
  }

  #lateMs(): number {
    const intervalMs = 1000 / this.settings.fps;
    return Math.max(LATE.minMs, Math.min(LATE.maxMs, LATE.intervals * intervalMs));
  }

  #change(index: number, nowMs: number): void {
    if (index === this.#index) return;
    if (index < this.#index) this.#raisedAtMs = nowMs;
    else
      this.#upAfterMs =
        nowMs - this.#raisedAtMs < FAILED_WITHIN_MS ? Math.min(MAX_UP_AFTER_MS, 2 * this.#upAfterMs) : UP_AFTER_MS;
    this.#index = index;
    this.#changedAtMs = nowMs;
    this.#headroomSinceMs = null;
  }

  /** The highest step that needs at most this rate; the lowest one if none does. */
  #best(bitsPerSecond: number): number {
    const found = this.#steps.findIndex((_, index) => this.#needs(index) <= bitsPerSecond);
    return found < 0 ? this.#steps.length - 1 : found;
  }

  /** Bit rate of a step, in bits per second. */
  #needs(index: number): number {
    return (this.#fullBytes ?? 0) * this.#relativeBytes(index) * 8 * this.#wanted.fps * this.#step(index).fps;
  }

  #relativeBytes(index: number): number {
    const { scale, quality } = this.#step(index);
    return scale ** (2 * BYTES_PER_PIXELS) * quality ** BYTES_PER_QUALITY;
  }

  #step(index: number): Step {
    return this.#steps[index] ?? { scale: 1, quality: 1, fps: 1 };
  }
}
