import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import { canPack } from '../../shared/arrays/packed-samples.ts';
import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { GearwayError } from '../../shared/errors.ts';
import { pictureChannels } from '../../shared/ndarray.ts';
import { isBaselineJpeg, unusualJpegKind } from '../../shared/jpeg-kind.ts';
import type { FrameHeader } from '../../shared/frame.ts';
import { encodeFrameHead, type MessageEncoding, type RenditionHeader, type Value } from '../../shared/protocol.ts';
import { type Frame, type FrameOutline, hasPicture } from '../hub/frame.ts';
import { encodeBaseline } from '../codecs/baseline-jpeg.ts';
import { encodeJpeg } from '../codecs/jpeg.ts';
import { packArray } from '../codecs/pack-array.ts';
import type { RemoteRenditions, RenditionFrame } from '../renditions/rendition.ts';
import { type JpegStep, PACKED, pictureWidth, SOURCE, type Step, stepName } from '../renditions/ladder.ts';
import { StepSizes } from '../renditions/step-sizes.ts';
import { FrameResults } from './frame-results.ts';
import { scaleJpeg } from './scale-jpeg.ts';
import { isDefaultStyle, StyledArrays, styleKey } from './styled-arrays.ts';
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

/** Which renditions a frame has: JPEG and H.264, or arrays packed without loss. */
export type RenditionKind = 'pictures' | 'packed' | 'none';

/** Shared by the whole gateway, because other work uses the thread pool, too. */
const packings = new ConcurrencyLimit(2);

/** Shared by the whole gateway: the pixels of an array take up to 256 MiB, and each style has its own. */
const stylings = new ConcurrencyLimit(2);

/** Maximum size of a packed array as a fraction of the array: above it, unpacking costs more than it saves. */
const MAX_PACKED_RATIO = 0.9;

/** Maximum number of cached JPEGs per frame with different styles. */
const MAX_STYLED = 8;

/**
 * Creates the renditions of each frame, once for all viewers of a stream: `asIs` (the unmodified JPEG or samples), and
 * `jpeg` for 8-bit raw frames. 16-bit and float frames keep their samples, because JPEG would lose precision. Scaled
 * JPEGs and packed arrays are made when a frame is sent to a viewer with a slow link, once per step.
 */
export class Renditions {
  readonly #asIs = new WeakMap<Frame, Rendition>();
  readonly #jpeg = new WeakMap<Frame, Promise<Rendition>>();
  readonly #styled = new FrameResults<Uint8Array>(MAX_STYLED);
  /** Arrays as pixels, for pictures other than JPEGs. */
  readonly arrays = new StyledArrays();
  readonly #baseline = new WeakMap<Frame, Promise<Rendition>>();
  readonly #packed = new FrameResults<Rendition>();
  /** Keyed by step name. */
  readonly #scaled = new FrameResults<RenditionFrame>();
  readonly #encoded = new WeakMap<RenditionFrame, Rendition>();
  readonly #remote: Pick<RemoteRenditions, 'jpeg' | 'hasJpegs'> | null;
  readonly #sizes = new StepSizes();
  /** Whether viewers with slow links may get other renditions. */
  readonly isEnabled: boolean;

  /** @param options `remote`: JPEGs that another gateway scales, which are preferred. */
  constructor({
    isEnabled = true,
    remote = null,
  }: { readonly isEnabled?: boolean; readonly remote?: Pick<RemoteRenditions, 'jpeg' | 'hasJpegs'> | null } = {}) {
    this.isEnabled = isEnabled;
    this.#remote = remote;
  }

  /** @returns a promise for 8-bit raw frames that are sent as JPEG; otherwise the rendition itself. */
  get(frame: Frame, wantsRaw: boolean): Rendition | Promise<Rendition> {
    const channels = wantsRaw ? null : jpegChannels(frame);
    if (channels === null) {
      let rendition = this.#asIs.get(frame);
      if (rendition === undefined) {
        rendition = createRendition(frame, frame.payload);
        this.#asIs.set(frame, rendition);
        // 8-bit pictures are not packed, because other viewers get them as JPEGs.
        if (jpegChannels(frame) === null) this.#sizes.note(SOURCE, frame.payload.byteLength, performance.now());
      }
      return rendition;
    }
    let encoding = this.#jpeg.get(frame);
    if (encoding === undefined) {
      encoding = encode(frame, channels).then((rendition) => {
        this.#sizes.note(SOURCE, rendition.payload.byteLength, performance.now());
        return rendition;
      });
      this.#jpeg.set(frame, encoding);
    }
    return encoding;
  }

  /** Which renditions may be made of this frame. Samples that JPEG cannot represent are not converted to JPEG. */
  kindOf(frame: Pick<FrameOutline, 'encoding'>): RenditionKind {
    if (frame.encoding.kind === 'jpeg' || jpegChannels(frame) !== null) return 'pictures';
    return canPack(frame.encoding.dtype) ? 'packed' : 'none';
  }

  /** Mean size of a step's frames in bytes: measured or estimated; 0 before the first frame. */
  bytesOf(step: Step): number {
    return this.#sizes.bytes(step, performance.now());
  }

  /**
   * The frame as a JPEG of reduced size and quality, made by this gateway or another one.
   * @returns null if the other gateway has skipped the frame, because a newer one follows, or if the JPEG does not
   * arrive and this gateway does not have the picture.
   * @throws {GearwayError} `jpeg-unsupported` or `picture-invalid` if the gateway cannot decode it.
   */
  async scaled(frame: FrameOutline, step: JpegStep): Promise<Rendition | null> {
    const remote = await (this.#remote?.jpeg(frame, step) ?? 'missing');
    if (remote === 'skipped') return null;
    if (remote === 'missing') return hasPicture(frame) ? this.encoded(await this.scaledHere(frame, step)) : null;
    if (frame.encoding.kind === 'jpeg') this.#sizes.note(SOURCE, frame.payload.byteLength, performance.now());
    this.#sizes.note(step, remote.payload.byteLength, performance.now());
    return this.encoded(remote);
  }

  /** Whether another gateway sends the JPEGs of this step, so that no pictures are needed for them. */
  isScaledElsewhere(step: JpegStep): boolean {
    return this.#remote?.hasJpegs(step) === true;
  }

  /**
   * Like {@link Renditions.scaled}, but always made by this gateway.
   *
   * @throws {GearwayError} `jpeg-unsupported` or `picture-invalid` if the gateway cannot decode it.
   */
  scaledHere(frame: Frame, step: JpegStep): Promise<RenditionFrame> {
    return this.#scaled.get(frame, stepName(step), () => this.#scale(frame, step));
  }

  /** A frame of a rendition as a WebSocket message, encoded once for all web clients. */
  encoded(frame: RenditionFrame): Rendition {
    let rendition = this.#encoded.get(frame);
    if (rendition === undefined) {
      rendition = createRendition(frame, frame.payload, frame.rendition);
      this.#encoded.set(frame, rendition);
    }
    return rendition;
  }

  /**
   * An array, packed without loss; the unmodified frame if packing would hardly make it smaller, or if it is not an
   * array.
   */
  packed(frame: Frame): Promise<Rendition> {
    return this.#packed.get(frame, stepName(PACKED), () => this.#pack(frame));
  }

  async #pack(frame: Frame): Promise<Rendition> {
    const { encoding, payload, width, height } = frame;
    if (encoding.kind === 'jpeg') return this.get(frame, true);
    this.#sizes.note(SOURCE, payload.byteLength, performance.now());
    const { dtype, shape } = encoding;
    const packed = await packings.run(() => packArray(dtype, shape, payload));
    const isWorthwhile = packed.byteLength <= MAX_PACKED_RATIO * payload.byteLength;
    this.#sizes.note(PACKED, isWorthwhile ? packed.byteLength : payload.byteLength, performance.now());
    if (!isWorthwhile) return this.get(frame, true);
    return createRendition({ ...frame, encoding: { kind: 'packed', dtype, shape } }, packed, {
      rendition: stepName(PACKED),
      pictureWidth: width,
      pictureHeight: height,
    });
  }

  async #scale(frame: Frame, step: JpegStep): Promise<RenditionFrame> {
    if (frame.encoding.kind === 'jpeg') this.#sizes.note(SOURCE, frame.payload.byteLength, performance.now());
    const { data, width, height } = await scaleJpeg(() => frame, {
      width: pictureWidth(step, frame.width),
      quality: step.quality,
    });
    this.#sizes.note(step, data.byteLength, performance.now());
    const { sequence, receivedAtUs, capturedAtUs = null, message } = frame;
    return {
      sequence,
      receivedAtUs,
      capturedAtUs,
      width: frame.width,
      height: frame.height,
      message,
      encoding: { kind: 'jpeg' },
      rendition: { rendition: stepName(step), pictureWidth: width, pictureHeight: height },
      payload: data,
    };
  }

  /**
   * A JPEG frame as baseline JPEG, for viewers that cannot decode its kind: re-encoded, unless it is already baseline.
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
   * The frame as a JPEG, for receivers that support no other format. A JPEG is unmodified, or re-encoded as baseline if
   * many decoders do not support its kind. 8-bit samples are encoded; other samples are first rendered as in the
   * viewer.
   *
   * @param style valid; it does not apply to frames that are JPEGs.
   * @returns a promise only if the frame has to be encoded; it rejects with `dtype-unsupported`,
   * `channels-unsupported` or `jpeg-unsupported`.
   */
  jpeg(frame: Frame, style: ArrayStyleTexts = {}): Uint8Array | Promise<Uint8Array> {
    if (frame.encoding.kind === 'jpeg') {
      const kind = unusualJpegKind(frame.payload);
      return kind === null
        ? frame.payload
        : this.baseline(frame).then(
            ({ payload }) => payload,
            () => Promise.reject(unsupported(kind)),
          );
    }
    if (isDefaultStyle(style) && jpegChannels(frame) !== null)
      return Promise.resolve(this.get(frame, false)).then(({ payload }) => payload);
    return this.#styled.get(frame, styleKey(style), () =>
      stylings.run(async () => encodeJpeg(await this.arrays.pixels(frame, style, true))),
    );
  }
}

function unsupported(kind: string): GearwayError {
  return new GearwayError('jpeg-unsupported', `the frames are ${kind}, which the gateway cannot decode`);
}

async function encode(frame: Frame, channels: 1 | 3 | 4): Promise<Rendition> {
  const payload = await encodeJpeg({ data: frame.payload, width: frame.width, height: frame.height, channels });
  return createRendition({ ...frame, encoding: { kind: 'jpeg' } }, payload);
}

function createRendition(
  frame: Omit<FrameHeader, 'encoding'> & { readonly encoding: MessageEncoding; readonly message: Value },
  payload: Uint8Array,
  header?: RenditionHeader,
): Rendition {
  return {
    sequence: frame.sequence,
    begin: encodeMessageBegin(encodeFrameHead(frame, frame.message, header), payload.byteLength),
    payload,
  };
}

/** Number of channels for the JPEG encoder; null if the frame must be sent as it is. */
function jpegChannels({ encoding }: Pick<FrameOutline, 'encoding'>): 1 | 3 | 4 | null {
  if (encoding.kind === 'jpeg' || encoding.dtype !== 'uint8') return null;
  return pictureChannels(encoding.shape);
}
