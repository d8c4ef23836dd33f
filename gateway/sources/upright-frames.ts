import { runInBackground } from '../../shared/background.ts';
import { GearwayError } from '../../shared/errors.ts';
import { exchangesSides } from '../codecs/exif-orientation.ts';
import { turnUpright } from '../codecs/turn-jpeg.ts';
import type { Arrival, FrameInput } from '../hub/frame.ts';
import type { Stream } from '../hub/stream.ts';
import type { AcceptedFrame } from './source.ts';

/** A frame that must be rotated. */
interface Turning {
  readonly input: FrameInput;
  readonly arrival: Arrival;
  /** Called when the frame is published or discarded; with the error if it cannot be rotated. */
  readonly settle: (error: GearwayError | null) => void;
  /** Changes of the stream that came after the frame. */
  readonly changes: (() => void)[];
  isDiscarded: boolean;
}

/**
 * Publishes frames upright: those with an EXIF orientation after they have been rotated, all others immediately. The
 * newest frame has priority: at most one frame is being rotated and one is waiting, which a newer one replaces; an
 * upright frame overtakes both.
 */
export class UprightFrames {
  readonly #stream: Pick<Stream, 'arrive' | 'publish' | 'reject'>;
  #running: Turning | null = null;
  #next: Turning | null = null;

  constructor(stream: Pick<Stream, 'arrive' | 'publish' | 'reject'>) {
    this.#stream = stream;
  }

  publish(input: FrameInput): AcceptedFrame {
    const arrival = this.#stream.arrive(input.arrival);
    if ((input.orientation ?? 1) === 1) {
      this.#discard();
      return this.#stream.publish(input, arrival);
    }
    const turned = new Promise<GearwayError | null>((settle) => {
      const turning: Turning = { input, arrival, settle, changes: [], isDiscarded: false };
      if (this.#running === null) {
        this.#start(turning);
        return;
      }
      if (this.#next !== null) discard(this.#next);
      this.#next = turning;
    });
    return { sequence: arrival.sequence, turned };
  }

  /** Applies a change of the stream, such as its end, after the frames that came before. */
  afterwards(change: () => void): void {
    const last = this.#next ?? (this.#running?.isDiscarded === false ? this.#running : null);
    if (last === null) change();
    else last.changes.push(change);
  }

  /** Discards the frames that are not published yet, and the changes after them. Idempotent. */
  close(): void {
    for (const turning of [this.#running, this.#next]) turning?.changes.splice(0);
    this.#discard();
  }

  #discard(): void {
    if (this.#running !== null) discard(this.#running);
    if (this.#next !== null) discard(this.#next);
    this.#next = null;
  }

  #start(turning: Turning): void {
    this.#running = turning;
    const fail = (error: unknown): void => {
      if (turning.isDiscarded) return;
      const reason =
        error instanceof GearwayError ? error : new GearwayError('jpeg-invalid', String(error), { cause: error });
      this.#stream.reject(reason);
      turning.settle(reason);
    };
    const turn = async (): Promise<void> => {
      const payload = await turnUpright(turning.input.payload);
      if (turning.isDiscarded) return;
      this.#stream.publish(upright(turning.input, payload), turning.arrival);
      turning.settle(null);
    };
    runInBackground(
      turn()
        .catch(fail)
        .then(() => this.#finish(turning)),
      fail,
    );
  }

  #finish({ isDiscarded, changes }: Turning): void {
    this.#running = null;
    if (!isDiscarded) for (const change of changes) change();
    const next = this.#next;
    this.#next = null;
    // One of the changes may have closed this object, which discards the next frame.
    if (next !== null) this.#start(next);
  }
}

/** Discards a frame, and applies the changes that were waiting for it. */
function discard(turning: Turning): void {
  if (turning.isDiscarded) return;
  turning.isDiscarded = true;
  for (const change of turning.changes) change();
  turning.settle(null);
}

function upright(input: FrameInput, payload: Uint8Array): FrameInput {
  const { width, height, orientation = 1 } = input;
  const size = exchangesSides(orientation) ? { width: height, height: width } : { width, height };
  // The gateway's own encoder is trusted.
  return { ...input, ...size, payload, orientation: 1, isTrusted: true };
}
