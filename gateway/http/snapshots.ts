import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { PictureFormat } from '../codecs/encode-picture.ts';
import type { Frame } from '../hub/frame.ts';

/** Requested properties of a snapshot. `quality` is absent or null for the frame's own JPEG, or 90 where it is encoded. */
export type SnapshotOptions = Omit<PictureFormat, 'quality'> & Partial<Pick<PictureFormat, 'quality'>>;

/** Maximum number of running and queued encodings; further ones are refused. */
const MAX_ENCODINGS = 4;

/** Maximum number of running encodings: half of the thread pool, so that a slow PNG does not block viewers' JPEGs. */
const MAX_AT_ONCE = 2;

/** Maximum number of cached results per frame; each requested width and quality is one. */
const MAX_RESULTS = 8;

/** Encodes snapshots of frames, once for all requests with the same options, and few at a time. */
export class Snapshots {
  readonly #results = new WeakMap<Frame, Map<string, Promise<Uint8Array>>>();
  readonly #encodings = new ConcurrencyLimit(MAX_AT_ONCE);

  /**
   * Returns a JPEG unmodified if neither format, width nor quality require encoding. A PNG is lossless for 8-bit samples, and
   * for 16-bit samples of one, three or four channels; others are converted to 8 bits, as in the viewer.
   *
   * @param renditions of the frame's stream; they may already have its JPEG.
   * @throws {GearwayError} `busy` if too many encodings are pending; rejects with `dtype-unsupported`,
   * `picture-invalid`.
   */
  get(frame: Frame, { format, width: wanted, quality: wantedQuality = null }: SnapshotOptions, renditions: Renditions): Uint8Array | Promise<Uint8Array> {
    const width = wanted === null || wanted >= frame.width ? null : wanted;
    const quality = format === 'jpg' ? wantedQuality : null;
    const isOwnJpeg = format === 'jpg' && width === null && quality === null;
    if (isOwnJpeg && frame.encoding.kind === 'jpeg') return frame.payload;
    let results = this.#results.get(frame);
    if (results === undefined) {
      results = new Map();
      this.#results.set(frame, results);
    }
    const key = `${format} ${width} ${quality}`;
    const known = results.get(key);
    if (known !== undefined) return known;
    const result = this.inTurn(async () => (isOwnJpeg ? renditions.jpeg(frame) : encode(frame, { format, width, quality })));
    results.set(key, result);
    const [oldest] = results.keys();
    if (results.size > MAX_RESULTS && oldest !== undefined) results.delete(oldest);
    return result;
  }

  /**
   * Runs work for a picture when a slot is free.
   *
   * @throws {GearwayError} `busy` if too many encodings are pending; rejects with the error of `work`.
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#encodings.pending >= MAX_ENCODINGS) {
      throw new GearwayError('busy', `${MAX_ENCODINGS} pictures are already being encoded; retry later`);
    }
    return this.#encodings.run(work);
  }
}

/** Loads the encoder on demand: sharp is slow to load, and most gateways never need it. */
async function encode(frame: Frame, format: PictureFormat): Promise<Uint8Array> {
  const { encodePicture } = await import('../codecs/encode-picture.ts');
  return (await encodePicture(frame, format)).data;
}
