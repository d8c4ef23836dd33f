import type { CapturedPicture, PictureSettings } from '../publisher-messages.ts';

export interface EncodedPicture {
  readonly jpeg: Uint8Array<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  readonly takenAtMs: number | null;
}

/** Scales a picture down until its shorter side is no longer than asked for. Even sizes: many a video codec of a client takes no others. */
export function fitShortSide(width: number, height: number, shortSide: number): { readonly width: number; readonly height: number } {
  const scale = Math.min(1, shortSide / Math.min(width, height));
  if (scale === 1) return { width, height };
  const even = (side: number): number => Math.max(2, 2 * Math.round((side * scale) / 2));
  return { width: even(width), height: even(height) };
}

/** Makes JPEGs of pictures, one after the other, on a canvas of its own. */
export class JpegEncoder {
  readonly #canvas = new OffscreenCanvas(16, 16);
  readonly #context = this.#canvas.getContext('2d', { alpha: false });

  /** Leaves the picture to its owner. Rejects when the browser cannot. */
  async encode({ source, takenAtMs, ...whole }: CapturedPicture, { quality, shortSide }: PictureSettings): Promise<EncodedPicture> {
    const { width, height } = fitShortSide(whole.width, whole.height, shortSide);
    // A phone that is turned gives pictures of another size from one to the next.
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    if (this.#context === null) throw new Error('this browser draws on no canvas');
    this.#context.drawImage(source, 0, 0, width, height);
    const blob = await this.#canvas.convertToBlob({ type: 'image/jpeg', quality: quality / 100 });
    // A browser that has no encoder for it makes a PNG and says nothing.
    if (blob.type !== 'image/jpeg') throw new Error(`this browser made a ${blob.type}, expected image/jpeg`);
    return { jpeg: new Uint8Array(await blob.arrayBuffer()), width, height, takenAtMs };
  }
}
