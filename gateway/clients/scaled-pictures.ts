import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { EncodedPicture, PictureFormat } from '../codecs/encode-picture.ts';
import type { Frame } from '../hub/frame.ts';
import { FrameResults } from './frame-results.ts';
import { scaleJpeg } from './scale-jpeg.ts';
import { StyledArrays, styleKey } from './styled-arrays.ts';

/** How a stream's pictures are scaled and compressed, and, if they are arrays, styled; at least one property is set. */
export interface Scaling extends Pick<PictureFormat, 'width' | 'quality'> {
  /** A valid style; the default if absent. */
  readonly style?: ArrayStyleTexts;
}

/**
 * Maximum number of different scalings in use, per stream and in all streams, and how many of them one address may use.
 * Each costs up to one encoding per frame.
 */
export const SCALING_LIMITS = {
  perStream: { inAll: 8, perAddress: 6 },
  total: { inAll: 32, perAddress: 24 },
} as const;

/**
 * Scaled JPEGs of all streams, each made once per frame and scaling for all clients that use it. Nothing is encoded
 * ahead or queued: clients request the frame that they send next, so if the encoder is slower than the source, frames
 * are skipped.
 */
export class ScaledPictures {
  readonly #encoded = new FrameResults<EncodedPicture>();
  /** Uses of each scaling, by stream. */
  readonly #uses = new Map<string, Map<string, Users>>();

  /** Number of different scalings in use. */
  get size(): number {
    return this.#count(() => true);
  }

  /**
   * Begins to use a scaling. The caller releases it.
   *
   * @param stream name of the stream.
   * @param options `arrays` renders the arrays of the stream: pass the object that its other pictures use, so that all
   * are shown with the same range. `address` of the client, as returned by `addressKey`; null counts for no address.
   * @throws {GearwayError} `too-many` if a limit on the number of scalings is reached, `address-limit` if the address
   * uses its share of them.
   */
  acquire(
    stream: string,
    scaling: Scaling,
    {
      arrays = new StyledArrays(),
      address = null,
    }: { readonly arrays?: StyledArrays; readonly address?: string | null } = {},
  ): ScaledStream {
    const uses = this.#uses.get(stream) ?? new Map<string, Users>();
    const key = `${scaling.width} ${scaling.quality} ${styleKey(scaling.style ?? {})}`;
    const users: Users = uses.get(key) ?? new Map<string | null, number>();
    this.#check(stream, uses, users, address);
    users.set(address, (users.get(address) ?? 0) + 1);
    this.#uses.set(stream, uses.set(key, users));
    const release = (): void => {
      const left = (users.get(address) ?? 0) - 1;
      if (left > 0) users.set(address, left);
      else users.delete(address);
      if (users.size === 0) uses.delete(key);
      if (uses.size === 0) this.#uses.delete(stream);
    };
    const { width, quality, style = {} } = scaling;
    const encode = (frame: Frame): Promise<EncodedPicture> =>
      this.#encoded.get(frame, key, () => scaleJpeg(() => arrays.eightBit(frame, style, true), { width, quality }));
    return new ScaledStream(encode, release);
  }

  /** @throws {GearwayError} `too-many`, `address-limit`. */
  #check(stream: string, uses: ReadonlyMap<string, Users>, users: Users, address: string | null): void {
    const { perStream, total } = SCALING_LIMITS;
    const what = 'different sizes, qualities and styles';
    if (users.size === 0 && uses.size >= perStream.inAll)
      throw new GearwayError(
        'too-many',
        `${perStream.inAll} ${what} of the stream ${stream} are in use; request one of them, or retry later`,
      );
    if (users.size === 0 && this.size >= total.inAll)
      throw new GearwayError('too-many', `${total.inAll} ${what} are in use; retry later`);
    if (address === null || users.has(address)) return;
    const isOwn = (each: Users): boolean => each.has(address);
    if ([...uses.values()].filter(isOwn).length >= perStream.perAddress)
      throw new GearwayError(
        'address-limit',
        `your address uses ${perStream.perAddress} ${what} of the stream ${stream}, its maximum; request one of them, or end one first`,
      );
    if (this.#count(isOwn) >= total.perAddress)
      throw new GearwayError(
        'address-limit',
        `your address uses ${total.perAddress} ${what}, its maximum; end one of them first`,
      );
  }

  #count(isCounted: (users: Users) => boolean): number {
    return [...this.#uses.values()].reduce((sum, uses) => sum + [...uses.values()].filter(isCounted).length, 0);
  }
}

/** Number of uses of a scaling by address. */
type Users = Map<string | null, number>;

/** One client's use of a scaling. */
class ScaledStream {
  readonly #encode: (frame: Frame) => Promise<EncodedPicture>;
  readonly #release: () => void;
  #isReleased = false;

  constructor(encode: (frame: Frame) => Promise<EncodedPicture>, release: () => void) {
    this.#encode = encode;
    this.#release = release;
  }

  /** The frame as a scaled JPEG with its size. Rejects with the codes of `encodePicture`. */
  encode(frame: Frame): Promise<EncodedPicture> {
    return this.#encode(frame);
  }

  /** The JPEG alone. */
  async jpeg(frame: Frame): Promise<Uint8Array> {
    return (await this.#encode(frame)).data;
  }

  /** Idempotent. Running encodings are finished. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#release();
  }
}
