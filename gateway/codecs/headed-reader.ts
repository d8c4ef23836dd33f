import { GearwayError } from '../../shared/errors.ts';
import type { NDArray } from '../../shared/ndarray.ts';

/** Parsed header of a picture. */
export interface Head {
  /** Size of the header. */
  readonly bytes: number;
  /** Size of the samples that follow the header, as they are encoded. */
  readonly bodyBytes: number;
  /** Converts the samples to a picture, in place. */
  finish(body: Buffer): NDArray;
}

/** A picture format whose header contains the size of the picture. */
export interface HeadedFormat {
  /** Maximum size of a header. */
  readonly maxHeadBytes: number;
  /**
   * Reads a header.
   *
   * @returns null when more bytes are needed.
   * @throws {GearwayError} `picture-invalid`.
   */
  readHead(bytes: Buffer): Head | null;
}

interface HeadedReaderOptions {
  readonly format: HeadedFormat;
  readonly maxBodyBytes: number;
  /** Called when the last byte of a picture has arrived. The receiver owns its memory. */
  readonly onPicture: (picture: NDArray) => void;
}

type State =
  | { readonly kind: 'head'; bytes: Buffer }
  | { readonly kind: 'body'; readonly head: Head; readonly body: Buffer; filled: number };

const NOTHING = Buffer.alloc(0);

/** Reads consecutive pictures, each with a header that contains its size. */
export class HeadedReader {
  readonly #options: HeadedReaderOptions;
  #state: State = { kind: 'head', bytes: NOTHING };

  constructor(options: HeadedReaderOptions) {
    this.#options = options;
  }

  /**
   * Reads the next bytes. The caller may reuse their memory afterwards.
   *
   * @throws {GearwayError} `picture-invalid`, `too-large`; the reader cannot be used afterwards.
   */
  read(chunk: Buffer): void {
    for (let rest = chunk; rest.byteLength > 0;)
      rest = this.#state.kind === 'head' ? this.#readHead(rest, this.#state) : this.#readBody(rest, this.#state);
  }

  /** @returns the bytes that belong to the body. */
  #readHead(chunk: Buffer, state: Extract<State, { kind: 'head' }>): Buffer {
    const { format, maxBodyBytes } = this.#options;
    const wanted = format.maxHeadBytes - state.bytes.byteLength;
    const bytes = Buffer.concat([state.bytes, chunk.subarray(0, wanted)]);
    const head = format.readHead(bytes);
    if (head === null) {
      if (bytes.byteLength >= format.maxHeadBytes)
        throw new GearwayError(
          'picture-invalid',
          `a picture's header does not end within ${format.maxHeadBytes} bytes`,
        );
      state.bytes = bytes;
      return NOTHING;
    }
    // Checked before memory is allocated for the body.
    if (head.bodyBytes > maxBodyBytes)
      throw new GearwayError('too-large', `a picture has ${head.bodyBytes} bytes, expected at most ${maxBodyBytes}`);
    this.#state = { kind: 'body', head, body: Buffer.allocUnsafeSlow(head.bodyBytes), filled: 0 };
    return chunk.subarray(head.bytes - state.bytes.byteLength);
  }

  #readBody(chunk: Buffer, state: Extract<State, { kind: 'body' }>): Buffer {
    const copied = chunk.copy(state.body, state.filled);
    state.filled += copied;
    if (state.filled === state.body.byteLength) {
      this.#state = { kind: 'head', bytes: NOTHING };
      this.#options.onPicture(state.head.finish(state.body));
    }
    return chunk.subarray(copied);
  }
}
