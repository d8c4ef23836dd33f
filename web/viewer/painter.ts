import type { FrameMessage } from '../../shared/protocol.ts';
import { pictureSize } from './picture-size.ts';

/** Canvas of a viewer: offscreen in the worker, an element on the main thread. */
export type Surface = OffscreenCanvas | HTMLCanvasElement;

/** A picture ready to be drawn. Its owner closes it. */
export interface DecodedPicture {
  readonly source: ImageBitmap | ImageData | VideoFrame;
  /** The decoded picture, which may be smaller than the frame: see {@link decodeJpeg}. */
  readonly width: number;
  readonly height: number;
  /** Whether pixels of an `ImageBitmap` may be transparent. */
  readonly isTransparent?: boolean;
  /** For a packed array: the frame with its samples. */
  readonly unpacked?: FrameMessage;
  close(): void;
}

/** JPEGs are decoded at a multiple of 1/8 of their size. Smaller sizes cost proportionally less. */
const SCALES = 8;

/**
 * Decodes a JPEG. Raw frames are decoded by `arrays/array-pictures.ts`.
 *
 * @param scale scale at which the picture in the payload is shown. At up to 7/8, browsers with `ImageDecoder` decode at
 * reduced size.
 * @throws the error of the browser.
 */
export async function decodeJpeg(frame: FrameMessage, scale = 1): Promise<DecodedPicture> {
  const eighths = Math.max(1, Math.ceil(scale * SCALES));
  if (eighths < SCALES && 'ImageDecoder' in self) return decodeSmaller(frame, eighths / SCALES);
  // `self.` makes each call look the function up, because tests replace it.
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
    // Rounded up, because the decoder uses its largest size that fits.
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

/** Encodes a picture as PNG. Closes the picture. */
export async function encodePng(picture: DecodedPicture): Promise<Blob> {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  new Painter(canvas).draw(picture);
  picture.close();
  return canvas.convertToBlob({ type: 'image/png' });
}

/** Draws pictures on a canvas, and resizes it to fit them. */
export class Painter {
  readonly #surface: Surface;
  readonly #context: CanvasRenderingContext2D | null;

  constructor(surface: Surface) {
    this.#surface = surface;
    this.#context = surface.getContext('2d') as CanvasRenderingContext2D | null;
  }

  /** The context of the canvas. In a worker, Firefox does not return it a second time, but throws. */
  get context(): OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D | null {
    return this.#context;
  }

  /** The drawn picture as PNG. Supported only for a canvas in a worker. */
  png(): Promise<Blob> {
    if (this.#surface instanceof OffscreenCanvas) return this.#surface.convertToBlob({ type: 'image/png' });
    return Promise.reject(new TypeError('the canvas belongs to the page'));
  }

  draw({ source, width, height, isTransparent = false }: DecodedPicture): void {
    if (this.#surface.width !== width || this.#surface.height !== height) {
      this.#surface.width = width;
      this.#surface.height = height;
    }
    if (source instanceof ImageData) {
      this.#context?.putImageData(source, 0, 0);
      return;
    }
    // The previous picture must not show through.
    if (isTransparent) this.#context?.clearRect(0, 0, width, height);
    this.#context?.drawImage(source, 0, 0);
  }
}
