import type { CapturedPicture, EncodingSettings } from './capture-types.ts';

/** A JPEG as bytes, or as the browser's encoder returns it. */
export interface EncodedPicture<Jpeg = Uint8Array<ArrayBuffer>> {
  readonly jpeg: Jpeg;
  readonly width: number;
  readonly height: number;
  readonly capturedAtMs: number | null;
}

/**
 * Scales a size down to a maximum length of the shorter side. Rounds to even sizes, which many video codecs require.
 */
export function fitShortSide(
  width: number,
  height: number,
  shortSide: number,
): { readonly width: number; readonly height: number } {
  const scale = Math.min(1, shortSide / Math.min(width, height));
  if (scale === 1) return { width, height };
  const even = (side: number): number => Math.max(2, 2 * Math.round((side * scale) / 2));
  return { width: even(width), height: even(height) };
}

/**
 * Encodes pictures as JPEG, one at a time. For workers: on the main thread, Chromium encodes only while the page is
 * idle.
 */
export class JpegEncoder {
  readonly #canvas = new OffscreenCanvas(16, 16);
  readonly #context = this.#canvas.getContext('2d', { alpha: false });

  /** Encodes a picture, without closing it. Rejects if the browser cannot encode it. */
  async encode(picture: CapturedPicture, settings: EncodingSettings): Promise<EncodedPicture> {
    const encoded = await this.encodeBlob(picture, settings);
    return { ...encoded, jpeg: new Uint8Array(await encoded.jpeg.arrayBuffer()) };
  }

  /** Like {@link encode}, but without reading the result. */
  async encodeBlob(
    picture: CapturedPicture,
    { quality, shortSide }: Pick<EncodingSettings, 'quality' | 'shortSide'>,
  ): Promise<EncodedPicture<Blob>> {
    const { width, height } = fitShortSide(picture.width, picture.height, shortSide);
    // The size changes from one frame to the next when a phone is rotated.
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    if (this.#context === null) throw new Error('this browser has no 2D canvas');
    this.#context.drawImage(picture.source, 0, 0, width, height);
    const blob = await this.#canvas.convertToBlob({ type: 'image/jpeg', quality: quality / 100 });
    // Browsers without a JPEG encoder silently return a PNG.
    if (blob.type !== 'image/jpeg') throw new Error(`the browser returned ${blob.type}, expected image/jpeg`);
    return { jpeg: blob, width, height, capturedAtMs: picture.capturedAtMs };
  }
}
