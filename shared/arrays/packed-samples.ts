/**
 * Lossless packing of arrays for slow links: a filter that the gateway applies before DEFLATE, and that the viewer
 * reverses. docs/protocol.md specifies the filter.
 *
 * Each word (a sample, or half of an 8-byte sample) is predicted by the same word of the previous pixel. The difference
 * is mapped to an unsigned number (zigzag), so that small ones have many zero bits, and the bytes of all differences
 * are stored in planes: all lowest bytes first.
 */
import { GearwayError } from '../errors.ts';
import { itemBytes, parseDtype, pictureChannels } from '../ndarray.ts';

type Words = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

interface Layout {
  readonly wordBytes: 1 | 2 | 4;
  /** Distance from a word to the word that predicts it. */
  readonly wordsPerPixel: number;
}

/** Whether arrays of this type can be packed. Big-endian types cannot, because they are rare. */
export function canPack(dtype: string): boolean {
  return parseDtype(dtype)?.isBigEndian === false;
}

/** @throws {GearwayError} `dtype-unsupported`. */
function layoutOf(dtype: string, shape: readonly number[]): Layout {
  const bytes = itemBytes(dtype);
  if (bytes === undefined || !canPack(dtype))
    throw new GearwayError('dtype-unsupported', `arrays of type ${dtype} cannot be packed`);
  const wordBytes = bytes === 8 ? 4 : (bytes as 1 | 2 | 4);
  return { wordBytes, wordsPerPixel: (pictureChannels(shape) ?? 1) * (bytes / wordBytes) };
}

/** Filters an array piece by piece. */
export class SamplePacker {
  readonly #words: Words;
  readonly #layout: Layout;
  /** The filtered array, as large as the array itself. */
  readonly planes: Uint8Array<ArrayBuffer>;

  /**
   * @param data borrowed until the last call of {@link pack}.
   * @throws {GearwayError} `dtype-unsupported`.
   */
  constructor(dtype: string, shape: readonly number[], data: Uint8Array) {
    this.#layout = layoutOf(dtype, shape);
    this.#words = wordsOf(data, this.#layout.wordBytes);
    this.planes = new Uint8Array(data.byteLength);
  }

  get words(): number {
    return this.#words.length;
  }

  /** Filters the words `from` (inclusive) to `to` (exclusive). */
  pack(from: number, to: number): void {
    const { wordBytes, wordsPerPixel } = this.#layout;
    const [words, planes, plane] = [this.#words, this.planes, this.#words.length];
    const unused = 32 - 8 * wordBytes;
    for (let at = from; at < to; at += 1) {
      const predicted = at < wordsPerPixel ? 0 : (words[at - wordsPerPixel] as number);
      const difference = (((words[at] as number) - predicted) << unused) >> unused;
      const zigzag = (difference << 1) ^ (difference >> 31);
      planes[at] = zigzag;
      if (wordBytes === 1) continue;
      planes[plane + at] = zigzag >>> 8;
      if (wordBytes === 2) continue;
      planes[2 * plane + at] = zigzag >>> 16;
      planes[3 * plane + at] = zigzag >>> 24;
    }
  }
}

/**
 * Reverses the filter.
 *
 * @param planes borrowed.
 * @returns the array's bytes, in new memory.
 * @throws {GearwayError} `dtype-unsupported`.
 */
export function unpackSamples(dtype: string, shape: readonly number[], planes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { wordBytes, wordsPerPixel } = layoutOf(dtype, shape);
  const bytes = new Uint8Array(planes.byteLength);
  const words = wordsOf(bytes, wordBytes);
  const plane = words.length;
  for (let at = 0; at < plane; at += 1) {
    let zigzag = planes[at] as number;
    if (wordBytes > 1) zigzag |= (planes[plane + at] as number) << 8;
    if (wordBytes > 2)
      zigzag |= ((planes[2 * plane + at] as number) << 16) | ((planes[3 * plane + at] as number) << 24);
    const predicted = at < wordsPerPixel ? 0 : (words[at - wordsPerPixel] as number);
    words[at] = predicted + ((zigzag >>> 1) ^ -(zigzag & 1));
  }
  return bytes;
}

/**
 * The words of little-endian samples, which is the byte order of all current machines. Copied if they are not aligned.
 */
function wordsOf(data: Uint8Array, wordBytes: Layout['wordBytes']): Words {
  const isAligned = data.byteOffset % wordBytes === 0 && data.buffer instanceof ArrayBuffer;
  // `slice()` of Node's Buffer would not copy.
  const { buffer, byteOffset, byteLength } = (isAligned ? data : new Uint8Array(data)) as Uint8Array<ArrayBuffer>;
  if (wordBytes === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  return wordBytes === 2
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}
