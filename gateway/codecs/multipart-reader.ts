import { GearwayError } from '../../shared/errors.ts';

/** One part of a multipart body. */
export interface Part {
  /** By their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** In memory of its own. */
  readonly body: Buffer;
}

export interface MultipartOptions {
  /** As the Content-Type names it, without the dashes before it. */
  readonly boundary: string;
  readonly maxBodyBytes: number;
  /** Called as soon as a part is complete: with a Content-Length at its last byte, else when the next boundary has come. */
  readonly onPart: (part: Part) => void;
}

/** Bytes of a part's headers, and of what may stand before the first boundary. */
const MAX_HEADER_BYTES = 16 << 10;

/** Minimum allocation for a body without a Content-Length that spans chunks; it doubles when it is full. */
const FIRST_BODY_BYTES = 64 << 10;

const HEADERS_END = Buffer.from('\r\n\r\n');

const EMPTY = Buffer.alloc(0);

type State =
  /** Between parts: what has come of the boundary's line and of the headers. */
  | { readonly kind: 'headers'; text: Buffer }
  | { readonly kind: 'counted'; readonly headers: ReadonlyMap<string, string>; readonly body: Buffer; filled: number }
  | { readonly kind: 'searched'; readonly headers: ReadonlyMap<string, string>; body: Buffer; filled: number; searchedTo: number }
  | { readonly kind: 'ended' };

/**
 * Reads a `multipart` body (RFC 2046, 5.1) as it comes, above all `multipart/x-mixed-replace`, the MJPEG of cameras and of FFmpeg's
 * mpjpeg muxer. A part's Content-Length is believed, so that a picture is there with its last byte and not with the next one's first.
 */
export class MultipartReader {
  readonly #options: MultipartOptions;
  readonly #boundary: Buffer;
  /** What ends a body without a Content-Length. */
  readonly #delimiter: Buffer;
  #state: State = { kind: 'headers', text: EMPTY };

  constructor(options: MultipartOptions) {
    this.#options = options;
    this.#boundary = Buffer.from(`--${options.boundary}`);
    this.#delimiter = Buffer.from(`\r\n--${options.boundary}`);
  }

  /** Whether the closing boundary has come: what follows is ignored. */
  get hasEnded(): boolean {
    return this.#state.kind === 'ended';
  }

  /**
   * Takes the next bytes, which may be written to again afterwards.
   *
   * @throws {GearwayError} `multipart-invalid`, `too-large`; nothing more can be read then.
   */
  read(chunk: Buffer): void {
    for (let rest = chunk; rest.byteLength > 0 && this.#state.kind !== 'ended'; ) {
      switch (this.#state.kind) {
        case 'headers':
          rest = this.#readHeaders(rest, this.#state);
          break;
        case 'counted':
          rest = this.#readCounted(rest, this.#state);
          break;
        case 'searched':
          rest = this.#readSearched(rest, this.#state);
          break;
        default:
          this.#state satisfies never;
      }
    }
  }

  /** @returns what belongs to the body. */
  #readHeaders(chunk: Buffer, state: Extract<State, { kind: 'headers' }>): Buffer {
    const text = state.text.byteLength === 0 ? chunk : Buffer.concat([state.text, chunk]);
    const start = text.indexOf(this.#boundary);
    const afterBoundary = start + this.#boundary.byteLength;
    if (start >= 0 && text.subarray(afterBoundary, afterBoundary + 2).toString('latin1') === '--') {
      this.#state = { kind: 'ended' };
      return EMPTY;
    }
    const end = start < 0 ? -1 : text.indexOf(HEADERS_END, afterBoundary);
    if (end < 0) {
      if (text.byteLength > MAX_HEADER_BYTES) throw new GearwayError('multipart-invalid', `no part begins within ${MAX_HEADER_BYTES} bytes, expected the boundary ${JSON.stringify(this.#options.boundary)} and headers`);
      // A chunk is a view of memory that may be written to again.
      state.text = text === chunk ? Buffer.from(text) : text;
      return EMPTY;
    }
    if (end - start > MAX_HEADER_BYTES) throw new GearwayError('multipart-invalid', `a part has headers of ${end - start} bytes, expected at most ${MAX_HEADER_BYTES}`);
    const headers = parseHeaders(text.toString('latin1', afterBoundary, end));
    this.#state = this.#bodyState(headers);
    // A part without a body ends here: nothing more may come.
    if (this.#state.kind === 'counted' && this.#state.body.byteLength === 0) this.#complete(headers, this.#state.body);
    return text.subarray(end + HEADERS_END.byteLength);
  }

  #bodyState(headers: ReadonlyMap<string, string>): State {
    const length = headers.get('content-length');
    if (length === undefined) return { kind: 'searched', headers, body: EMPTY, filled: 0, searchedTo: 0 };
    if (!/^\d{1,12}$/.test(length)) throw new GearwayError('multipart-invalid', `a part has the Content-Length ${JSON.stringify(length)}, expected a number of bytes`);
    this.#checkSize(Number(length));
    return { kind: 'counted', headers, body: Buffer.allocUnsafeSlow(Number(length)), filled: 0 };
  }

  #readCounted(chunk: Buffer, state: Extract<State, { kind: 'counted' }>): Buffer {
    const copied = chunk.copy(state.body, state.filled);
    state.filled += copied;
    if (state.filled === state.body.byteLength) this.#complete(state.headers, state.body);
    return chunk.subarray(copied);
  }

  /** The delimiter is searched once per byte, and what follows the body is copied at most once per chunk. */
  #readSearched(chunk: Buffer, state: Extract<State, { kind: 'searched' }>): Buffer {
    if (state.filled === 0) {
      // Of a body that is complete in this chunk nothing but the body is copied: a chunk may hold thousands of parts.
      const at = chunk.indexOf(this.#delimiter);
      if (at >= 0) {
        this.#checkSize(at);
        this.#complete(state.headers, Buffer.from(chunk.subarray(0, at)));
        return chunk.subarray(at);
      }
    }
    const filled = state.filled + chunk.byteLength;
    // The delimiter is not the body's, and may have come with it.
    if (filled > state.body.byteLength) {
      this.#checkSize(state.filled);
      const larger = Buffer.allocUnsafeSlow(Math.max(filled, FIRST_BODY_BYTES, state.body.byteLength * 2));
      state.body.copy(larger, 0, 0, state.filled);
      state.body = larger;
    }
    chunk.copy(state.body, state.filled);
    const at = state.body.subarray(0, filled).indexOf(this.#delimiter, state.searchedTo);
    if (at < 0) {
      this.#checkSize(filled - this.#delimiter.byteLength);
      state.filled = filled;
      state.searchedTo = Math.max(0, filled - this.#delimiter.byteLength + 1);
      return EMPTY;
    }
    this.#checkSize(at);
    // Less than a chunk: the boundary itself, and what has come behind it.
    const rest = Buffer.from(state.body.subarray(at, filled));
    this.#complete(state.headers, Buffer.from(state.body.subarray(0, at)));
    return rest;
  }

  #complete(headers: ReadonlyMap<string, string>, body: Buffer): void {
    this.#state = { kind: 'headers', text: EMPTY };
    this.#options.onPart({ headers, body });
  }

  #checkSize(bytes: number): void {
    const { maxBodyBytes } = this.#options;
    if (bytes > maxBodyBytes) throw new GearwayError('too-large', `a part has ${bytes} bytes, expected at most ${maxBodyBytes}`);
  }
}

function parseHeaders(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}
