/**
 * Decoder for MessagePack (github.com/msgpack/msgpack/blob/master/spec.md) from an untrusted peer. It does not allocate
 * memory for an announced length before the bytes are available, and stops at the first limit that is exceeded: the
 * work is bounded by the number of bytes and by {@link MessagePackLimits}.
 */
import { GearwayError } from './errors.ts';

/** Limits of one decoded value. */
export interface MessagePackLimits {
  /** Maximum nesting of lists and maps. */
  readonly depth: number;
  /**
   * Maximum number of elements: a number, string, boolean or nil counts as one; anything that creates an object or a
   * property as {@link COSTLY_ELEMENTS}; and each {@link BYTES_PER_ELEMENT} bytes of a string or a long integer as one
   * more.
   */
  readonly elements: number;
}

/**
 * Cost of a list, a map, a key, binary or an extension, in elements: each takes about four times as long to decode as a
 * number.
 */
const COSTLY_ELEMENTS = 4;

/** Number of bytes of a string or a long integer that count as one element, because processing them takes time too. */
const BYTES_PER_ELEMENT = 16;

/**
 * Maximum number of bytes of an integer beyond 64 bits: about 9800 digits, more than twice as many as Python parses.
 */
export const MAX_INTEGER_BYTES = 4096;

/** Extension type of an integer beyond 64 bits: two's complement, big-endian. */
const INTEGER_EXTENSION = 0x42;

/** Extension type of a timestamp, the only one that MessagePack itself defines. */
const TIMESTAMP_EXTENSION = 0xff;

/** Extension type that msgpackr uses for JavaScript's `undefined`: the field is absent. */
const UNDEFINED_EXTENSION = 0x00;

/** A timestamp. JSON and the protocol have no timestamps, so such values are rejected later. */
export class MessagePackTimestamp {}

/** A decoded value and its number of elements. */
export interface Decoded {
  readonly value: unknown;
  readonly elements: number;
}

/** Maximum length of strings that are decoded without a TextDecoder, because calling it takes longer. */
const SHORT_TEXT = 24;

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Decodes the value in `bytes` from `start` to `end`. Maps become plain objects, binary becomes a view of `bytes`, and
 * integers of 64 or more bits become bigints. A key `__proto__` becomes an ordinary property.
 *
 * @throws {GearwayError} `message-pack-too-large` for more elements than `limits` allows; `message-pack-invalid` if the
 *   bytes are not exactly one value within the other limits.
 */
export function decodeMessagePack(bytes: Uint8Array, start: number, end: number, limits: MessagePackLimits): Decoded {
  const decoder = new Decoder(bytes, start, end, limits);
  const value = decoder.value(0);
  decoder.end();
  return { value, elements: limits.elements - decoder.elementsLeft };
}

class Decoder {
  readonly #bytes: Uint8Array;
  #view: DataView | null = null;
  readonly #end: number;
  readonly #limits: MessagePackLimits;
  #at: number;
  elementsLeft: number;

  constructor(bytes: Uint8Array, start: number, end: number, limits: MessagePackLimits) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#limits = limits;
    this.elementsLeft = limits.elements;
  }

  value(depth: number): unknown {
    this.#count(1);
    const type = this.#bytes[this.#take(1)] ?? 0;
    if (type <= 0x7f) return type;
    if (type <= 0x8f) return this.#map(type & 0x0f, depth);
    if (type <= 0x9f) return this.#list(type & 0x0f, depth);
    if (type <= 0xbf) return this.#text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#uint8());
      case 0xc5:
        return this.#binary(this.#uint16());
      case 0xc6:
        return this.#binary(this.#uint32());
      case 0xc7:
        return this.#extension(this.#uint8());
      case 0xc8:
        return this.#extension(this.#uint16());
      case 0xc9:
        return this.#extension(this.#uint32());
      case 0xca:
        return this.#data.getFloat32(this.#take(4));
      case 0xcb:
        return this.#data.getFloat64(this.#take(8));
      case 0xcc:
        return this.#uint8();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return this.#data.getBigUint64(this.#take(8));
      case 0xd0:
        return this.#data.getInt8(this.#take(1));
      case 0xd1:
        return this.#data.getInt16(this.#take(2));
      case 0xd2:
        return this.#data.getInt32(this.#take(4));
      case 0xd3:
        return this.#data.getBigInt64(this.#take(8));
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(2 ** (type - 0xd4));
      case 0xd9:
        return this.#text(this.#uint8());
      case 0xda:
        return this.#text(this.#uint16());
      case 0xdb:
        return this.#text(this.#uint32());
      case 0xdc:
        return this.#list(this.#uint16(), depth);
      case 0xdd:
        return this.#list(this.#uint32(), depth);
      case 0xde:
        return this.#map(this.#uint16(), depth);
      case 0xdf:
        return this.#map(this.#uint32(), depth);
      default:
        throw invalid(`has the unused type 0x${type.toString(16)} at byte ${this.#at - 1}`);
    }
  }

  /** Created when first needed, because most messages contain no number of more than one byte. */
  get #data(): DataView {
    this.#view ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
    return this.#view;
  }

  end(): void {
    if (this.#at !== this.#end) throw invalid(`has ${this.#end - this.#at} bytes after its value`);
  }

  #list(length: number, depth: number): unknown[] {
    this.#enter(length, 1, depth);
    const list: unknown[] = [];
    for (let index = 0; index < length; index += 1) list.push(this.value(depth + 1));
    return list;
  }

  #map(length: number, depth: number): { [key: string]: unknown } {
    this.#enter(length, 2, depth);
    const map: { [key: string]: unknown } = {};
    for (let index = 0; index < length; index += 1) {
      const key = this.#key(depth);
      const value = this.value(depth + 1);
      // A plain assignment to `__proto__` would change the prototype.
      if (key === '__proto__')
        Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
      else map[key] = value;
    }
    return map;
  }

  #key(depth: number): string {
    this.#count(COSTLY_ELEMENTS - 1);
    const type = this.#bytes[this.#at] ?? 0;
    if (type >= 0xa0 && type <= 0xbf) {
      const length = type & 0x1f;
      this.#count(1 + Math.floor(length / BYTES_PER_ELEMENT));
      this.#at += 1;
      return internKey(this.#bytes, this.#take(length), length);
    }
    const key = this.value(depth + 1);
    if (typeof key === 'string') return key;
    if (typeof key === 'number' && Number.isInteger(key)) return String(key);
    throw invalid('has a map with a key that is not a string');
  }

  /** Checks depth and announced length: each item has at least `minBytes`. */
  #enter(length: number, minBytes: number, depth: number): void {
    this.#count(COSTLY_ELEMENTS - 1);
    if (depth >= this.#limits.depth) throw invalid(`has lists and maps nested deeper than ${this.#limits.depth}`);
    if (length * minBytes > this.#end - this.#at)
      throw invalid(`announces ${length} items, ${this.#end - this.#at} bytes are left`);
    if (length > this.elementsLeft) throw this.#tooMany();
  }

  #count(elements: number): void {
    this.elementsLeft -= elements;
    if (this.elementsLeft < 0) throw this.#tooMany();
  }

  #tooMany(): GearwayError {
    return new GearwayError(
      'message-pack-too-large',
      `the MessagePack has more than ${this.#limits.elements} elements (a number or a string is one, and a string one more per ${BYTES_PER_ELEMENT} bytes; a key, a list and a map are ${COSTLY_ELEMENTS} each)`,
    );
  }

  #text(length: number): string {
    const start = this.#take(length);
    this.#count(Math.floor(length / BYTES_PER_ELEMENT));
    const end = start + length;
    const bytes = this.#bytes;
    if (length <= SHORT_TEXT) {
      const text = asciiText(bytes, start, end);
      if (text !== null) return text;
    }
    return utf8.decode(bytes.subarray(start, end));
  }

  #binary(length: number): Uint8Array {
    this.#count(COSTLY_ELEMENTS - 1);
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #extension(length: number): unknown {
    this.#count(COSTLY_ELEMENTS - 1 + Math.floor(length / BYTES_PER_ELEMENT));
    const type = this.#uint8();
    if (type === TIMESTAMP_EXTENSION) {
      this.#take(length);
      return new MessagePackTimestamp();
    }
    if (type === UNDEFINED_EXTENSION && length === 1) {
      this.#take(length);
      return undefined;
    }
    if (type !== INTEGER_EXTENSION)
      throw invalid(`has the extension type ${type}, expected ${INTEGER_EXTENSION} for an integer beyond 64 bits`);
    if (length === 0 || length > MAX_INTEGER_BYTES)
      throw invalid(`has an integer of ${length} bytes, expected 1 to ${MAX_INTEGER_BYTES}`);
    const start = this.#take(length);
    let hex = '';
    for (let at = start; at < start + length; at += 1) hex += (this.#bytes[at] ?? 0).toString(16).padStart(2, '0');
    return BigInt.asIntN(length * 8, BigInt(`0x${hex}`));
  }

  #uint8(): number {
    return this.#bytes[this.#take(1)] ?? 0;
  }

  #uint16(): number {
    return this.#data.getUint16(this.#take(2));
  }

  #uint32(): number {
    return this.#data.getUint32(this.#take(4));
  }

  /** Consumes bytes. @returns the start of the next `length` bytes. */
  #take(length: number): number {
    const start = this.#at;
    if (length > this.#end - start)
      throw invalid(`ends before its value: ${length} bytes are expected, ${this.#end - start} are left`);
    this.#at = start + length;
    return start;
  }
}

/**
 * Cache of recent keys, by a hash of their bytes, because messages repeat the same few keys. A key overwrites an
 * earlier one with the same hash.
 */
const KEY_SLOTS = 256;
const internedKeys: (string | undefined)[] = Array.from({ length: KEY_SLOTS }, () => undefined);

function internKey(bytes: Uint8Array, start: number, length: number): string {
  let hash = length;
  for (let index = 0; index < length; index += 1) hash = (hash * 31 + (bytes[start + index] ?? 0)) | 0;
  const slot = (hash ^ (hash >>> 8)) & (KEY_SLOTS - 1);
  const known = internedKeys[slot];
  if (known !== undefined && isText(known, bytes, start, length)) return known;
  const text = asciiText(bytes, start, start + length);
  if (text === null) return utf8.decode(bytes.subarray(start, start + length));
  internedKeys[slot] = text;
  return text;
}

function isText(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let index = 0; index < length; index += 1) if (text.charCodeAt(index) !== bytes[start + index]) return false;
  return true;
}

/** @returns null for text that is not ASCII. */
function asciiText(bytes: Uint8Array, start: number, end: number): string | null {
  let text = '';
  for (let at = start; at < end; at += 1) {
    const code = bytes[at] ?? 0;
    if (code > 0x7f) return null;
    text += String.fromCharCode(code);
  }
  return text;
}

function invalid(what: string): GearwayError {
  return new GearwayError('message-pack-invalid', `the MessagePack ${what}`);
}
