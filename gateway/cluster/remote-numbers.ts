import { nowUs } from '../hub/clock.ts';
import type { Arrival } from '../hub/frame.ts';
import type { RenditionFrame } from '../renditions/rendition.ts';
import { MAX_LATE_FRAMES } from './frame-importer.ts';
import type { RemoteRendition } from './frame-wire.ts';

/** Number and age of a frame, assigned by its owner. */
interface RemoteNumber {
  readonly origin: string;
  readonly sequence: number;
  readonly ageUs: number;
}

/**
 * Maximum number of frames that an owner may have had since the last one that was received: those of several days. A
 * larger step comes from a forged number, and must not exhaust the numbers.
 */
const MAX_SKIPPED_FRAMES = 2 ** 24;

/**
 * Numbers the frames of a stream that other gateways own, and their renditions: as the owner does, or continuing the
 * numbers of the previous owner. Therefore, a rendition has the number of its frame, even if this gateway does not have
 * the frame.
 */
export class RemoteNumbers {
  readonly #newest: () => number;
  #origin = '';
  #offset = 0;
  /** Number of the newest frame of the previous owner. */
  #floor = 0;
  /** Newest number of this owner; null before the first. */
  #last: number | null = null;

  /** @param newest number of the newest frame of this gateway's stream; 0 for none. */
  constructor(newest: () => number) {
    this.#newest = newest;
  }

  /** Call when the frames of an owner begin: those of another source may have been published in the meantime. */
  begin(): void {
    if (this.#last !== null && this.#newest() > this.#last) this.#origin = '';
  }

  /**
   * Number and time of a frame. The time is that of its arrival at its owner, without the transmission time between the
   * two gateways, because the clocks of two machines are not compared.
   *
   * @returns null if the frame is older than those of a previous owner.
   */
  arrival({ origin, sequence, ageUs }: RemoteNumber): Arrival | null {
    if (origin !== this.#origin || this.#isForeign(sequence + this.#offset)) {
      this.#origin = origin;
      this.#floor = this.#newest();
      this.#offset = this.#floor === 0 ? 0 : this.#floor + 1 - sequence;
      this.#last = null;
    }
    const number = sequence + this.#offset;
    if (number <= this.#floor) return null;
    this.#last = Math.max(this.#last ?? 0, number);
    return { sequence: number, receivedAtUs: nowUs() - ageUs };
  }

  /** Whether a number can neither belong to the same frames as the last one nor be late. */
  #isForeign(number: number): boolean {
    return this.#last !== null && (number < this.#last - MAX_LATE_FRAMES || number > this.#last + MAX_SKIPPED_FRAMES);
  }

  /**
   * A rendition's frame with the number and time of its frame. @returns null when {@link RemoteNumbers.arrival} does.
   */
  rendition(remote: RemoteRendition): RenditionFrame | null {
    const arrival = this.arrival(remote);
    return arrival === null ? null : { ...remote.frame, ...arrival };
  }
}
