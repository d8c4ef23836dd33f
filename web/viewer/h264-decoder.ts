import type { FrameMessage } from '../../shared/protocol.ts';
import type { DecodedPicture } from './painter.ts';

/** Profile and level of the gateway's encoder: constrained baseline, level 4. */
const CODEC = 'avc1.42c028';

/**
 * Number of chunks inside the decoder above which this browser is too slow: acknowledgements then wait for its output.
 */
const MAX_INSIDE = 3;

/** Time without output after which a decoder with chunks inside has failed. */
const STALL_MS = 2000;

interface H264DecoderEvents {
  /** Called when the chunk was accepted, and must be acknowledged. */
  started(frame: FrameMessage): void;
  /** Called with a decoded frame, in order. The receiver closes the picture. */
  decoded(frame: FrameMessage, picture: DecodedPicture, decodeMs: number): void;
  /**
   * Called when the decoder has failed: the gateway must send JPEG.
   *
   * @param hasWorked whether it has decoded pictures before. Browsers close decoders that a page has not used for a
   * while.
   */
  failed(hasWorked: boolean): void;
}

interface Inside {
  readonly frame: FrameMessage;
  readonly startMs: number;
}

/**
 * Whether this thread decodes the gateway's H.264. False on the main thread of a page, where other work would delay
 * each chunk.
 */
export async function canDecodeH264(): Promise<boolean> {
  if (!('WorkerGlobalScope' in self) || !('VideoDecoder' in self)) return false;
  try {
    const { supported } = await VideoDecoder.isConfigSupported({ codec: CODEC, optimizeForLatency: true });
    return supported === true;
  } catch {
    return false;
  }
}

/**
 * Decodes H.264 with WebCodecs. Each picture is matched with its frame by the frame's number, its time stamp in the
 * decoder.
 */
export class H264Decoder {
  readonly #events: H264DecoderEvents;
  #decoder: VideoDecoder | null = null;
  /** Identifies the decoder's configuration. */
  #configured = '';
  /** Frames inside the decoder by sequence, in the order of decoding. */
  readonly #inside = new Map<number, Inside>();
  #hasWorked = false;
  #unacknowledged: FrameMessage | null = null;
  /**
   * Timer that runs while there are chunks inside the decoder. It is needed because no further chunk would reveal a
   * stalled decoder: the gateway sends none without acknowledgements.
   */
  #stall: ReturnType<typeof setTimeout> | undefined;

  constructor(events: H264DecoderEvents) {
    this.#events = events;
  }

  /** @returns false if the chunk cannot be decoded because earlier ones are missing. */
  add(frame: FrameMessage): boolean {
    const { encoding, sequence, payload } = frame;
    if (encoding.kind !== 'h264') return false;
    try {
      if (encoding.isKey && encoding.codec !== undefined && encoding.description !== undefined)
        this.#configure(encoding.codec, encoding.description);
      const decoder = this.#decoder;
      if (decoder === null) return false;
      if (this.#inside.size === 0) this.#watch();
      this.#inside.set(sequence, { frame, startMs: performance.now() });
      decoder.decode(
        new EncodedVideoChunk({
          type: encoding.isKey ? 'key' : 'delta',
          timestamp: sequence,
          data: payload as Uint8Array<ArrayBuffer>,
        }),
      );
    } catch {
      this.#fail();
      return false;
    }
    if (this.#inside.size <= MAX_INSIDE) this.#events.started(frame);
    else this.#unacknowledged = frame;
    return true;
  }

  /**
   * Like {@link reset}, but within a connection: acknowledges the discarded frames, because the gateway would otherwise
   * wait for them.
   */
  release(): void {
    const late = this.#unacknowledged;
    this.reset();
    if (late !== null) this.#events.started(late);
  }

  /** Discards the frames being decoded. The next chunk must be a key frame. Idempotent. */
  reset(): void {
    if (this.#decoder !== null && this.#decoder.state !== 'closed') this.#decoder.close();
    this.#decoder = null;
    this.#configured = '';
    clearTimeout(this.#stall);
    this.#inside.clear();
    this.#unacknowledged = null;
  }

  /** Called when the encoder was restarted or replaced: the configuration may differ. */
  #configure(codec: string, description: Uint8Array): void {
    const key = `${codec} ${description.join()}`;
    if (this.#decoder !== null && key === this.#configured) return;
    this.reset();
    const decoder: VideoDecoder = new VideoDecoder({
      output: (picture) => this.#output(decoder, picture),
      error: () => {
        if (decoder === this.#decoder) this.#fail();
      },
    });
    decoder.configure({ codec, description: Uint8Array.from(description), optimizeForLatency: true });
    this.#decoder = decoder;
    this.#configured = key;
  }

  #output(decoder: VideoDecoder, picture: VideoFrame): void {
    const inside = decoder === this.#decoder ? this.#inside.get(picture.timestamp) : undefined;
    if (inside === undefined) {
      picture.close();
      return;
    }
    this.#hasWorked = true;
    // The decoder has dropped the frames before it.
    for (const sequence of this.#inside.keys()) if (sequence <= picture.timestamp) this.#inside.delete(sequence);
    this.#watch();
    const late = this.#unacknowledged;
    if (late !== null && this.#inside.size <= MAX_INSIDE) {
      this.#unacknowledged = null;
      this.#events.started(late);
    }
    const { displayWidth: width, displayHeight: height } = picture;
    this.#events.decoded(
      inside.frame,
      { source: picture, width, height, close: () => picture.close() },
      performance.now() - inside.startMs,
    );
  }

  /** Fails if no output follows in time. */
  #watch(): void {
    clearTimeout(this.#stall);
    this.#stall = setTimeout(() => {
      if (this.#inside.size > 0) this.#fail();
    }, STALL_MS);
  }

  #fail(): void {
    const hasWorked = this.#hasWorked;
    this.#hasWorked = false;
    this.#events.failed(hasWorked);
    this.release();
  }
}
