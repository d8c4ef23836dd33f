import { expectedBytes, type Step, stepName } from './ladder.ts';

/** Weight of the latest frame in a step's mean size. */
const WEIGHT = 1 / 8;

/** A mean without new frames for this long is no longer used, because the scene may have changed. */
const MAX_AGE_MS = 10_000;

interface Size {
  bytes: number;
  atMs: number;
}

/**
 * Mean sizes of the frames of each step of a stream, shared by all its viewers: measured, or estimated from the
 * source's.
 */
export class StepSizes {
  readonly #sizes = new Map<string, Size>();

  /** Records the size of a frame that was encoded, or of the source. */
  note(step: Step, bytes: number, nowMs: number): void {
    const name = stepName(step);
    const size = this.#sizes.get(name);
    if (size === undefined || nowMs - size.atMs > MAX_AGE_MS) {
      this.#sizes.set(name, { bytes, atMs: nowMs });
      return;
    }
    size.bytes += (bytes - size.bytes) * WEIGHT;
    size.atMs = nowMs;
  }

  /** Bytes per frame; 0 before the first frame of the source. */
  bytes(step: Step, nowMs: number): number {
    const size = this.#sizes.get(stepName(step));
    if (size !== undefined && (step.kind === 'source' || nowMs - size.atMs <= MAX_AGE_MS)) return size.bytes;
    return expectedBytes(step, this.#sizes.get('source')?.bytes ?? 0);
  }
}
