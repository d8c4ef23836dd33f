import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { GearwayError } from '../../shared/errors.ts';
import { parseDtype } from '../../shared/ndarray.ts';
import { FrameResults } from '../clients/frame-results.ts';
import type { Renditions } from '../clients/renditions.ts';
import { isDefaultStyle, type StyledArrays, styleKey } from '../clients/styled-arrays.ts';
import type { PictureFormat } from '../codecs/encode-picture.ts';
import { encodeNpy } from '../codecs/npy.ts';
import type { Frame } from '../hub/frame.ts';
import { type Share, Shares } from '../hub/shares.ts';

/** Requested properties of a snapshot. */
export interface SnapshotOptions {
  /** `npy`: the samples as they are, or those of the decoded JPEG. */
  readonly format: PictureFormat['format'] | 'npy';
  /** Width in pixels; pictures are never enlarged. null: the frame's own width. */
  readonly width: number | null;
  /** Quality of a JPEG. Absent or null: the frame's own JPEG, or 90 if it must be encoded. */
  readonly quality?: number | null;
  /** How arrays are shown; valid. Absent: the default. */
  readonly style?: ArrayStyleTexts;
}

/** Maximum number of running and queued encodings, in total and per address; further ones are refused. */
const MAX_ENCODINGS = { inAll: 8, perAddress: 4 } as const;

/** Maximum number of running encodings: half of the thread pool, so that a slow PNG does not block viewers' JPEGs. */
const MAX_AT_ONCE = 2;

/** Maximum number of cached results per frame; each combination of width, quality and style counts as one. */
const MAX_RESULTS = 8;

/** Encodes snapshots of frames, once for all requests with the same options, and few at a time. */
export class Snapshots {
  readonly #results = new FrameResults<Uint8Array>(MAX_RESULTS);
  readonly #encodings = new ConcurrencyLimit(MAX_AT_ONCE);
  readonly #shares = new Shares('pictures being encoded', MAX_ENCODINGS);

  /**
   * Returns a JPEG unmodified if neither format, width nor quality require encoding. Without a style, a PNG is lossless
   * for 8-bit samples and unsigned 16-bit samples; other samples, and all samples with a style, are rendered as in the
   * viewer.
   * @param renditions of the frame's stream; they may already have its JPEG.
   * @param address of the sender, as returned by `addressKey`.
   * @throws {GearwayError} `busy` if too many encodings are pending; rejects with `dtype-unsupported`,
   * `picture-invalid`.
   */
  get(
    frame: Frame,
    { format, width: wanted, quality: wantedQuality = null, style = {} }: SnapshotOptions,
    renditions: Renditions,
    address: string,
  ): Uint8Array | Promise<Uint8Array> {
    const width = wanted === null || wanted >= frame.width ? null : wanted;
    const quality = format === 'jpg' ? wantedQuality : null;
    const isOwnJpeg = format === 'jpg' && width === null && quality === null;
    if (isOwnJpeg && frame.encoding.kind === 'jpeg') return frame.payload;
    const key = `${format} ${width} ${quality} ${styleKey(style)}`;
    return this.#results.get(frame, key, () =>
      this.inTurn(
        async () =>
          isOwnJpeg
            ? renditions.jpeg(frame, style)
            : encode(frame, { format, width, quality, style }, renditions.arrays),
        address,
      ),
    );
  }

  /**
   * Runs work for a picture when a slot is free.
   *
   * @param address see {@link Snapshots.get}.
   * @throws {GearwayError} `busy` if too many encodings are pending; rejects with the error of `work`.
   */
  inTurn<T>(work: () => Promise<T>, address: string): Promise<T> {
    const share = this.#acquire(address);
    return this.#encodings.run(work).finally(() => share.release());
  }

  #acquire(address: string): Share {
    try {
      return this.#shares.acquire(address);
    } catch (error) {
      const { inAll, perAddress } = MAX_ENCODINGS;
      const isAddress = error instanceof GearwayError && error.code === 'address-limit';
      throw new GearwayError(
        'busy',
        isAddress
          ? `${perAddress} pictures are already being encoded for your address; retry later`
          : `${inAll} pictures are already being encoded; retry later`,
      );
    }
  }
}

/** Loads the encoder on demand: sharp is slow to load, and most gateways never need it. */
async function encode(
  frame: Frame,
  { format, width, quality, style }: Required<SnapshotOptions>,
  arrays: StyledArrays,
): Promise<Uint8Array> {
  const { encoding, payload } = frame;
  if (format === 'npy' && encoding.kind === 'raw') return encodeNpy({ ...encoding, data: payload });
  const { decodeSamples, encodePicture } = await import('../codecs/encode-picture.ts');
  if (format === 'npy') return encodeNpy(await decodeSamples(frame));
  const picture =
    format === 'png' && isDefaultStyle(style) && isSixteenBit(frame)
      ? frame
      : await arrays.eightBit(frame, style, format === 'jpg');
  return (await encodePicture(picture, { format, width, quality })).data;
}

/** Whether a PNG can represent the samples exactly. */
function isSixteenBit({ encoding }: Frame): boolean {
  const type = encoding.kind === 'jpeg' ? undefined : parseDtype(encoding.dtype);
  return type?.kind === 'uint' && type.bytes === 2;
}
