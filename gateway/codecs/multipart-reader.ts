import { GearwayError } from '../../shared/errors.ts';
import { type BlankLineSearch, findBlankLine, parseHeaderLines } from './header-lines.ts';
import { JPEG_BEGIN, JpegEndFinder } from './jpeg-end.ts';

/** One part of a multipart body. */
export interface Part {
  /** Headers, by their names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Not shared with the reader: the receiver owns its memory. */
  readonly body: Buffer;
}

interface MultipartOptions {
  /** As announced by the Content-Type, without the dashes before it; null if it is not announced. */
  readonly boundary: string | null;
  readonly maxBodyBytes: number;
  /**
   * Called as soon as a part is complete: a JPEG with its last byte, other parts with the last byte of their
   * Content-Length, or when the boundary after them has arrived.
   */
  readonly onPart: (part: Part) => void;
}

/** Maximum size of the headers of a part. */
const MAX_HEADER_BYTES = 16 << 10;

/**
 * Maximum number of bytes that belong to no part, between two parts. If they are text, the maximum is
 * {@link MAX_HEADER_BYTES}.
 */
const MAX_GAP_BYTES = 1 << 20;

/** Size of the buffer for headers. */
const TEXT_BYTES = 4 << 10;

/** Minimum allocation for a body that does not fit into this buffer. */
const MIN_BODY_BYTES = 64 << 10;

/** Allocation for an announced length that earlier parts do not confirm: the announcement may be wrong. */
const MAX_TRUSTED_BYTES = 1 << 20;

/** Maximum number of white-space bytes between headers and body. */
const MAX_BLANK_BYTES = 1 << 10;

/**
 * Maximum size of the data that separates two parts: a boundary with its dashes and the bytes after it, or the name of
 * a header.
 */
const MAX_SEPARATOR_BYTES = 128;

/** Minimum size of a boundary that compressed data do not contain by chance, together with the byte after it. */
const MIN_UNMISTAKABLE_BYTES = 5;

/** Fraction of its memory that a body must fill to be delivered without a copy. */
const MIN_FILL = 3 / 4;

const NPY_BEGIN = Buffer.from('\x93NUMPY', 'latin1');

type State =
  /** Between two parts. Offsets in all states are relative to the window. */
  | { readonly kind: 'gap'; searchedTo: number }
  /** After a boundary. */
  | ({ readonly kind: 'headers' } & BlankLineSearch)
  /** After the headers: the first bytes that are not white space decide whether the part is a JPEG. */
  | { readonly kind: 'body'; readonly headers: ReadonlyMap<string, string>; blankTo: number }
  | {
      readonly kind: 'jpeg';
      readonly headers: ReadonlyMap<string, string>;
      readonly finder: JpegEndFinder;
      readonly isOpened: boolean;
      searchedTo: number;
    }
  | {
      readonly kind: 'other';
      readonly headers: ReadonlyMap<string, string>;
      readonly length: number | null;
      isText: boolean;
      textTo: number;
      searchedTo: number;
    };

/** A boundary in the window. */
interface Boundary {
  /** End of the part before it. */
  readonly end: number;
  /** Offset of its dashes. */
  readonly start: number;
}

/**
 * Reads a `multipart` body (RFC 2046, 5.1) as it arrives, especially `multipart/x-mixed-replace`, the MJPEG of cameras.
 * Cameras often get the format wrong, so a JPEG is recognized by its bytes, and ends with its own last byte: neither
 * boundaries, lengths, types nor line endings matter. Without a boundary, it also reads JPEGs that follow each other.
 *
 * - Parts of other kinds need a boundary before them, and a length or a boundary after them.
 * - A truncated JPEG is delivered up to the next boundary or JPEG, so that its receiver can count it.
 * - Thumbnails within a JPEG, and previews after one, are not delivered.
 */
export class MultipartReader {
  readonly #options: MultipartOptions;
  /** The boundary with its dashes: as announced, until the body itself shows another one; null if unknown. */
  #boundary: Buffer | null;
  #hasSeenBoundary = false;
  /** The first header before the last JPEG, if there are no boundaries. */
  #firstHeader: Buffer | null = null;
  #state: State = { kind: 'gap', searchedTo: 0 };
  /** Buffer that is reused for headers and small bodies; larger bodies get separate memory. */
  #text: Buffer = Buffer.allocUnsafeSlow(TEXT_BYTES);
  /** The window: bytes from `#start` to `#filled` have arrived and belong to no earlier part. */
  #bytes: Buffer = this.#text;
  #start = 0;
  #filled = 0;
  #gapBytes = 0;
  #lastBodyBytes = 0;
  /** Whether JPEGs before the next boundary belong to the previous part. */
  #skipsJpegs = false;
  #hasEnded = false;
  #parts = 0;
  /** The first bytes, for {@link describe}. */
  #beginning = '';

  constructor(options: MultipartOptions) {
    this.#options = options;
    // Some cameras announce the dashes as a part of the boundary, and others send more dashes than announced.
    const name = options.boundary?.replace(/^-+(?=[^-])/, '') ?? '';
    this.#boundary = name === '' ? null : Buffer.from(`--${name}`, 'latin1');
  }

  /** Whether the latest boundary was a closing one. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether a part has begun and is not complete. */
  get isInsidePart(): boolean {
    return this.#state.kind === 'jpeg' || this.#state.kind === 'other';
  }

  /**
   * Reads the next bytes. The caller may reuse their memory afterwards.
   *
   * @throws {GearwayError} `multipart-invalid`, `too-large`; the reader cannot be used afterwards.
   */
  read(chunk: Buffer): void {
    if (this.#beginning.length < 64) this.#beginning += chunk.toString('latin1', 0, 64);
    for (let at = 0; at < chunk.byteLength;) {
      if (this.#filled === this.#bytes.byteLength) this.#makeRoom();
      const copied = chunk.copy(this.#bytes, this.#filled, at);
      at += copied;
      this.#filled += copied;
      while (this.#step(this.#bytes.subarray(this.#start, this.#filled)));
    }
  }

  /** Explains why a body that has ended had no part, for its sender. */
  describe(): string {
    const announced = JSON.stringify(this.#options.boundary);
    const first = JSON.stringify((/[^\r\n]+/.exec(this.#beginning)?.[0] ?? '').slice(0, 64));
    switch (this.#state.kind) {
      case 'jpeg':
        return 'its JPEG has no end marker (FF D9)';
      case 'headers':
        return 'the headers of its part do not end with an empty line';
      case 'body':
      case 'other':
        return `its part is not a JPEG, and has neither a Content-Length nor the boundary ${JSON.stringify(this.#boundary?.toString('latin1'))} after it`;
      case 'gap':
        if (this.#beginning === '') return 'it is empty';
        return this.#hasSeenBoundary
          ? 'there is nothing between its boundaries'
          : `it contains neither a JPEG nor the boundary ${announced}; its first line is ${first}`;
      default:
        return this.#state satisfies never;
    }
  }

  /** @returns false when more bytes are needed. */
  #step(window: Buffer): boolean {
    switch (this.#state.kind) {
      case 'gap':
        return this.#readGap(window, this.#state);
      case 'headers':
        return this.#readHeaders(window, this.#state);
      case 'body':
        return this.#readBodyBegin(window, this.#state);
      case 'jpeg':
        return this.#readJpeg(window, this.#state);
      case 'other':
        return this.#readOther(window, this.#state);
      default:
        return this.#state satisfies never;
    }
  }

  #readGap(window: Buffer, state: Extract<State, { kind: 'gap' }>): boolean {
    if (this.#parts === 0 && this.#gapBytes === 0 && !this.#hasSeenBoundary) this.#learnFirstBoundary(window);
    const jpeg = this.#skipsJpegs ? -1 : window.indexOf(JPEG_BEGIN, state.searchedTo);
    const boundary = this.#findBoundary(window, state.searchedTo, jpeg < 0 ? window.byteLength : jpeg);
    if (boundary === 'pending') return false;
    if (boundary !== null) {
      this.#passBoundary(window, boundary);
      return true;
    }
    if (jpeg >= 0) {
      const text = window.toString('latin1', Math.max(0, jpeg - MAX_HEADER_BYTES), jpeg);
      const isOpened = !this.#hasSeenBoundary && this.#learnBoundary(text);
      this.#skip(jpeg);
      this.#beginJpeg(new Map(parseHeaderLines(text)), isOpened);
      return true;
    }
    // The end may be the beginning of a header, a boundary or a JPEG.
    const unneeded = window.byteLength - MAX_HEADER_BYTES;
    if (unneeded > 0 && this.#parts === 0 && this.#gapBytes === 0 && !this.#hasSeenBoundary && window.every(isText))
      throw this.#withoutParts(MAX_HEADER_BYTES);
    if (unneeded > MAX_HEADER_BYTES) this.#skip(unneeded);
    state.searchedTo = Math.max(0, this.#filled - this.#start - MAX_SEPARATOR_BYTES);
    if (this.#gapBytes > MAX_GAP_BYTES) throw this.#withoutParts(MAX_GAP_BYTES);
    return false;
  }

  #withoutParts(bytes: number): GearwayError {
    return new GearwayError(
      'multipart-invalid',
      `no part begins within ${bytes} bytes of the body: ${this.describe()}`,
    );
  }

  #readHeaders(window: Buffer, state: Extract<State, { kind: 'headers' }>): boolean {
    const jpeg = window
      .subarray(0, MAX_HEADER_BYTES)
      .indexOf(JPEG_BEGIN, Math.max(0, state.searchedTo - JPEG_BEGIN.byteLength));
    const to = jpeg < 0 ? Math.min(window.byteLength, MAX_HEADER_BYTES + 4) : jpeg;
    const blank = findBlankLine(window, state, to);
    if (blank !== null || jpeg >= 0) {
      const headers = new Map(parseHeaderLines(window.toString('latin1', 0, blank?.start ?? to)));
      this.#skip(blank?.end ?? to);
      if (blank === null) this.#beginJpeg(headers, true);
      else this.#state = { kind: 'body', headers, blankTo: 0 };
      return true;
    }
    if (window.byteLength > MAX_HEADER_BYTES)
      throw new GearwayError(
        'multipart-invalid',
        `a part has headers of more than ${MAX_HEADER_BYTES} bytes, expected an empty line after at most ${MAX_HEADER_BYTES}`,
      );
    return false;
  }

  #readBodyBegin(window: Buffer, state: Extract<State, { kind: 'body' }>): boolean {
    const { headers } = state;
    // Some cameras send more than one empty line.
    while (state.blankTo < MAX_BLANK_BYTES && isBlank(window[state.blankTo])) state.blankTo += 1;
    const at = state.blankTo;
    const begins = (pattern: Buffer): boolean | 'pending' => {
      const bytes = window.subarray(at, at + pattern.byteLength);
      return (
        pattern.subarray(0, bytes.byteLength).equals(bytes) && (bytes.byteLength === pattern.byteLength || 'pending')
      );
    };
    const isJpeg = begins(JPEG_BEGIN);
    const isNpy = begins(NPY_BEGIN);
    if (isJpeg === 'pending' || isNpy === 'pending') return false;
    if (isJpeg || isNpy) this.#skip(at);
    if (isJpeg) this.#beginJpeg(headers, true);
    else this.#beginOther(headers, isNpy ? null : 0, readLength(headers));
    return true;
  }

  #beginJpeg(headers: ReadonlyMap<string, string>, isOpened: boolean): void {
    this.#state = { kind: 'jpeg', headers, finder: new JpegEndFinder(), isOpened, searchedTo: 0 };
  }

  /** @param textTo end of the text; null if the bytes are certainly not text. */
  #beginOther(headers: ReadonlyMap<string, string>, textTo: number | null, length: number | null): void {
    if (length !== null) this.#checkSize(length);
    this.#state = { kind: 'other', headers, length, isText: textTo !== null, textTo: textTo ?? 0, searchedTo: 0 };
  }

  #readJpeg(window: Buffer, state: Extract<State, { kind: 'jpeg' }>): boolean {
    const { finder, headers, isOpened } = state;
    // A boundary ends the JPEG even within its header: otherwise a truncated header would include the following parts.
    const wasInHeader = finder.isInHeader;
    const found = finder.find(window);
    const searched = found.kind === 'pending' ? window.byteLength : found.kind === 'complete' ? found.end : found.next;
    if (wasInHeader || found.kind !== 'pending') {
      const isConfirmed = found.kind === 'complete' && readLength(headers) === found.end;
      const separator = isConfirmed
        ? null
        : this.#findSeparator(window, state.searchedTo, found.kind === 'invalid' ? window.byteLength : searched);
      if (separator !== null) {
        this.#emit(headers, separator);
        return true;
      }
      if (finder.isInHeader) state.searchedTo = Math.max(0, window.byteLength - MAX_SEPARATOR_BYTES);
    }
    switch (found.kind) {
      case 'complete':
        this.#skipsJpegs = isOpened && finder.isMultiPicture;
        this.#emit(headers, found.end);
        return true;
      case 'pending':
        this.#checkSize(window.byteLength);
        return false;
      case 'torn':
        this.#emit(headers, beginOfText(window, found.next));
        return true;
      case 'invalid':
        if (isOpened) this.#beginOther(headers, null, null);
        else this.#emit(headers, found.next);
        return true;
      default:
        return found satisfies never;
    }
  }

  #readOther(window: Buffer, state: Extract<State, { kind: 'other' }>): boolean {
    const { headers, length } = state;
    const limit = length === null || length === 0 ? window.byteLength : Math.min(length, window.byteLength);
    const boundary = this.#findBoundary(window, state.searchedTo, limit);
    if (boundary === 'pending') return false;
    if (boundary !== null) {
      this.#emit(headers, boundary.end);
      return true;
    }
    if (state.isText) {
      while (state.textTo < limit && state.textTo < MAX_HEADER_BYTES && isText(window[state.textTo])) state.textTo += 1;
      const rest = window.subarray(state.textTo, state.textTo + JPEG_BEGIN.byteLength);
      if (state.textTo > 0 && rest.equals(JPEG_BEGIN)) {
        // There is an empty line between the headers of the part.
        const more = parseHeaderLines(window.toString('latin1', 0, state.textTo));
        this.#skip(state.textTo);
        this.#beginJpeg(new Map([...headers, ...more]), true);
        return true;
      }
      state.isText = rest.byteLength < JPEG_BEGIN.byteLength && JPEG_BEGIN.subarray(0, rest.byteLength).equals(rest);
    }
    if (length !== null && length > 0 && window.byteLength >= length && !this.#mayEndInBoundary(window, length)) {
      this.#emit(headers, length);
      return true;
    }
    const slack = (this.#boundary?.byteLength ?? 0) + 4;
    this.#checkSize(window.byteLength - slack);
    state.searchedTo = Math.max(0, window.byteLength - slack);
    return false;
  }

  /**
   * Finds a boundary that begins within `[from, to)`. A short one must begin a line, because data may contain it.
   *
   * @returns pending if more bytes are needed.
   */
  #findBoundary(window: Buffer, from: number, to: number): Boundary | 'pending' | null {
    const pattern = this.#boundary;
    if (pattern === null) return null;
    const mustBeginLine = pattern.byteLength < MIN_UNMISTAKABLE_BYTES && this.#state.kind !== 'gap';
    for (
      let start = window.indexOf(pattern, from);
      start >= 0 && start < to;
      start = window.indexOf(pattern, start + 1)
    ) {
      const behind = start + pattern.byteLength;
      const next = window[behind];
      if (next === undefined || (next === DASH && behind + 1 === window.byteLength)) return 'pending';
      if (next !== DASH && !isBlank(next)) continue;
      const end = endOfBody(window, start);
      if (!mustBeginLine || end < start || end === 0) return { start, end };
    }
    return null;
  }

  /**
   * Whether a body of this length may contain the beginning of a boundary that has not arrived completely; its
   * announced length is wrong in that case.
   */
  #mayEndInBoundary(window: Buffer, bytes: number): boolean {
    const pattern = this.#boundary;
    if (pattern === null) return false;
    for (
      let start = window.indexOf(DASH, Math.max(0, bytes - pattern.byteLength));
      start >= 0 && start < bytes;
      start = window.indexOf(DASH, start + 1)
    ) {
      const isPending = window.byteLength < start + pattern.byteLength + 2;
      if (!isPending || !window.subarray(start).equals(pattern.subarray(0, window.byteLength - start))) continue;
      const end = endOfBody(window, start);
      if (end < start || end === 0 || bytes - start > 2) return true;
    }
    return false;
  }

  /** @returns the end of a truncated JPEG, if a boundary or the header of the next one is within `[from, to)`. */
  #findSeparator(window: Buffer, from: number, to: number): number | null {
    const boundary = this.#findBoundary(window, from, to);
    if (boundary !== null && boundary !== 'pending') return boundary.end;
    if (this.#hasSeenBoundary || this.#firstHeader === null) return null;
    const start = window.subarray(0, to).indexOf(this.#firstHeader, from);
    return start < 0 ? null : beginOfText(window, start);
  }

  #passBoundary(window: Buffer, { start }: Boundary): void {
    this.#hasSeenBoundary = true;
    this.#skipsJpegs = false;
    const behind = start + (this.#boundary?.byteLength ?? 0);
    this.#hasEnded = window[behind] === DASH && window[behind + 1] === DASH;
    this.#skip(behind + (this.#hasEnded ? 2 : 0));
    // Some cameras close the body after each part.
    this.#state = this.#hasEnded ? { kind: 'gap', searchedTo: 0 } : { kind: 'headers', searchedTo: 0, lineEnd: -1 };
  }

  /** Uses the first line as the boundary if it looks like one, regardless of the announced boundary. */
  #learnFirstBoundary(window: Buffer): void {
    const [, line = ''] =
      /^[\s\0]*(--[!-~](?:[ -~]{0,70}[!-~])?)[ \t]*[\r\n]/.exec(
        window.toString('latin1', 0, Math.min(window.byteLength, 256)),
      ) ?? [];
    if (line !== '' && (this.#boundary === null || !line.includes(this.#boundary.toString('latin1'))))
      this.#boundary = Buffer.from(line, 'latin1');
  }

  /** @returns whether there is a boundary in the text before a JPEG, other than the announced one. */
  #learnBoundary(text: string): boolean {
    const [line] = [...text.matchAll(/(?<![ -~])--[!-~][ -~]{0,70}(?=[\r\n])/g)].at(-1) ?? [];
    this.#hasSeenBoundary = line !== undefined;
    if (line === undefined) this.#firstHeader = firstHeader(text);
    else this.#boundary = Buffer.from(line.trimEnd(), 'latin1');
    return this.#hasSeenBoundary;
  }

  /** Delivers the first bytes of the window as a part. */
  #emit(headers: ReadonlyMap<string, string>, bytes: number): void {
    this.#checkSize(bytes);
    const isWhole = this.#start === 0 && this.#bytes !== this.#text && bytes >= MIN_FILL * this.#bytes.byteLength;
    const body = isWhole ? this.#bytes.subarray(0, bytes) : copyOf(this.#bytes, this.#start, bytes);
    this.#start += bytes;
    const rest = this.#filled - this.#start;
    if (this.#bytes !== this.#text && rest <= this.#text.byteLength) this.#moveTo(this.#text);
    else if (isWhole) this.#moveTo(Buffer.allocUnsafeSlow(2 * rest));
    this.#state = { kind: 'gap', searchedTo: 0 };
    this.#gapBytes = 0;
    this.#lastBodyBytes = bytes;
    this.#parts += 1;
    this.#options.onPart({ headers, body });
  }

  #skip(bytes: number): void {
    this.#start += bytes;
    this.#gapBytes = this.#state.kind === 'gap' ? this.#gapBytes + bytes : 0;
  }

  /** Called when the window is full: moves it to the beginning of its memory, or to a larger one. */
  #makeRoom(): void {
    const bytes = this.#filled - this.#start;
    if (this.isInsidePart) {
      this.#moveTo(Buffer.allocUnsafeSlow(this.#bodyCapacity(bytes)));
    } else if (bytes <= this.#bytes.byteLength / 2) {
      this.#bytes.copyWithin(0, this.#start, this.#filled);
      this.#start = 0;
      this.#filled = bytes;
    } else {
      const larger = Buffer.allocUnsafeSlow(2 * bytes);
      if (this.#bytes === this.#text) this.#text = larger;
      this.#moveTo(larger);
    }
  }

  /** Memory for a body after `bytes` of it have arrived: as announced, or slightly more than for the previous one. */
  #bodyCapacity(bytes: number): number {
    const announced =
      this.#state.kind === 'jpeg' || this.#state.kind === 'other' ? readLength(this.#state.headers) : null;
    if (
      announced !== null &&
      announced > bytes &&
      announced <= Math.max(MAX_TRUSTED_BYTES, 2 * bytes, 2 * this.#lastBodyBytes)
    )
      return announced;
    const expected = Math.ceil(this.#lastBodyBytes * 1.125);
    return Math.max(MIN_BODY_BYTES, expected > bytes ? expected : 2 * bytes);
  }

  #moveTo(memory: Buffer): void {
    this.#bytes.copy(memory, 0, this.#start, this.#filled);
    this.#filled -= this.#start;
    this.#start = 0;
    this.#bytes = memory;
  }

  #checkSize(bytes: number): void {
    const { maxBodyBytes } = this.#options;
    if (bytes > maxBodyBytes)
      throw new GearwayError('too-large', `a part has at least ${bytes} bytes, expected at most ${maxBodyBytes}`);
  }
}

const DASH = 0x2d;

function isBlank(byte: number | undefined): boolean {
  return byte === 0x0d || byte === 0x0a || byte === 0x20 || byte === 0x09;
}

function isText(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x20 && byte < 0x7f) || isBlank(byte));
}

/** @returns null if the length is missing or invalid. */
function readLength(headers: ReadonlyMap<string, string>): number | null {
  const text = headers.get('content-length');
  return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;
}

/** The end of a body before a boundary: without the line end, and without dashes that were not announced. */
function endOfBody(window: Buffer, boundary: number): number {
  let end = boundary;
  while (end > boundary - MAX_SEPARATOR_BYTES && window[end - 1] === DASH) end -= 1;
  const last = window[end - 1];
  if (last === 0x0a) return window[end - 2] === 0x0d ? end - 2 : end - 1;
  if (last === 0x0d) return end - 1;
  return end === 0 ? 0 : boundary;
}

/** The beginning of the text that ends at `end`. */
function beginOfText(window: Buffer, end: number): number {
  let begin = end;
  while (begin > end - MAX_HEADER_BYTES && isText(window[begin - 1])) begin -= 1;
  return Math.max(begin, 1);
}

/** The name of the first header with its colon. */
function firstHeader(text: string): Buffer | null {
  const [name] = /(?<=^|[\r\n\0])[A-Za-z][A-Za-z0-9-]{3,40}:/.exec(text) ?? [];
  return name === undefined ? null : Buffer.from(name, 'latin1');
}

function copyOf(source: Buffer, start: number, bytes: number): Buffer<ArrayBuffer> {
  const copy = Buffer.allocUnsafeSlow(bytes);
  source.copy(copy, 0, start, start + bytes);
  return copy;
}
