import type { FrameMessage } from '../../shared/protocol.ts';

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
 * Decodes a frame: JPEG by the browser, raw samples by conversion. Rejects when the payload is invalid.
 *
 * @param scale at which the picture is shown. At up to 7/8, browsers with `ImageDecoder` decode a JPEG at reduced size.
 */
export async function decodePicture(frame: FrameMessage, scale = 1): Promise<DecodedPicture> {
  const { width, height } = frame;
  if (frame.encoding.kind === 'raw') {
    const { dtype, shape } = frame.encoding;
    const source = convertSamples(frame.payload, dtype, width, height, shape[2] ?? 1);
    return { source, width, height, close: () => undefined };
  }
  const eighths = Math.max(1, Math.ceil(scale * SCALES));
  if (eighths < SCALES && 'ImageDecoder' in self) return decodeSmaller(frame, eighths / SCALES);
  // `self.` so that the function is looked up on each call: tests replace it.
  const blob = new Blob([frame.payload as Uint8Array<ArrayBuffer>], { type: 'image/jpeg' });
  const bitmap = await self.createImageBitmap(blob);
  return { source: bitmap, width: bitmap.width, height: bitmap.height, close: () => bitmap.close() };
}

async function decodeSmaller({ payload, width, height }: FrameMessage, scale: number): Promise<DecodedPicture> {
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
  const canvas = new OffscreenCanvas(frame.width, frame.height);
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

/** Converts gray, BGR and BGRA samples. 16-bit values are scaled from 0–65535, floats from 0–1. */
function convertSamples(bytes: Uint8Array, dtype: string, width: number, height: number, channels: number): ImageData {
  const { values, scale } = readSamples(bytes, dtype);
  const expected = width * height * channels;
  if (values.length < expected) throw new Error(`the frame has ${values.length} samples, expected ${expected}`);
  const image = new ImageData(width, height);
  const out = image.data;
  const [blue, green, red] = channels >= 3 ? [0, 1, 2] : [0, 0, 0];
  for (let pixel = 0, from = 0, to = 0; pixel < width * height; pixel += 1, from += channels, to += 4) {
    out[to] = (values[from + red] ?? 0) * scale;
    out[to + 1] = (values[from + green] ?? 0) * scale;
    out[to + 2] = (values[from + blue] ?? 0) * scale;
    out[to + 3] = 255;
  }
  return image;
}

/** Samples as numbers, with the factor that maps them to 0–255. */
interface Samples {
  readonly values: Uint8Array | Uint16Array | Float32Array | Float64Array;
  readonly scale: number;
}

function readSamples(bytes: Uint8Array, dtype: string): Samples {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dtype) {
    case 'uint8':
      return { values: bytes, scale: 1 };
    case 'bool':
      return { values: bytes, scale: 255 };
    case 'uint16':
      return { values: new Uint16Array(buffer, byteOffset, byteLength / 2), scale: 1 / 257 };
    case 'float32':
      return { values: new Float32Array(buffer, byteOffset, byteLength / 4), scale: 255 };
    case 'float64':
      return { values: new Float64Array(buffer, byteOffset, byteLength / 8), scale: 255 };
    default:
      throw new Error(`samples of dtype ${dtype} cannot be shown`);
  }
}
