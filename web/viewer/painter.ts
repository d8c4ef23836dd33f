import type { FrameMessage } from '../../shared/protocol.ts';

/** A canvas of either kind: drawn in the worker, or by the fallback on the main thread. */
export type Surface = OffscreenCanvas | HTMLCanvasElement;

/** A decoded picture that waits to be drawn; whoever holds it closes it. */
export interface Picture {
  readonly source: ImageBitmap | ImageData | VideoFrame;
  /** Perhaps smaller than the frame's: see {@link decodePicture}. */
  readonly width: number;
  readonly height: number;
  close(): void;
}

/** A JPEG is decoded at so many eighths of its size, which costs about as much less. */
const SCALES = 8;

/**
 * Decodes a frame. JPEG by the browser; samples by conversion. Rejects when it is no picture.
 *
 * @param scale what part of its size the picture is shown at. Below 7/8 a JPEG is decoded no larger than needed, where the browser can.
 */
export async function decodePicture(frame: FrameMessage, scale = 1): Promise<Picture> {
  const { width, height } = frame;
  if (frame.encoding.kind === 'raw') {
    const source = convertSamples(frame.payload, frame.encoding.dtype, width, height, frame.encoding.shape[2] ?? 1);
    return { source, width, height, close: () => undefined };
  }
  const eighths = Math.max(1, Math.ceil(scale * SCALES));
  if (eighths < SCALES && 'ImageDecoder' in self) return decodeSmaller(frame, eighths / SCALES);
  // `self.` so that it is looked up at each call, in the window as in the worker.
  const bitmap = await self.createImageBitmap(new Blob([frame.payload as Uint8Array<ArrayBuffer>], { type: 'image/jpeg' }));
  return { source: bitmap, width: bitmap.width, height: bitmap.height, close: () => bitmap.close() };
}

async function decodeSmaller({ payload, width, height }: FrameMessage, scale: number): Promise<Picture> {
  // Rounded up: the decoder takes the largest of its sizes that fits.
  const decoder = new ImageDecoder({ data: payload as Uint8Array<ArrayBuffer>, type: 'image/jpeg', desiredWidth: Math.ceil(width * scale), desiredHeight: Math.ceil(height * scale) });
  try {
    const { image } = await decoder.decode();
    return { source: image, width: image.displayWidth, height: image.displayHeight, close: () => image.close() };
  } finally {
    decoder.close();
  }
}

/** A PNG of a frame, at its full size. */
export async function encodePng(frame: FrameMessage): Promise<Blob> {
  const canvas = new OffscreenCanvas(frame.width, frame.height);
  const picture = await decodePicture(frame);
  new Painter(canvas).draw(picture);
  picture.close();
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Draws pictures on a surface, which takes their size. */
export class Painter {
  readonly #surface: Surface;
  readonly #context: OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D | null;

  constructor(surface: Surface) {
    this.#surface = surface;
    this.#context = surface.getContext('2d', { alpha: false, desynchronized: false }) as CanvasRenderingContext2D | null;
  }

  draw({ source, width, height }: Picture): void {
    if (this.#surface.width !== width || this.#surface.height !== height) {
      this.#surface.width = width;
      this.#surface.height = height;
    }
    if (source instanceof ImageData) this.#context?.putImageData(source, 0, 0);
    else this.#context?.drawImage(source, 0, 0);
  }
}

/** 8-bit gray, BGR and BGRA as they are; 16-bit linearly from 0 to 65535, floats from 0 to 1. */
function convertSamples(bytes: Uint8Array, dtype: string, width: number, height: number, channels: number): ImageData {
  const samples = readSamples(bytes, dtype);
  if (samples.values.length < width * height * channels) throw new Error('the frame has fewer samples than its shape announces');
  const { values, scale } = samples;
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

function readSamples(bytes: Uint8Array, dtype: string): { values: Uint8Array | Uint16Array | Float32Array | Float64Array; scale: number } {
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
      throw new Error(`cannot show samples of dtype ${dtype} yet`);
  }
}
