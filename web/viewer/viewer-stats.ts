import type { Delivery, FrameMessage } from '../../shared/protocol.ts';
import { average, SMOOTHING } from '../connection/statistics.ts';
import { pictureSize } from './picture-size.ts';
import type { ViewerStats } from './viewer-messages.ts';

/** Counts and smooths the statistics of a viewer's connection. Rates are moving averages over the readings. */
export class ViewerStatsMeter {
  painted = 0;
  decodeMs = 0;
  /** Smoothed latency from the gateway; null before the first known value. */
  delayMs: number | null = null;
  /** Smoothed latency from capture; null if it is not known for the latest frame. */
  #latencyMs: number | null = null;
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
  #delivery: Pick<Delivery, 'text' | 'isLimited' | 'linkBitsPerSecond'> = { text: '', isLimited: false };

  delivery(delivery: Delivery): void {
    this.#delivery = delivery;
  }

  received(frame: FrameMessage, bytes: number): void {
    const { sequence } = frame;
    if (this.#firstSequence === 0) this.#firstSequence = sequence;
    else this.#dropped += Math.max(0, sequence - this.#sequence - 1);
    this.#received += 1;
    this.#sequence = sequence;
    this.#bytesSinceRead += bytes;
  }

  /**
   * Called when a pause has ended. Frames that are missing before this one were not requested, and do not count as
   * dropped.
   */
  resumed(sequence: number): void {
    this.#sequence = Math.max(this.#sequence, sequence - 1);
  }

  /**
   * Size and encoding are those of the picture on screen: a received frame may wait for its decoder, or be skipped.
   *
   * @param ageMs latency from the gateway; null if it is unknown.
   * @param latencyMs latency from capture; null if it is unknown.
   */
  drawn(frame: FrameMessage, ageMs: number | null, latencyMs: number | null, decodeMs: number): void {
    const { encoding } = frame;
    const { width, height } = pictureSize(frame);
    this.painted += 1;
    this.#width = width;
    this.#height = height;
    this.#encoding = 'dtype' in encoding ? encoding.dtype : encoding.kind;
    this.decodeMs += (decodeMs - this.decodeMs) * SMOOTHING;
    this.#latencyMs = latencyMs === null ? null : smoothed(this.#latencyMs, latencyMs);
    if (ageMs !== null) this.delayMs = smoothed(this.delayMs, ageMs);
  }

  read(skipped: number, failed: number, roundTripMs: number | null, window: number | null): ViewerStats {
    const nowMs = performance.now();
    const seconds = (nowMs - this.#readAtMs) / 1000;
    if (seconds > 0.1) {
      // Readings are averaged, because an interval of half a second contains 14, 15 or 16 frames at 30 fps.
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
      latencyMs: this.#latencyMs,
      roundTripMs,
      decodeMs: this.decodeMs,
      window,
      width: this.#width,
      height: this.#height,
      encoding: this.#encoding,
      delivery: this.#delivery.text,
      isLinkLimited: this.#delivery.isLimited,
      linkBitsPerSecond: this.#delivery.linkBitsPerSecond ?? null,
    };
  }
}

function smoothed(before: number | null, now: number): number {
  return before === null ? now : before + (now - before) * SMOOTHING;
}
