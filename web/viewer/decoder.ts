import { runInBackground } from '../background.ts';
import type { FrameMessage } from '../../shared/protocol.ts';
import { DecodeTimeoutError } from './decode-failures.ts';
import { H264Decoder } from './h264-decoder.ts';
import { type DecodedPicture, decodeJpeg } from './painter.ts';

/**
 * Maximum number of concurrent decodes. Two keep a fast decoder busy. With a slow decoder, the second frame would only
 * wait and become outdated.
 */
const MAX_DECODING = 2;
const SLOW_DECODE_MS = 45;
const DECODE_TIMEOUT_MS = 2000;

interface DecoderEvents {
  /** Scale at which a frame of this size is currently shown. */
  scale(frame: FrameMessage): number;
  /** Decodes an array, packed or not. Rejects if it cannot be shown. */
  decodeArray(frame: FrameMessage): Promise<DecodedPicture>;
  /** Called when decoding has started, and the frame must be acknowledged. @param waitMs how long the frame waited. */
  started(frame: FrameMessage, waitMs: number): void;
  /** Called with a decoded frame, newer than all before it. The receiver draws and closes the picture. */
  decoded(frame: FrameMessage, picture: DecodedPicture, decodeMs: number): void;
  /** Called when a frame could not be decoded. */
  failed(frame: FrameMessage, error: unknown): void;
  /**
   * Called when H.264 cannot be decoded: the gateway must send JPEG.
   *
   * @param hasWorked whether it could be decoded before.
   */
  videoFailed(hasWorked: boolean): void;
}

/** A frame whose decoding has started. */
interface PendingFrame {
  frame: FrameMessage;
  /** The picture; null while it is being decoded. */
  picture: DecodedPicture | null;
  decodeMs: number;
}

/**
 * Decodes the newest frames: one or two at a time, with one more waiting, which a newer frame replaces. Pictures are
 * delivered in order: of two frames that are decoded in parallel, the newer one often finishes first, and then waits
 * for the older one. H.264 has its own decoder, which gets every chunk.
 */
export class Decoder {
  readonly #events: DecoderEvents;
  readonly #video: H264Decoder;
  #waiting: FrameMessage | null = null;
  #waitingSinceMs = 0;
  #decoding = 0;
  /** Frames not delivered yet, oldest first. */
  #pending: PendingFrame[] = [];
  /** Smoothed duration of a decode. */
  #decodeMs = 0;
  #drawnSequence = 0;
  #generation = 0;
  skipped = 0;
  failed = 0;

  constructor(events: DecoderEvents) {
    this.#events = events;
    this.#video = new H264Decoder({
      started: (frame) => events.started(frame, 0),
      decoded: (frame, picture, decodeMs) => this.#show(frame, picture, decodeMs),
      failed: (hasWorked) => {
        this.failed += 1;
        events.videoFailed(hasWorked);
      },
    });
  }

  add(frame: FrameMessage): void {
    if (frame.encoding.kind === 'h264') {
      if (this.#video.add(frame)) return;
      this.skipped += 1;
      this.#events.started(frame, 0);
      return;
    }
    if (this.#waiting !== null) this.skipped += 1;
    this.#waiting = frame;
    this.#waitingSinceMs = performance.now();
    this.#pump();
  }

  /** Discards frames with lower numbers than this one, instead of drawing them. */
  skipBefore(sequence: number): void {
    this.#drawnSequence = Math.max(this.#drawnSequence, sequence - 1);
  }

  /**
   * Called for a pause: frees the H.264 decoder, of which browsers have few. H.264 begins with a key frame after the
   * pause.
   */
  releaseVideo(): void {
    this.#video.release();
  }

  /** Called for a new connection: discards all frames, including those being decoded. */
  reset(): void {
    this.#generation += 1;
    this.#video.reset();
    this.#waiting = null;
    this.#decoding = 0;
    for (const { picture } of this.#pending) picture?.close();
    this.#pending = [];
    this.#drawnSequence = 0;
    this.skipped = 0;
    this.failed = 0;
  }

  #pump(): void {
    while (this.#decoding < (this.#decodeMs > SLOW_DECODE_MS ? 1 : MAX_DECODING) && this.#waiting !== null) {
      const frame = this.#waiting;
      this.#waiting = null;
      this.#events.started(frame, performance.now() - this.#waitingSinceMs);
      if (frame.sequence <= this.#drawnSequence) this.skipped += 1;
      else runInBackground(this.#decode(frame));
    }
  }

  async #decode(frame: FrameMessage): Promise<void> {
    const generation = this.#generation;
    this.#decoding += 1;
    const pending: PendingFrame = { frame, picture: null, decodeMs: 0 };
    this.#pending.push(pending);
    const startMs = performance.now();
    let isDone = false;
    // Returns true only for the first call: picture, failure or timeout.
    const finish = (): boolean => {
      if (isDone || generation !== this.#generation) return false;
      isDone = true;
      clearTimeout(timer);
      this.#decoding -= 1;
      return true;
    };
    const timer = setTimeout(() => {
      if (finish()) this.#failed(pending, new DecodeTimeoutError(DECODE_TIMEOUT_MS));
    }, DECODE_TIMEOUT_MS);
    let picture: DecodedPicture;
    try {
      picture = await (frame.encoding.kind === 'jpeg'
        ? decodeJpeg(frame, this.#events.scale(frame))
        : this.#events.decodeArray(frame));
    } catch (error) {
      // The frame has already been acknowledged.
      if (finish()) this.#failed(pending, error);
      return;
    }
    if (!finish()) {
      picture.close();
      return;
    }
    pending.decodeMs = performance.now() - startMs;
    this.#decodeMs += (pending.decodeMs - this.#decodeMs) / 4;
    pending.picture = picture;
    pending.frame = picture.unpacked ?? frame;
    if (this.#pending.includes(pending)) this.#deliver();
    else this.#skip(picture);
    this.#pump();
  }

  #failed(pending: PendingFrame, error: unknown): void {
    this.failed += 1;
    this.#pending = this.#pending.filter((other) => other !== pending);
    this.#events.failed(pending.frame, error);
    this.#deliver();
    this.#pump();
  }

  #skip(picture: DecodedPicture): void {
    this.skipped += 1;
    picture.close();
  }

  /** Delivers the decoded frames, up to the first one that is still being decoded. */
  #deliver(): void {
    const decoded = this.#pending.filter(({ picture }) => picture !== null).length;
    for (;;) {
      const [first] = this.#pending;
      // Do not wait for a frame that two newer frames have overtaken.
      if (first === undefined || (first.picture === null && decoded < MAX_DECODING)) return;
      this.#pending.shift();
      const { frame, picture, decodeMs } = first;
      if (picture !== null) this.#show(frame, picture, decodeMs);
    }
  }

  /** If frames have different encodings, an older frame may be decoded after a newer one. */
  #show(frame: FrameMessage, picture: DecodedPicture, decodeMs: number): void {
    if (frame.sequence <= this.#drawnSequence) {
      this.#skip(picture);
      return;
    }
    this.#drawnSequence = frame.sequence;
    this.#events.decoded(frame, picture, decodeMs);
  }
}
