import { GearwayError } from '../../shared/errors.ts';
import { pictureChannels } from '../../shared/ndarray.ts';
import { isBaselineJpeg, unusualJpegKind } from '../../shared/jpeg-kind.ts';
import { encodeFrameHead } from '../../shared/protocol.ts';
import type { Frame } from '../hub/frame.ts';
import { encodeBaseline } from '../codecs/baseline-jpeg.ts';
import { encodeJpeg } from '../codecs/jpeg.ts';
import { toEightBit } from '../codecs/eight-bit.ts';
import { encodeMessageBegin } from './web/web-message.ts';

/**
 * A frame encoded for web clients: the beginning of a message and its payload. Shared by all viewers: never write to
 * it.
 */
export interface Rendition {
  readonly sequence: number;
  /** The WebSocket message up to its payload. */
  readonly begin: Uint8Array;
  readonly payload: Uint8Array;
}

/**
 * Creates the renditions of each frame, once for all viewers of a stream: `asIs` (the unmodified JPEG or samples), and
 * `jpeg` for 8-bit raw frames. 16-bit and float frames are always sent as they are, because JPEG would lose precision.
 */
export class Renditions {
  readonly #asIs = new WeakMap<Frame, Rendition>();
  readonly #jpeg = new WeakMap<Frame, Promise<Rendition>>();
  readonly #converted = new WeakMap<Frame, Promise<Uint8Array>>();
  readonly #baseline = new WeakMap<Frame, Promise<Rendition>>();

  /** Whether this frame is encoded as JPEG for viewers that do not request raw frames. */
  encodes(frame: Frame): boolean {
    return jpegChannels(frame) !== null;
  }

  /** @returns a promise only while a raw frame is being encoded. */
  get(frame: Frame, wantsRaw: boolean): Rendition | Promise<Rendition> {
    const channels = wantsRaw ? null : jpegChannels(frame);
    if (channels === null) {
      let rendition = this.#asIs.get(frame);
      if (rendition === undefined) {
        rendition = createRendition(frame, frame.payload);
        this.#asIs.set(frame, rendition);
      }
      return rendition;
    }
    let encoding = this.#jpeg.get(frame);
    if (encoding === undefined) {
      encoding = encode(frame, channels);
      this.#jpeg.set(frame, encoding);
    }
    return encoding;
  }

  /**
   * A JPEG frame as baseline JPEG, for viewers that cannot decode its kind: decoded and encoded again, unless it is one.
   *
   * @throws {GearwayError} `jpeg-unsupported` if the gateway cannot decode it either.
   */
  async baseline(frame: Frame): Promise<Rendition> {
    if (isBaselineJpeg(frame.payload)) return this.get(frame, false);
    let baseline = this.#baseline.get(frame);
    if (baseline === undefined) {
      baseline = encodeBaseline(frame.payload).then((payload) => createRendition(frame, payload));
      this.#baseline.set(frame, baseline);
    }
    return baseline;
  }

  /**
   * The frame as a JPEG, for receivers that support nothing else: an unmodified JPEG, unless its kind is one that many
   * decoders lack, which is encoded again as baseline; 8-bit samples encoded; other samples converted to 8 bits and encoded.
   *
   * @returns a promise only if the frame has to be encoded; it rejects with `dtype-unsupported`, `channels-unsupported`,
   * `jpeg-unsupported`.
   */
  jpeg(frame: Frame): Uint8Array | Promise<Uint8Array> {
    if (frame.encoding.kind === 'jpeg') {
      const kind = unusualJpegKind(frame.payload);
      return kind === null ? frame.payload : this.baseline(frame).then(({ payload }) => payload, () => Promise.reject(unsupported(kind)));
    }
    if (jpegChannels(frame) !== null) return Promise.resolve(this.get(frame, false)).then(({ payload }) => payload);
    let converted = this.#converted.get(frame);
    if (converted === undefined) {
      converted = convert(frame);
      this.#converted.set(frame, converted);
    }
    return converted;
  }
}

function unsupported(kind: string): GearwayError {
  return new GearwayError('jpeg-unsupported', `the frames are ${kind}, which the gateway cannot decode`);
}

async function convert(frame: Frame): Promise<Uint8Array> {
  return encodeJpeg(await toEightBit(frame));
}

async function encode(frame: Frame, channels: 1 | 3 | 4): Promise<Rendition> {
  const payload = await encodeJpeg({ data: frame.payload, width: frame.width, height: frame.height, channels });
  return createRendition({ ...frame, encoding: { kind: 'jpeg' } }, payload);
}

function createRendition(frame: Frame, payload: Uint8Array): Rendition {
  return { sequence: frame.sequence, begin: encodeMessageBegin(encodeFrameHead(frame, frame.message), payload.byteLength), payload };
}

/** Number of channels for the JPEG encoder; null if the frame must be sent as it is. */
function jpegChannels({ encoding }: Frame): 1 | 3 | 4 | null {
  if (encoding.kind === 'jpeg' || encoding.dtype !== 'uint8') return null;
  return pictureChannels(encoding.shape);
}
