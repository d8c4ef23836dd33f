import { GearwayError } from '../../shared/errors.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { Frame } from '../hub/frame.ts';

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
    const result = this.inTurn(async () => (format === 'jpg' && width === null ? renditions.jpeg(frame) : encode(frame, { format, width })));
    results.set(key, result);
    const [oldest] = results.keys();
    if (results.size > MAX_RESULTS && oldest !== undefined) results.delete(oldest);
    return result;
  }

  /**
   * Does work for a picture when there is a turn for it.
   *
   * @throws {GearwayError} `busy` when enough is being made; rejects with what `work` throws.
   */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running + this.#waiting.length >= MAX_ENCODINGS) throw new GearwayError('busy', `${MAX_ENCODINGS} pictures are being made; ask again`);
    return this.#whenFree(work);
  }

  async #whenFree<T>(work: () => Promise<T>): Promise<T> {
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

/** The library behind it takes a while to load, and most gateways never need it. */
async function encode(frame: Frame, options: SnapshotOptions): Promise<Uint8Array> {
  const { encodePicture } = await import('./snapshot-picture.ts');
  return encodePicture(frame, options);
}
