import { runInBackground } from '../background.ts';
import type { FrameMessage } from '../../shared/protocol.ts';
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

/** A frame whose decoding has begun. */
interface Begun {
  readonly frame: FrameMessage;
  /** null while it is being decoded. */
  picture: Picture | null;
  decodeMs: number;
}

/**
 * Decodes the newest frames: one or two at a time, and one that waits, which a newer one replaces. They are given in their
 * order: of two that are decoded side by side the newer one is often done a moment earlier, and then waits for the older one.
 */
export class Decoder {
  readonly #events: DecoderEvents;
  #waiting: FrameMessage | null = null;
  #decoding = 0;
  /** Not given yet, oldest first. */
  #begun: Begun[] = [];
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
    for (const { picture } of this.#begun) picture?.close();
    this.#begun = [];
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
      else runInBackground(this.#decode(frame));
    }
  }

  async #decode(frame: FrameMessage): Promise<void> {
    const generation = this.#generation;
    this.#decoding += 1;
    const begun: Begun = { frame, picture: null, decodeMs: 0 };
    this.#begun.push(begun);
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
      if (done()) this.#failed(begun);
    }, DECODE_TIMEOUT_MS);
    let picture: Picture;
    try {
      picture = await decodePicture(frame, this.#events.scale(frame));
    } catch {
      // Whatever the browser says of it: counted, and acknowledged already.
      if (done()) this.#failed(begun);
      return;
    }
    if (!done()) {
      picture.close();
      return;
    }
    begun.decodeMs = performance.now() - startMs;
    this.#decodeMs += (begun.decodeMs - this.#decodeMs) / 4;
    begun.picture = picture;
    if (this.#begun.includes(begun)) this.#give();
    else this.#skip(picture);
    this.#pump();
  }

  #failed(begun: Begun): void {
    this.failed += 1;
    this.#begun = this.#begun.filter((other) => other !== begun);
    this.#give();
    this.#pump();
  }

  #skip(picture: Picture): void {
    this.skipped += 1;
    picture.close();
  }

  /** Gives what is decoded, as far as nothing older is to be waited for. */
  #give(): void {
    const decoded = this.#begun.filter(({ picture }) => picture !== null).length;
    for (;;) {
      const [first] = this.#begun;
      // What two newer ones have overtaken is not late by chance: nobody waits for it any more.
      if (first === undefined || (first.picture === null && decoded < MAX_DECODING)) return;
      this.#begun.shift();
      const { frame, picture, decodeMs } = first;
      if (picture === null) continue;
      if (frame.sequence <= this.#drawnSequence) {
        this.#skip(picture);
      } else {
        this.#drawnSequence = frame.sequence;
        this.#events.decoded(frame, picture, decodeMs);
      }
    }
  }
}
