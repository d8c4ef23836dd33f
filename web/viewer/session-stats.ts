import type { FrameMessage } from '../../shared/protocol.ts';
import type { ViewerStats } from './session-messages.ts';

/** Weight of the newest value in a smoothed figure. */
const SMOOTHING = 1 / 8;

/** Counts and smooths what a session sees. Rates are over the time since the last reading. */
export class SessionStats {
  painted = 0;
  decodeMs = 0;
  /** Smoothed; null before the first that is known. */
  delayMs: number | null = null;
  #received = 0;
  #dropped = 0;
  #firstSequence = 0;
  #sequence = 0;
  #width = 0;
  #height = 0;
  #encoding = '';
  #readAtMs = performance.now();
  #bytesSinceRead = 0;
  #paintedAtRead = 0;
  #receivedAtRead = 0;
  #receivedPerSecond = 0;
  #framesPerSecond = 0;
  #bitsPerSecond = 0;

  received({ sequence, width, height, encoding }: FrameMessage, bytes: number): void {
    if (this.#firstSequence === 0) this.#firstSequence = sequence;
    else this.#dropped += Math.max(0, sequence - this.#sequence - 1);
    this.#received += 1;
    this.#sequence = sequence;
    this.#width = width;
    this.#height = height;
    this.#encoding = encoding.kind === 'jpeg' ? 'jpeg' : encoding.dtype;
    this.#bytesSinceRead += bytes;
  }

  /** A pause has ended: what is missing before this frame was not asked for, and not dropped. */
  resumed(sequence: number): void {
    this.#sequence = Math.max(this.#sequence, sequence - 1);
  }

  drawn(ageMs: number | null, decodeMs: number): void {
    this.painted += 1;
    this.decodeMs += (decodeMs - this.decodeMs) * SMOOTHING;
    if (ageMs !== null) this.delayMs = this.delayMs === null ? ageMs : this.delayMs + (ageMs - this.delayMs) * SMOOTHING;
  }

  read(skipped: number, failed: number, roundTripMs: number | null, window: number | null): ViewerStats {
    const nowMs = performance.now();
    const seconds = (nowMs - this.#readAtMs) / 1000;
    if (seconds > 0.1) {
      // Two readings are averaged: one interval of half a second holds 15 frames of 30, or 14, or 16.
      this.#receivedPerSecond = average(this.#receivedPerSecond, (this.#received - this.#receivedAtRead) / seconds);
      this.#framesPerSecond = average(this.#framesPerSecond, (this.painted - this.#paintedAtRead) / seconds);
      this.#bitsPerSecond = average(this.#bitsPerSecond, (this.#bytesSinceRead * 8) / seconds);
      this.#readAtMs = nowMs;
      this.#bytesSinceRead = 0;
      this.#paintedAtRead = this.painted;
      this.#receivedAtRead = this.#received;
    }
    return {
      sequence: this.#sequence,
      received: this.#received,
      painted: this.painted,
      dropped: this.#dropped,
      skipped,
      failed,
      receivedPerSecond: this.#receivedPerSecond,
      framesPerSecond: this.#framesPerSecond,
      bitsPerSecond: this.#bitsPerSecond,
      delayMs: this.delayMs,
      roundTripMs,
      decodeMs: this.decodeMs,
      window,
      width: this.#width,
      height: this.#height,
      encoding: this.#encoding,
    };
  }
}

/** A moving average that falls to zero when the flow stops. */
export function average(before: number, now: number): number {
  if (now === 0) return before < 0.5 ? 0 : before / 2;
  return before === 0 ? now : before + (now - before) / 3;
}
