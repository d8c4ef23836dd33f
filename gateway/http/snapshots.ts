import sharp, { type Matrix3x3, type Matrix4x4, type Sharp } from 'sharp';
import { GearwayError } from '../../shared/errors.ts';
import { alignedSamples, toEightBit } from '../clients/eight-bit.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { Frame } from '../hub/frame.ts';
import { DEFAULT_FRAME_LIMITS } from '../netgear/frame-codec.ts';

/** What a snapshot is asked to be. */
export interface SnapshotOptions {
  readonly format: 'jpg' | 'png';
  /** Pixels; never enlarged. null: the frame's own. */
  readonly width: number | null;
}

/** Most encodings under way or about to be; what comes beyond is refused. */
const MAX_ENCODINGS = 4;

/** Of those, on the thread pool at once: half of it, so that viewers' JPEGs are encoded and checked beside a slow PNG. */
const MAX_AT_ONCE = 2;

/** Most results kept for a frame, while it is the latest: each width asked for is one. */
const MAX_RESULTS = 8;

const JPEG_QUALITY = 90;

/** Blue and red change places. */
const SWAPS: { readonly 3: Matrix3x3; readonly 4: Matrix4x4 } = {
  3: [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
  4: [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
};

// Every frame is another: what the library would remember is never asked for again.
sharp.cache(false);
sharp.concurrency(1);

/** Makes single pictures of frames, each once for all that ask for the same, and few at a time. */
export class Snapshots {
  readonly #results = new WeakMap<Frame, Map<string, Promise<Uint8Array>>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /**
   * A JPEG as it came, byte for byte, where nothing else is asked for. A PNG is lossless: 8-bit samples and 16-bit ones (of
   * one, three or four channels) keep their values; floats and booleans become 8-bit first, as the viewer shows them.
   *
   * @param renditions the stream's own, which may have the frame's JPEG already.
   * @throws {GearwayError} `busy` when enough is being encoded; rejects with `dtype-unsupported`, `picture-invalid`.
   */
  get(frame: Frame, { format, width: wanted }: SnapshotOptions, renditions: Renditions): Uint8Array | Promise<Uint8Array> {
    const width = wanted === null || wanted >= frame.width ? null : wanted;
    if (format === 'jpg' && width === null && frame.encoding.kind === 'jpeg') return frame.payload;
    let results = this.#results.get(frame);
    if (results === undefined) {
      results = new Map();
      this.#results.set(frame, results);
    }
    const key = `${format} ${width}`;
    const known = results.get(key);
    if (known !== undefined) return known;
    if (this.#running + this.#waiting.length >= MAX_ENCODINGS) throw new GearwayError('busy', `${MAX_ENCODINGS} pictures are being made; ask again`);
    const result = this.#inTurn(async () => (format === 'jpg' && width === null ? renditions.jpeg(frame) : encode(frame, format, width)));
    results.set(key, result);
    const [oldest] = results.keys();
    if (results.size > MAX_RESULTS && oldest !== undefined) results.delete(oldest);
    return result;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    // Who ends hands over its place.
    if (this.#running >= MAX_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

async function encode(frame: Frame, format: SnapshotOptions['format'], width: number | null): Promise<Uint8Array> {
  let image = format === 'png' ? (openSixteenBit(frame) ?? open(frame)) : open(frame);
  if (width !== null) image = image.resize({ width, withoutEnlargement: true });
  try {
    // A JPEG has no alpha; what comes from OpenCV has it opaque.
    return await (format === 'jpg' ? image.removeAlpha().jpeg({ quality: JPEG_QUALITY }) : image.png({ compressionLevel: PNG_COMPRESSION })).toBuffer();
  } catch (error) {
    throw new GearwayError('picture-invalid', 'the latest frame cannot be decoded', { cause: error });
  }
}

/** Of zlib's 9: beyond this a camera's picture takes much longer and gets hardly smaller. */
const PNG_COMPRESSION = 3;

// A frame's size was checked against this when it came; the library is told too, since it reads the picture's own header.
const LIMITS = { limitInputPixels: DEFAULT_FRAME_LIMITS.pixels, failOn: 'error' } as const;

function open(frame: Frame): Sharp {
  if (frame.encoding.kind === 'jpeg') return sharp(frame.payload, LIMITS);
  const { data, width, height, channels } = toEightBit(frame);
  const image = sharp(data, { ...LIMITS, raw: { width, height, channels } });
  if (channels === 1) return image.toColourspace('b-w');
  return image.recomb(SWAPS[channels]);
}

/** @returns null for anything but 16-bit gray, BGR and BGRA. */
function openSixteenBit({ encoding, payload, width, height }: Frame): Sharp | null {
  if (encoding.kind === 'jpeg' || encoding.dtype !== 'uint16') return null;
  const channels = encoding.shape[2] ?? 1;
  if (channels !== 1 && channels !== 3 && channels !== 4) return null;
  const values = alignedSamples(payload, Uint16Array);
  if (channels === 1) return sharp(values, { ...LIMITS, raw: { width, height, channels } }).toColourspace('grey16');
  // The library's own way to change channels has 8 bits.
  const swapped = new Uint16Array(values);
  for (let at = 0; at < swapped.length; at += channels) {
    swapped[at] = values[at + 2] ?? 0;
    swapped[at + 2] = values[at] ?? 0;
  }
  return sharp(swapped, { ...LIMITS, raw: { width, height, channels } }).toColourspace('rgb16');
}
