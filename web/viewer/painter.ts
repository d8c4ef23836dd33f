import { checkShowable, converterOf } from '../../shared/eight-bit.ts';
import type { FrameMessage } from '../../shared/protocol.ts';
import { pictureSize } from './picture-size.ts';

/** Canvas of a viewer: offscreen in the worker, an element on the main thread. */
export type Surface = OffscreenCanvas | HTMLCanvasElement;

/** A picture ready to be drawn. Its owner closes it. */
export interface DecodedPicture {
  readonly source: ImageBitmap | ImageData | VideoFrame;
  /** May be smaller than the frame: see {@link decodePicture}. */
  readonly width: number;
  readonly height: number;
  close(): void;
}

/** JPEGs are decoded at a multiple of 1/8 of their size. Smaller sizes cost proportionally less. */
const SCALES = 8;

/**
 * Decodes a frame: JPEG by the browser, raw samples by conversion.
 *
 * @param scale at which the picture in the payload is shown. At up to 7/8, browsers with `ImageDecoder` decode a JPEG at reduced size.
 * @throws {GearwayError} `dtype-unsupported` or `channels-unsupported`; what the browser throws for a JPEG.
 */
export async function decodePicture(frame: FrameMessage, scale = 1): Promise<DecodedPicture> {
  const { width, height } = pictureSize(frame);
  if (frame.encoding.kind === 'raw') {
    const source = convertSamples(frame, frame.encoding.dtype, checkShowable(frame.encoding));
    return { source, width, height, close: () => undefined };
  }
  const eighths = Math.max(1, Math.ceil(scale * SCALES));
  if (eighths < SCALES && 'ImageDecoder' in self) return decodeSmaller(frame, eighths / SCALES);
  // `self.` so that the function is looked up on each call: tests replace it.
  const blob = new Blob([frame.payload as Uint8Array<ArrayBuffer>], { type: 'image/jpeg' });
  const bitmap = await self.createImageBitmap(blob);
  return { source: bitmap, width: bitmap.width, height: bitmap.height, close: () => bitmap.close() };
}

async function decodeSmaller(frame: FrameMessage, scale: number): Promise<DecodedPicture> {
  const { payload } = frame;
  const { width, height } = pictureSize(frame);
  const decoder = new ImageDecoder({
    data: payload as Uint8Array<ArrayBuffer>,
    type: 'image/jpeg',
    // Rounded up: the decoder uses the largest of its sizes that fits.
    desiredWidth: Math.ceil(width * scale),
    desiredHeight: Math.ceil(height * scale),
  });
  try {
    const { image } = await decoder.decode();
    return { source: image, width: image.displayWidth, height: image.displayHeight, close: () => image.close() };
  } finally {
    decoder.close();
  }
}

/** PNG of a frame, at full size. */
export async function encodePng(frame: FrameMessage): Promise<Blob> {
  const { width, height } = pictureSize(frame);
  const canvas = new OffscreenCanvas(width, height);
  const picture = await decodePicture(frame);
  new Painter(canvas).draw(picture);
  picture.close();
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Draws pictures on a canvas, and resizes it to fit them. */
export class Painter {
  readonly #surface: Surface;
  readonly #context: OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D | null;

  constructor(surface: Surface) {
    this.#surface = surface;
    const options = { alpha: false, desynchronized: false };
    this.#context = surface.getContext('2d', options) as CanvasRenderingContext2D | null;
  }

  draw({ source, width, height }: DecodedPicture): void {
    if (this.#surface.width !== width || this.#surface.height !== height) {
      this.#surface.width = width;
      this.#surface.height = height;
    }
    if (source instanceof ImageData) this.#context?.putImageData(source, 0, 0);
    else this.#context?.drawImage(source, 0, 0);
  }
}

/** Pixels that are converted at a time: their samples stay in the processor's cache until they are arranged. */
const PIXELS_AT_ONCE = 4096;

/** Converts gray, BGR and BGRA samples. Alpha is ignored. */
function convertSamples({ payload, width, height }: FrameMessage, dtype: string, channels: 1 | 3 | 4): ImageData {
  const converter = converterOf(dtype);
  const pixels = width * height;
  const expected = pixels * channels * converter.type.bytes;
  if (payload.byteLength !== expected) throw new Error(`the frame has ${payload.byteLength} bytes of samples, expected ${expected}`);
  const image = new ImageData(width, height);
  const out = image.data;
  const samples = new Uint8ClampedArray(PIXELS_AT_ONCE * channels);
  const [green, red] = channels === 1 ? [0, 0] : [1, 2];
  for (let pixel = 0, to = 0; pixel < pixels; pixel += PIXELS_AT_ONCE) {
    const count = Math.min(PIXELS_AT_ONCE, pixels - pixel);
    converter.convert(payload, pixel * channels, (pixel + count) * channels, samples);
    for (let from = 0; from < count * channels; from += channels, to += 4) {
      out[to] = samples[from + red] ?? 0;
      out[to + 1] = samples[from + green] ?? 0;
      out[to + 2] = samples[from] ?? 0;
      out[to + 3] = 255;
    }
  }
  return image;
}
