import type { FrameMessage } from '../shared/protocol.ts';
import { decodePicture, type Picture } from './painter.ts';

/** Decodes in flight: two keep a fast decoder busy; with a slow one, the second would only wait for the first, and grow old. */
const MAX_DECODING = 2;
const SLOW_DECODE_MS = 45;
const DECODE_TIMEOUT_MS = 2000;

export interface DecoderEvents {
  /** At what part of its size a frame of these is shown now. */
  scale(frame: FrameMessage): number;
  /** Decoding has begun: the moment to acknowledge. */
  started(frame: FrameMessage): void;
  /** Decoded, and newer than what was drawn before. The receiver draws and closes the picture. */
  decoded(frame: FrameMessage, picture: Picture, decodeMs: number): void;
}

/** Decodes the newest frames: one or two at a time, and one that waits, which a newer one replaces. Old ones never overtake. */
export class Decoder {
  readonly #events: DecoderEvents;
  #waiting: FrameMessage | null = null;
  #decoding = 0;
  /** Smoothed. */
  #decodeMs = 0;
  #drawnSequence = 0;
  #generation = 0;
  skipped = 0;
  failed = 0;

  constructor(events: DecoderEvents) {
    this.#events = events;
  }

  add(frame: FrameMessage): void {
    if (this.#waiting !== null) this.skipped += 1;
    this.#waiting = frame;
    this.#pump();
  }

  /** Frames older than this are not drawn any more. */
  skipBefore(sequence: number): void {
    this.#drawnSequence = Math.max(this.#drawnSequence, sequence - 1);
  }

  /** A new connection: forgets all frames, also those being decoded. */
  reset(): void {
    this.#generation += 1;
    this.#waiting = null;
    this.#decoding = 0;
    this.#drawnSequence = 0;
    this.skipped = 0;
    this.failed = 0;
  }

  #pump(): void {
    while (this.#decoding < (this.#decodeMs > SLOW_DECODE_MS ? 1 : MAX_DECODING) && this.#waiting !== null) {
      const frame = this.#waiting;
      this.#waiting = null;
      this.#events.started(frame);
      if (frame.sequence <= this.#drawnSequence) this.skipped += 1;
      else void this.#decode(frame);
    }
  }

  async #decode(frame: FrameMessage): Promise<void> {
    const generation = this.#generation;
    this.#decoding += 1;
    const startMs = performance.now();
    let isDone = false;
    // Done once, by whichever comes first: the picture, the failure, the time-out.
    const done = (): boolean => {
      if (isDone || generation !== this.#generation) return false;
      isDone = true;
      clearTimeout(timer);
      this.#decoding -= 1;
      return true;
    };
    const timer = setTimeout(() => {
      if (!done()) return;
      this.failed += 1;
      this.#pump();
    }, DECODE_TIMEOUT_MS);
    try {
      const picture = await decodePicture(frame, this.#events.scale(frame));
      if (!done()) {
        picture.close();
        return;
      }
      const decodeMs = performance.now() - startMs;
      this.#decodeMs += (decodeMs - this.#decodeMs) / 4;
      if (frame.sequence <= this.#drawnSequence) {
        this.skipped += 1;
        picture.close();
      } else {
        this.#drawnSequence = frame.sequence;
        this.#events.decoded(frame, picture, decodeMs);
      }
    } catch {
      // Whatever the browser says of it: counted, and acknowledged already.
      if (!done()) return;
      this.failed += 1;
    }
    this.#pump();
  }
}
