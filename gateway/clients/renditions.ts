import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import { GearwayError } from '../../shared/errors.ts';
import { pictureChannels } from '../../shared/ndarray.ts';
import { isBaselineJpeg, unusualJpegKind } from '../../shared/jpeg-kind.ts';
import { encodeFrameHead, type RenditionHeader } from '../../shared/protocol.ts';
import type { Frame } from '../hub/frame.ts';
import { encodeBaseline } from '../codecs/baseline-jpeg.ts';
import { encodeJpeg } from '../codecs/jpeg.ts';
import { type JpegStep, pictureWidth, SOURCE, type Step, stepName } from '../renditions/ladder.ts';
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

/** Maximum number of cached JPEGs per frame with different styles. */
const MAX_STYLED = 8;

/**
 * Creates the renditions of each frame, once for all viewers of a stream: `asIs` (the unmodified JPEG or samples), and
 * `jpeg` for 8-bit raw frames. 16-bit and float frames are always sent as they are, because JPEG would lose precision.
 * Scaled JPEGs are made when a viewer with a slow link takes a frame, once per step.
 */
export class Renditions {
  readonly #asIs = new WeakMap<Frame, Rendition>();
  readonly #jpeg = new WeakMap<Frame, Promise<Rendition>>();
  readonly #styled = new FrameResults<Uint8Array>(MAX_STYLED);
  /** Arrays as pixels, for pictures other than JPEGs. */
  readonly arrays = new StyledArrays();
  readonly #baseline = new WeakMap<Frame, Promise<Rendition>>();
  /** By step name. */
  readonly #scaled = new FrameResults<Rendition>();
  readonly #sizes = new StepSizes();
  /** Whether viewers with slow links may get scaled JPEGs. */
  readonly isEnabled: boolean;

  constructor({ isEnabled = true }: { readonly isEnabled?: boolean } = {}) {
    this.isEnabled = isEnabled;
  }

  /** @returns a promise only while a raw frame is being encoded. */
  get(frame: Frame, wantsRaw: boolean): Rendition | Promise<Rendition> {
    const channels = wantsRaw ? null : jpegChannels(frame);
    if (channels === null) {
      let rendition = this.#asIs.get(frame);
      if (rendition === undefined) {
        rendition = createRendition(frame, frame.payload);
        this.#asIs.set(frame, rendition);
        if (frame.encoding.kind === 'jpeg') this.#sizes.note(SOURCE, frame.payload.byteLength, performance.now());
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

  /** Whether scaled JPEGs may be made of this frame: not of samples that JPEG cannot represent. */
  canScale(frame: Frame): boolean {
    return frame.encoding.kind === 'jpeg' || jpegChannels(frame) !== null;
  }

  /** Mean size of a step's frames in bytes: measured or estimated; 0 before the first frame. */
  bytesOf(step: Step): number {
    return this.#sizes.bytes(step, performance.now());
  }

  /**
   * The frame as a JPEG of reduced size and quality.
   *
   * @throws {GearwayError} `jpeg-unsupported` or `picture-invalid` if the gateway cannot decode it.
   */
  scaled(frame: Frame, step: JpegStep): Promise<Rendition> {
    return this.#scaled.get(frame, stepName(step), () => this.#scale(frame, step));
  }

  async #scale(frame: Frame, step: JpegStep): Promise<Rendition> {
    if (frame.encoding.kind === 'jpeg') this.#sizes.note(SOURCE, frame.payload.byteLength, performance.now());
    const { data, width, height } = await scaleJpeg(() => frame, {
      width: pictureWidth(step, frame.width),
      quality: step.quality,
    });
    this.#sizes.note(step, data.byteLength, performance.now());
    return createRendition({ ...frame, encoding: { kind: 'jpeg' } }, data, {
      rendition: stepName(step),
      pictureWidth: width,
      pictureHeight: height,
    });
  }

  /**
   * A JPEG frame as baseline JPEG, for viewers that cannot decode its kind: decoded and encoded again, unless it is
   * one.
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
   * decoders lack, which is encoded again as baseline; 8-bit samples encoded; other samples as the viewer shows them.
   *
   * @param style valid; it does not apply to frames that are JPEGs.
   * @returns a promise only if the frame has to be encoded; it rejects with `dtype-unsupported`,
   * `channels-unsupported`, `jpeg-unsupported`.
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
      this.arrays.pixels(frame, style, true).then((pixels) => encodeJpeg(pixels)),
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

function createRendition(frame: Frame, payload: Uint8Array, header?: RenditionHeader): Rendition {
  return {
    sequence: frame.sequence,
    begin: encodeMessageBegin(encodeFrameHead(frame, frame.message, header), payload.byteLength),
    payload,
  };
}

/** Number of channels for the JPEG encoder; null if the frame must be sent as it is. */
function jpegChannels({ encoding }: Frame): 1 | 3 | 4 | null {
  if (encoding.kind === 'jpeg' || encoding.dtype !== 'uint8') return null;
  return pictureChannels(encoding.shape);
}
