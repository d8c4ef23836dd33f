import { ArrayRenderer, type RenderedArray } from '../../../shared/arrays/array-renderer.ts';
import { type ArrayStyleTexts, noDataOf, parseArrayStyle } from '../../../shared/arrays/array-style.ts';
import { areaStatistics, clipArea, type InspectedSamples, pixelValues } from '../../../shared/arrays/inspection.ts';
import { unpackSamples } from '../../../shared/arrays/packed-samples.ts';
import { cleanText } from '../../../shared/clean-text.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { arrayBytes, parseDtype, pictureChannels } from '../../../shared/ndarray.ts';
import type { FrameMessage, PackedArrayHeader } from '../../../shared/protocol.ts';
import type { DecodedPicture } from '../painter.ts';
import { pictureSize } from '../picture-size.ts';
import { measureDistance } from './distance.ts';
import { GpuRenderer } from './gpu-renderer.ts';
import type { Inspection, InspectionQuery } from './inspection-query.ts';
import { readIntrinsics } from './intrinsics.ts';
import type { ShownArray } from './shown-array.ts';
import { unitIn } from './unit.ts';

/** Maximum length of a unit from a message, in characters. */
const MAX_UNIT = 16;

/** A decoded picture, whose pixels are read. Its receiver closes it. */
interface InspectedPicture {
  readonly source: CanvasImageSource | ImageData;
  close(): void;
}

/** GPU renderer shared by all viewers of the thread; null if there is none, undefined before the first array. */
let gpu: GpuRenderer | null | undefined;

/** Decodes the raw frames of one stream. Part of the file that is loaded when the first raw frame arrives. */
export class ArrayDecoder {
  readonly #renderer = new ArrayRenderer(parseArrayStyle({}));
  readonly #onShown: (shown: ShownArray) => void;
  #problem: string | null = null;
  #shownKey = '';
  #styleNumber = 0;
  /**
   * Memory of a picture that is no longer used. It is reused for the next picture, because new memory has to be cleared
   * first.
   */
  #spare: ImageData | null = null;
  /** The picture that was inspected last, because a moving pointer inspects the same picture many times. */
  #decoded: { readonly frame: FrameMessage; readonly image: ImageData } | null = null;

  /** @param onShown called when an array is decoded with a range, type, unit or style that differs from the last. */
  constructor(onShown: (shown: ShownArray) => void) {
    this.#onShown = onShown;
  }

  /** Sets how arrays are shown. An invalid style is replaced by the default, and reported with the next array. */
  setStyle(texts: ArrayStyleTexts): void {
    this.#styleNumber += 1;
    this.#problem = null;
    try {
      this.#renderer.style = parseArrayStyle(texts);
    } catch (error) {
      this.#problem = errorText(error);
      this.#renderer.style = parseArrayStyle({});
    }
  }

  /**
   * @param isNext whether the frame is a new one of the stream, which the automatic range follows.
   * @throws {GearwayError} `dtype-unsupported`, `dtype-unknown`, `shape-invalid`, `channels-unsupported`, `array-misfit`; an error of the browser if a
   * packed array is damaged.
   */
  async decode(frame: FrameMessage, isNext = true): Promise<DecodedPicture> {
    if (frame.encoding.kind === 'packed') {
      const unpacked = await unpack(frame, frame.encoding);
      return { ...(await this.decode(unpacked, isNext)), unpacked };
    }
    const { width, height, encoding, payload } = frame;
    if (encoding.kind === 'h264') throw new TypeError('a chunk of H.264 is not an array');
    const array = { encoding, width, height, payload };
    const shown = this.#renderer.prepare(array, isNext);
    const bitmap = this.#renderOnGpu(array);
    const renderer = bitmap === null ? 'cpu' : 'webgl2';
    const unit = cleanText(unitIn(frame.message), MAX_UNIT);
    const key = `${this.#styleNumber} ${shown.dtype} ${shown.channels} ${shown.low} ${shown.high} ${unit} ${renderer}`;
    if (key !== this.#shownKey) {
      this.#shownKey = key;
      this.#onShown({ ...shown, unit, colors: this.#renderer.colors, problem: this.#problem, renderer });
    }
    if (bitmap !== null) return { source: bitmap, isTransparent: true, width, height, close: () => bitmap.close() };
    const source = this.#takeMemory(width, height);
    this.#renderer.render(0, width * height, new Uint32Array(source.data.buffer));
    return { source, width, height, close: this.#keeper(source) };
  }

  /** The picture of the array that the renderer has prepared; null if it must be drawn on the CPU. */
  #renderOnGpu(array: RenderedArray): ImageBitmap | null {
    if (gpu === undefined) gpu = GpuRenderer.create();
    if (gpu === null) return null;
    const { mapping, style } = this.#renderer;
    return mapping === null ? null : gpu.render(array, mapping, style.channelOrder);
  }

  /**
   * Returns a function that releases the memory of a picture whose pixels have been copied. It is not called for
   * pictures that are handed to the page. A second call has no effect, because the next picture may already use the
   * memory.
   */
  #keeper(source: ImageData): () => void {
    let isOpen = true;
    return () => {
      if (isOpen) this.#spare = source;
      isOpen = false;
    };
  }

  /** Memory for a picture, whose pixels are all overwritten. */
  #takeMemory(width: number, height: number): ImageData {
    const spare = this.#spare;
    this.#spare = null;
    return spare?.width === width && spare.height === height ? spare : new ImageData(width, height);
  }

  /**
   * Inspects a frame. Coordinates are those of the source's frame. The values of a rendition are those of the pixel of
   * the smaller picture that covers the coordinates.
   *
   * @param decodePicture returns the picture of a JPEG or of H.264 at full resolution. Called in the same task.
   */
  async inspect(
    frame: FrameMessage,
    query: InspectionQuery,
    decodePicture: (frame: FrameMessage) => InspectedPicture | Promise<InspectedPicture>,
  ): Promise<Inspection> {
    const samples = await this.#samplesOf(frame, decodePicture);
    const { sequence, encoding } = frame;
    const isPicture = encoding.kind === 'jpeg' || encoding.kind === 'h264';
    const dtype = isPicture ? encoding.kind : samples.dtype;
    const rendition = frame.rendition === undefined ? null : { width: samples.width, height: samples.height };
    const common = { sequence, dtype, rendition };
    const type = isPicture ? undefined : parseDtype(samples.dtype);
    const noData = type === undefined ? null : noDataOf(this.#renderer.style, type, samples.channels);
    // The fourth channel of a decoded picture is the canvas's alpha.
    const shown = <T>(channels: readonly T[]): readonly T[] => (isPicture ? channels.slice(0, 3) : channels);
    const [across, down] = [samples.width / frame.width, samples.height / frame.height];
    if (query.kind === 'pixel') {
      const { x, y } = query;
      const values = pixelValues(samples, Math.floor((x + 0.5) * across), Math.floor((y + 0.5) * down));
      const isNoData = noData !== null && values?.[0] === noData;
      const hasIntrinsics = samples.channels === 1 && readIntrinsics(frame.message, samples) !== null;
      return values && { ...common, x, y, values: shown(values), isNoData, hasIntrinsics };
    }
    if (query.kind === 'distance') return { sequence, ...measureDistance(samples, noData, frame.message, query) };
    const area = clipArea(frame, query.area);
    const covered =
      area &&
      clipArea(samples, {
        x: area.x * across,
        y: area.y * down,
        width: area.width * across,
        height: area.height * down,
      });
    return covered && area && { ...common, area, channels: shown(areaStatistics(samples, covered, noData)) };
  }

  async #samplesOf(
    frame: FrameMessage,
    decodePicture: (frame: FrameMessage) => InspectedPicture | Promise<InspectedPicture>,
  ): Promise<InspectedSamples> {
    const { encoding, payload } = frame;
    if (encoding.kind === 'raw') {
      const { width, height } = frame;
      return { dtype: encoding.dtype, width, height, channels: pictureChannels(encoding.shape) ?? 1, bytes: payload };
    }
    const { width, height } = pictureSize(frame);
    if (this.#decoded?.frame !== frame) {
      const decoding = decodePicture(frame);
      const picture = decoding instanceof Promise ? await decoding : decoding;
      const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
      if (context !== null && !(picture.source instanceof ImageData))
        context.drawImage(picture.source, 0, 0, width, height);
      picture.close();
      this.#decoded = { frame, image: context?.getImageData(0, 0, width, height) ?? new ImageData(width, height) };
    }
    const { data } = this.#decoded.image;
    return { dtype: 'uint8', width, height, channels: 4, bytes: new Uint8Array(data.buffer) };
  }

  /** Called when the next array does not follow the last one: the automatic range starts over, and is reported. */
  reset(): void {
    this.#shownKey = '';
    this.#decoded = null;
    this.#spare = null;
    this.#renderer.reset();
  }
}

async function unpack(frame: FrameMessage, { dtype, shape }: PackedArrayHeader): Promise<FrameMessage> {
  const planes = await inflate(frame.payload as Uint8Array<ArrayBuffer>, arrayBytes(dtype, shape));
  return { ...frame, encoding: { kind: 'raw', dtype, shape }, payload: unpackSamples(dtype, shape, planes) };
}

/**
 * Inflates to exactly this number of bytes.
 *
 * @throws {GearwayError} `array-misfit` for any other number, because a few bytes can inflate to gigabytes.
 */
async function inflate(packed: Uint8Array<ArrayBuffer>, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const misfit = (): GearwayError =>
    new GearwayError('array-misfit', `a packed array does not have the ${bytes} bytes that its header announces`);
  if (bytes > FRAME_LIMITS.payloadBytes) throw misfit();
  const planes = new Uint8Array(bytes);
  let filled = 0;
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (filled + value.byteLength > bytes) {
      await reader.cancel();
      throw misfit();
    }
    planes.set(value, filled);
    filled += value.byteLength;
  }
  if (filled < bytes) throw misfit();
  return planes;
}
