import { GearwayError } from '../../shared/errors.ts';
import type { NDArray } from '../../shared/ndarray.ts';

/** What a picture's header says of what follows it. */
export interface Head {
  /** Of the header. */
  readonly bytes: number;
  /** Of the samples behind it, as they are written. */
  readonly bodyBytes: number;
  /** Makes the picture of them, in place. */
  finish(body: Buffer): NDArray;
}

/** A kind of picture that says its own size. */
export interface HeadedFormat {
  /** A header has no more bytes. */
  readonly maxHeadBytes: number;
  /**
   * Reads a header.
   *
   * @returns null when more bytes are needed.
   * @throws {GearwayError} `picture-invalid`.
   */
  readHead(bytes: Buffer): Head | null;
}

export interface HeadedReaderOptions {
  readonly format: HeadedFormat;
  readonly maxBodyBytes: number;
  /** Called with its last byte; its memory is its own. */
  readonly onPicture: (picture: NDArray) => void;
}

type State =
  | { readonly kind: 'head'; bytes: Buffer }
  | { readonly kind: 'body'; readonly head: Head; readonly body: Buffer; filled: number };

const NOTHING = Buffer.alloc(0);

/** Reads pictures that follow each other, each with its own size. */
export class HeadedReader {
  readonly #options: HeadedReaderOptions;
  #state: State = { kind: 'head', bytes: NOTHING };

  constructor(options: HeadedReaderOptions) {
    this.#options = options;
  }

  /**
   * Takes the next bytes, which may be written to again afterwards.
   *
   * @throws {GearwayError} `picture-invalid`, `too-large`; nothing more can be read then.
   */
  read(chunk: Buffer): void {
    for (let rest = chunk; rest.byteLength > 0;)
      rest = this.#state.kind === 'head' ? this.#readHead(rest, this.#state) : this.#readBody(rest, this.#state);
  }

  /** @returns what belongs to the body. */
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
    // Before any memory is taken for it.
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
