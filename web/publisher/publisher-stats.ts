import type { Taken } from '../../shared/protocol.ts';
import { average, SMOOTHING } from '../connection/statistics.ts';
import type { EncodedPicture } from '../capture/jpeg-encoder.ts';
import type { PublisherStats } from './publisher-messages.ts';

/** Statistics that the session provides. */
export type SendingStats = Pick<PublisherStats, 'skipped' | 'inFlight' | 'quality' | 'linkBitsPerSecond' | 'loweredBy'>;

/** Counts and smooths the statistics of a publisher's connection. Rates cover the time since the last reading. */
export class PublisherStatsMeter {
  #encodeMs = 0;
  #roundTripMs: number | null = null;
  #clients: number | null = null;
  #sent = 0;
  #refused = 0;
  #width = 0;
  #height = 0;
  /** Time of sending by sequence number, for frames that are not yet acknowledged. */
  readonly #sentAtMs = new Map<number, number>();
  #readAtMs = performance.now();
  #sentAtRead = 0;
  #bytesSinceRead = 0;
  #framesPerSecond = 0;
  #bitsPerSecond = 0;

  encoded(ms: number): void {
    this.#encodeMs += (ms - this.#encodeMs) * (this.#encodeMs === 0 ? 1 : SMOOTHING);
  }

  /** @param bytes size of the whole message. */
  sent(sequence: number, { width, height }: EncodedPicture, bytes: number): void {
    this.#sent += 1;
    this.#width = width;
    this.#height = height;
    this.#bytesSinceRead += bytes;
    this.#sentAtMs.set(sequence, performance.now());
  }

  taken({ sequence, clients, code }: Taken): void {
    this.#clients = clients;
    if (code !== undefined) this.#refused += 1;
    const sentAtMs = this.#sentAtMs.get(sequence);
    for (const earlier of this.#sentAtMs.keys()) if (earlier <= sequence) this.#sentAtMs.delete(earlier);
    if (sentAtMs === undefined) return;
    const ms = performance.now() - sentAtMs;
    this.#roundTripMs = this.#roundTripMs === null ? ms : this.#roundTripMs + (ms - this.#roundTripMs) * SMOOTHING;
  }

  /** @param sending statistics that the session provides. */
  read(sending: SendingStats): PublisherStats {
    const nowMs = performance.now();
    const seconds = (nowMs - this.#readAtMs) / 1000;
    if (seconds > 0.1) {
      this.#framesPerSecond = average(this.#framesPerSecond, (this.#sent - this.#sentAtRead) / seconds);
      this.#bitsPerSecond = average(this.#bitsPerSecond, (this.#bytesSinceRead * 8) / seconds);
      this.#readAtMs = nowMs;
      this.#sentAtRead = this.#sent;
      this.#bytesSinceRead = 0;
    }
    return {
      sent: this.#sent,
      refused: this.#refused,
      framesPerSecond: this.#framesPerSecond,
      bitsPerSecond: this.#bitsPerSecond,
      roundTripMs: this.#roundTripMs,
      encodeMs: this.#encodeMs,
      clients: this.#clients,
      width: this.#width,
      height: this.#height,
      ...sending,
    };
  }
}
