import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { Frame } from '../hub/frame.ts';
import type { SnapshotOptions } from './snapshot-picture.ts';

/** Maximum number of running and queued encodings; further ones are refused. */
const MAX_ENCODINGS = 4;

/** Maximum number of running encodings: half of the thread pool, so that a slow PNG does not block viewers' JPEGs. */
const MAX_AT_ONCE = 2;

/** Maximum number of cached results per frame; each requested width is one. */
const MAX_RESULTS = 8;

/** Encodes snapshots of frames, once for all requests with the same options, and few at a time. */
export class Snapshots {
  readonly #results = new WeakMap<Frame, Map<string, Promise<Uint8Array>>>();
  readonly #encodings = new ConcurrencyLimit(MAX_AT_ONCE);

  /**
   * Returns a JPEG unmodified if neither format nor width require encoding. A PNG is lossless for 8-bit samples, and
   * for 16-bit samples of one, three or four channels; others are converted to 8 bits, as in the viewer.
   *
   * @param renditions of the frame's stream; they may already have its JPEG.
   * @throws {GearwayError} `busy` if too many encodings are pending; rejects with `dtype-unsupported`,
   * `picture-invalid`.
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
    const result = this.inTurn(async () => (format === 'jpg' && width === null ? renditions.jpeg(frame) : encode(frame, { format, width })));
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
async function encode(frame: Frame, options: SnapshotOptions): Promise<Uint8Array> {
  const { encodePicture } = await import('./snapshot-picture.ts');
  return encodePicture(frame, options);
}
