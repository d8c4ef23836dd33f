import { SOURCE, type Step, stepName } from '../../renditions/ladder.ts';
import type { Delivery, LinkEstimator } from './link-estimator.ts';

/** Time beyond the minimum round trip that a frame may take. Twice this time indicates a queue. */
const BUDGET_MS = 100;

/**
 * Time beyond the minimum round trip that a frame of H.264 may take: its key frames are several times as large as the
 * others.
 */
const VIDEO_BUDGET_MS = 200;

/** Number of late frames in a row, and their minimum duration, that indicate a slow link. */
const LATE_FRAMES = 2;
const LATE_MS = 250;

/** Paths with a shorter round trip are local: late frames are more likely due to a busy machine. */
const LOCAL_MS = 10;
const LOCAL_LATE_FRAMES = 4;

/**
 * A frame that arrived on time this recently proves that the link carries the step, and that something else delays
 * frames.
 */
const PROOF_MS = 700;

/** Without an acknowledgement for this long, beyond the minimum round trip, the link has become slower. */
const SILENT_MS = 400;

/** Time without late frames before a larger rendition is tried. Doubles with each failure. */
const MIN_HOLD_MS = 1000;
const MAX_HOLD_MS = 30_000;

/** A larger rendition that makes frames late within this time has failed. */
const PROBATION_MS = 3000;

/**
 * Share of the measured throughput that a rendition may take after a reduction, and of the capacity before an increase.
 */
const SHARE_DOWN = 0.85;
const SHARE_UP = 0.85;

/** Without evidence for more capacity, the next larger step is tried after this multiple of the hold time. */
const PROBE_HOLDS = 2;

/**
 * Maximum ratio of the bit rate of such a probe to that of the current step, or to the known capacity if that is
 * higher.
 */
const MAX_PROBE_RATIO = 2.5;

/** How long a measured throughput rules out larger steps that exceed it. */
const CEILING_MS = 30_000;

/** If the capacity exceeds the measured throughput by this factor, the link has become faster. */
const FASTER_RATIO = 2;

/** Minimum time that bytes take to arrive, because acknowledgements are processed together. */
const MIN_BURST_MS = 1;

/** How long a viewer counts as limited after a late frame. */
const LIMITED_MS = 2000;

/** A first frame that arrives faster than this does not reveal the throughput of the link. */
const MEASURABLE_MS = 20;

/** Input for the choice of a step. */
export interface AdaptationContext {
  /** At least one, best first. */
  readonly steps: readonly Step[];
  /** Rate of the source, or the viewer's maximum if that is lower; undefined before it is known. */
  readonly framesPerSecond: number | undefined;
  /** Mean size of a step's frames; 0 while unknown. */
  bytes(step: Step): number;
  /** Infinity for no limit. */
  readonly maxBitsPerSecond: number;
}

/** Throughput at one time. */
interface Ceiling {
  readonly bitsPerSecond: number;
  readonly atMs: number;
}

/** Frames that arrived late, one after another. */
interface LateFrames {
  /** When the first of them was acknowledged. */
  readonly fromMs: number;
  /** Size of the frames after it. */
  bytes: number;
}

/** State before a reduction that may have been premature. */
interface Former {
  readonly step: Step;
  readonly ceiling: Ceiling | null;
  readonly holdMs: number;
  readonly raisedAtMs: number;
}

/**
 * Chooses the step that a viewer gets, by the queueing delay and delivery rate of its link.
 *
 * Down: late frames saturate the link, so their delivery rate is its throughput. The best step that it carries is
 * chosen immediately, unless a frame that was on time has just proved that the link is not the cause. Late frames that
 * arrive together prove this, too: the link has stalled, as radio links do, but is as fast as before. If the reduction
 * has already been made, because nothing arrived, it is reversed (as spurious timeouts are in TCP: F-RTO, Eifel).
 *
 * Up: after a hold time without late frames, by the lower bound of the capacity, or by one step as a probe. A failed
 * increase doubles the hold time (exponential back-off) and keeps the throughput as a ceiling.
 */
export class Adaptation {
  readonly #link: LinkEstimator;
  readonly #context: AdaptationContext;
  #step: Step = SOURCE;
  /** Frames sent before this time are from before the last change of step, or queued behind such frames. */
  #settledAtMs = 0;
  /** Newest frame sent before the last change; null once it is acknowledged. */
  #settling: number | null = null;
  #lastSent = 0;
  #lateSinceMs: number | null = null;
  #lateFrames = 0;
  #lateAtMs = -Infinity;
  #bestLateRate = 0;
  #goodSinceMs: number | null = null;
  #hadGood = false;
  #holdMs = MIN_HOLD_MS;
  #raisedAtMs = -Infinity;
  /** Throughput at the last reduction. */
  #ceiling: Ceiling | null = null;
  #burst: LateFrames | null = null;
  /** State before a reduction without acknowledgements; null once a frame that was sent later has arrived. */
  #former: Former | null = null;

  constructor(link: LinkEstimator, context: AdaptationContext) {
    this.#link = link;
    this.#context = context;
  }

  /** The step for the next frame. */
  step(): Step {
    const { steps } = this.#context;
    const index = this.#index(steps);
    this.#step = steps[Math.max(index, this.#permitted())] ?? SOURCE;
    return this.#step;
  }

  /** Whether the link carries less than the best step. */
  isLimited(nowMs: number): boolean {
    const { steps } = this.#context;
    return this.#index(steps) > this.#permitted() || nowMs - this.#lateAtMs < LIMITED_MS;
  }

  /** Throughput of the link as last measured, in bits per second; null while unknown. */
  throughput(nowMs: number): number | null {
    const capacity = this.#link.capacity(nowMs);
    if (this.#ceiling === null || nowMs - this.#ceiling.atMs > CEILING_MS) return capacity;
    return Math.max(this.#ceiling.bitsPerSecond, capacity ?? 0);
  }

  /** Maximum frame rate of the smallest step under a maximum bit rate; Infinity if the step itself is within it. */
  maxFramesPerSecond(): number {
    const { maxBitsPerSecond } = this.#context;
    if (maxBitsPerSecond === Infinity) return Infinity;
    const size = this.#context.bytes(this.#step);
    return size > 0 && this.#demand(this.#step) > maxBitsPerSecond ? maxBitsPerSecond / (size * 8) : Infinity;
  }

  /**
   * Chooses the first step by the throughput of a first, small frame, if its transmission took a measurable time. On a
   * local path, it was late because the viewer's machine was busy, for example with many viewers that open together.
   */
  opened({ delayMs }: Delivery, nowMs: number): void {
    const { steps } = this.#context;
    const capacity = this.#link.capacity(nowMs);
    if (capacity === null || delayMs < MEASURABLE_MS || this.#isLocal(nowMs)) return;
    const first = steps.findIndex((step) => this.#fits(step, capacity * SHARE_UP));
    if (first === 0) return;
    this.#lateAtMs = nowMs;
    this.#change(steps[first < 0 ? steps.length - 1 : first] ?? SOURCE, nowMs);
  }

  sent(sequence: number): void {
    this.#lastSent = sequence;
  }

  delivered(delivery: Delivery, nowMs: number): void {
    const { sequence, bytes, sentAtMs, delayMs, bitsPerSecond } = delivery;
    const budgetMs = budgetOf(this.#step);
    if (delayMs <= budgetMs) this.#burst = null;
    else if (this.#burst === null) this.#burst = { fromMs: nowMs, bytes: 0 };
    else this.#burst.bytes += bytes;
    if (this.#settling !== null && sequence >= this.#settling) {
      this.#settling = null;
      this.#settledAtMs = nowMs;
    }
    if (this.#settling !== null || sentAtMs < this.#settledAtMs) {
      this.#drained(delayMs, bitsPerSecond, nowMs);
      return;
    }
    this.#former = null;
    if (delayMs <= budgetMs) {
      this.#good(nowMs);
      return;
    }
    this.#goodSinceMs = null;
    this.#lateSinceMs ??= sentAtMs;
    this.#lateFrames += 1;
    this.#bestLateRate = Math.max(this.#bestLateRate, bitsPerSecond);
    const isFar = !this.#isLocal(nowMs);
    // The first frame on a distant link is sufficient evidence: further frames would only queue.
    const isClear = isFar && !this.#hadGood && delayMs > 3 * budgetMs;
    const isLasting =
      this.#lateFrames >= (isFar ? LATE_FRAMES : LOCAL_LATE_FRAMES) && nowMs - this.#lateSinceMs >= LATE_MS;
    if ((isClear || isLasting) && !this.#isProven(nowMs)) this.#lower(this.#bestLateRate, nowMs);
  }

  /**
   * Call regularly while an acknowledgement is pending.
   *
   * @param sinceMs time since which an acknowledgement has been pending, counted from the latest one.
   * @param bytes size of the oldest frame in flight, which the link has not carried completely since then.
   */
  waiting(sinceMs: number, bytes: number, nowMs: number): void {
    const silentMs = nowMs - sinceMs - this.#link.baseMs(nowMs);
    if (silentMs < SILENT_MS || this.#settling !== null) return;
    if (this.#isProven(nowMs) && this.#isLocal(nowMs)) return;
    const former = {
      step: this.#step,
      ceiling: this.#ceiling,
      holdMs: this.#holdMs,
      raisedAtMs: this.#raisedAtMs,
    };
    this.#burst = null;
    this.#lower((bytes * 8000) / silentMs, nowMs);
    this.#former = former;
  }

  /**
   * Frames of the former step, and those that were queued behind them, drain at the throughput of the link. If it
   * turns out to be lower than estimated, a smaller step is chosen before they have all arrived.
   */
  #drained(delayMs: number, bitsPerSecond: number, nowMs: number): void {
    const former = this.#former;
    if (former !== null && this.#fits(former.step, this.#burstBitsPerSecond(nowMs) * SHARE_DOWN)) {
      this.#former = null;
      this.#change(former.step, nowMs);
      this.#ceiling = former.ceiling;
      this.#holdMs = former.holdMs;
      this.#raisedAtMs = former.raisedAtMs;
      return;
    }
    if (this.#ceiling === null || delayMs <= 3 * budgetOf(this.#step) || bitsPerSecond >= this.#ceiling.bitsPerSecond)
      return;
    this.#ceiling = { bitsPerSecond, atMs: nowMs };
    if (this.#fits(this.#step, bitsPerSecond * SHARE_DOWN)) return;
    this.#lateAtMs = nowMs;
    this.#change(this.#below(bitsPerSecond), nowMs);
  }

  #good(nowMs: number): void {
    this.#hadGood = true;
    this.#lateSinceMs = null;
    this.#lateFrames = 0;
    this.#bestLateRate = 0;
    this.#goodSinceMs ??= nowMs;
    if (nowMs - this.#raisedAtMs > PROBATION_MS && this.#raisedAtMs !== -Infinity) {
      this.#holdMs = MIN_HOLD_MS;
      this.#raisedAtMs = -Infinity;
    }
    if (this.#step.kind === 'source') return;
    const goodMs = nowMs - this.#goodSinceMs;
    if (goodMs >= (this.#isFaster(nowMs) ? MIN_HOLD_MS : this.#holdMs)) this.#raise(goodMs, nowMs);
  }

  #raise(goodMs: number, nowMs: number): void {
    const { steps } = this.#context;
    const index = this.#index(steps);
    const first = this.#permitted();
    if (index <= first) return;
    const capacity = this.#link.capacity(nowMs) ?? 0;
    const proven = steps.findIndex((step, at) => at >= first && this.#fits(step, capacity * SHARE_UP));
    const next = steps[index - 1];
    if (proven >= 0 && proven < index) this.#change(steps[proven] ?? SOURCE, nowMs);
    else if (next !== undefined && goodMs >= this.#holdMs * PROBE_HOLDS && this.#mayProbe(next, capacity, nowMs))
      this.#change(next, nowMs);
    else return;
    this.#raisedAtMs = nowMs;
  }

  #mayProbe(next: Step, capacity: number, nowMs: number): boolean {
    const demand = this.#demand(next);
    if (demand > MAX_PROBE_RATIO * Math.max(capacity, this.#demand(this.#step))) return false;
    if (this.#ceiling === null || nowMs - this.#ceiling.atMs >= CEILING_MS || this.#isFaster(nowMs)) return true;
    return demand <= Math.max(this.#ceiling.bitsPerSecond, capacity);
  }

  #isLocal(nowMs: number): boolean {
    return this.#link.minimumMs(nowMs) < LOCAL_MS;
  }

  /** Whether the link has become faster since the last reduction. */
  #isFaster(nowMs: number): boolean {
    return this.#ceiling !== null && (this.#link.capacity(nowMs) ?? 0) > FASTER_RATIO * this.#ceiling.bitsPerSecond;
  }

  /** Whether a recent frame, or late frames that arrived together, proved that the link carries the step. */
  #isProven(nowMs: number): boolean {
    const bitsPerSecond = Math.max(this.#link.capacity(nowMs, PROOF_MS) ?? 0, this.#burstBitsPerSecond(nowMs));
    return this.#fits(this.#step, bitsPerSecond * SHARE_DOWN);
  }

  /** Rate at which the late frames have arrived, without the first; 0 if there is only one. */
  #burstBitsPerSecond(nowMs: number): number {
    if (this.#burst === null) return 0;
    return (this.#burst.bytes * 8000) / Math.max(MIN_BURST_MS, nowMs - this.#burst.fromMs);
  }

  #lower(bitsPerSecond: number, nowMs: number): void {
    this.#lateAtMs = nowMs;
    this.#ceiling = { bitsPerSecond, atMs: nowMs };
    this.#link.slowed();
    if (nowMs - this.#raisedAtMs < PROBATION_MS) this.#holdMs = Math.min(MAX_HOLD_MS, this.#holdMs * 2);
    this.#raisedAtMs = -Infinity;
    this.#change(this.#below(bitsPerSecond), nowMs);
  }

  /** The best step below the current one that a throughput carries; otherwise the smallest. */
  #below(bitsPerSecond: number): Step {
    const { steps } = this.#context;
    const index = this.#index(steps);
    return (
      steps.find((step, at) => at > index && this.#fits(step, bitsPerSecond * SHARE_DOWN)) ?? steps.at(-1) ?? SOURCE
    );
  }

  #change(step: Step, nowMs: number): void {
    const changes = stepName(step) !== stepName(this.#step);
    this.#step = step;
    this.#settling = changes ? this.#lastSent : null;
    this.#lateSinceMs = null;
    this.#lateFrames = 0;
    this.#bestLateRate = 0;
    this.#goodSinceMs = null;
    this.#settledAtMs = nowMs;
  }

  /** Whether a throughput carries all frames of a step, each within the budget. */
  #fits(step: Step, bitsPerSecond: number): boolean {
    return this.#demand(step) <= bitsPerSecond && this.#context.bytes(step) * 8000 <= bitsPerSecond * budgetOf(step);
  }

  #demand(step: Step): number {
    return this.#context.bytes(step) * 8 * (this.#context.framesPerSecond ?? 0);
  }

  /** Index of the best step within the maximum bit rate. */
  #permitted(): number {
    const { steps, maxBitsPerSecond } = this.#context;
    if (maxBitsPerSecond === Infinity) return 0;
    const index = steps.findIndex((step) => this.#demand(step) <= maxBitsPerSecond);
    return index < 0 ? steps.length - 1 : index;
  }

  /** Index of the current step, or if the steps have changed, of the best one that is not larger. */
  #index(steps: readonly Step[]): number {
    const name = stepName(this.#step);
    const index = steps.findIndex((step) => stepName(step) === name);
    if (index >= 0) return index;
    const current = this.#context.bytes(this.#step);
    const smaller = steps.findIndex((step) => this.#context.bytes(step) <= current);
    return smaller < 0 ? steps.length - 1 : smaller;
  }
}

function budgetOf({ kind }: Step): number {
  return kind === 'h264' ? VIDEO_BUDGET_MS : BUDGET_MS;
}
