/**
 * MessagePack as written and read by Python's `msgpack` (github.com/msgpack/msgpack/blob/master/spec.md), as far as
 * VidGear uses it. Unlike Python, libraries for JavaScript do not distinguish 2.0 from 2, or strings from bytes. They
 * also allocate memory for an announced length before the bytes have arrived.
 */
import { GearwayError } from '../../shared/errors.ts';
import { PEER_LIMITS } from '../../shared/protocol.ts';
import { MAX_DEPTH, PythonFloat, type TypedValue } from './python-json.ts';

/** A decoded value. Maps keep the order of their entries. */
export type Unpacked =
  | null
  | boolean
  | number
  | bigint
  | PythonFloat
  | string
  | Uint8Array
  | readonly Unpacked[]
  | ReadonlyMap<string, Unpacked>;

/** A value that can be encoded. */
export type Packable = TypedValue | Uint8Array | BytesMap;

/** A map with keys of type `bytes`, as in msgpack_numpy. */
export class BytesMap {
  readonly entries: readonly (readonly [string, Packable])[];

  constructor(entries: readonly (readonly [string, Packable])[]) {
    this.entries = entries;
  }
}

/** Cost of a list, a map or a key, in elements. */
const COSTLY_ELEMENTS = 4;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes one value, which must use all bytes. Binary values are views of `bytes`. Keys of maps become strings, even if
 * they are of type `bytes`.
 *
 * @param maxElements limits the work: a number, string, boolean or nil counts as one element; a list, a map and a key
 *   count as four each. By default the limit for a browser.
 * @throws {GearwayError} `message-pack-invalid`, including for extension types, which JSON lacks; `message-pack-too-large`.
 */
export function unpack(bytes: Uint8Array, maxElements = PEER_LIMITS.elements): Unpacked {
  const reader = new Reader(bytes, maxElements);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Reader {
  readonly #bytes: Buffer;
  readonly #maxElements: number;
  #elements = 0;
  #at = 0;

  constructor(bytes: Uint8Array, maxElements: number) {
    this.#maxElements = maxElements;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): Unpacked {
    this.#count(1);
    const type = this.#uint(1);
    if (type <= 0x7f) return type;
    if (type <= 0x8f) return this.#map(type & 0x0f, depth);
    if (type <= 0x9f) return this.#list(type & 0x0f, depth);
    if (type <= 0xbf) return this.#text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return type === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#uint(2 ** (type - 0xc4)));
      case 0xca:
        return new PythonFloat(this.#take(4).readFloatBE());
      case 0xcb:
        return new PythonFloat(this.#take(8).readDoubleBE());
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(2 ** (type - 0xcc));
      case 0xcf:
        return integer(this.#take(8).readBigUInt64BE());
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.#signed(2 ** (type - 0xd0));
      case 0xd3:
        return integer(this.#take(8).readBigInt64BE());
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(2 ** (type - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#uint(2 ** (type - 0xdb)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 ** (type - 0xdd)), depth);
      default:
        throw invalid(
          `has the type 0x${type.toString(16)} at byte ${this.#at - 1}, expected a type that JSON has, or bytes`,
        );
    }
  }

  end(): void {
    const left = this.#bytes.byteLength - this.#at;
    if (left !== 0) throw invalid(`has ${left} bytes after its value`);
  }

  #list(length: number, depth: number): readonly Unpacked[] {
    this.#nest(depth);
    const list: Unpacked[] = [];
    for (let index = 0; index < length; index += 1) list.push(this.value(depth + 1));
    return list;
  }

  #map(length: number, depth: number): ReadonlyMap<string, Unpacked> {
    this.#nest(depth);
    const map = new Map<string, Unpacked>();
    for (let index = 0; index < length; index += 1) {
      this.#count(COSTLY_ELEMENTS - 1);
      const key = this.value(depth + 1);
      if (typeof key !== 'string' && !(key instanceof Uint8Array))
        throw invalid('has a map with a key that is neither a string nor bytes');
      map.set(typeof key === 'string' ? key : decodeText(key), this.value(depth + 1));
    }
    return map;
  }

  #count(elements: number): void {
    this.#elements += elements;
    if (this.#elements > this.#maxElements)
      throw new GearwayError(
        'message-pack-too-large',
        `the MessagePack has more than ${this.#maxElements} elements (a number or a string is one; a key, a list and a map are ${COSTLY_ELEMENTS} each)`,
      );
  }

  #nest(depth: number): void {
    this.#count(COSTLY_ELEMENTS - 1);
    if (depth >= MAX_DEPTH) throw invalid(`has lists and maps nested deeper than ${MAX_DEPTH}`);
  }

  #text(length: number): string {
    return decodeText(this.#take(length));
  }

  #uint(bytes: number): number {
    return this.#take(bytes).readUIntBE(0, bytes);
  }

  #signed(bytes: number): number {
    return this.#take(bytes).readIntBE(0, bytes);
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.byteLength)
      throw invalid(`is ${this.#bytes.byteLength} bytes, it announces ${this.#at + length}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw new GearwayError('message-pack-invalid', 'the MessagePack has a string that is not UTF-8', { cause: error });
  }
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function invalid(what: string): GearwayError {
  return new GearwayError('message-pack-invalid', `the MessagePack ${what}`);
}

/** Encodes a value. Integers of more than 64 bits, which MessagePack lacks, become floats. */
export function pack(value: Packable): Buffer {
  const parts: Uint8Array[] = [];
  write(value, parts);
  return Buffer.concat(parts);
}

function write(value: Packable, parts: Uint8Array[]): void {
  switch (typeof value) {
    case 'boolean':
      parts.push(Buffer.of(value ? 0xc3 : 0xc2));
      return;
    case 'string': {
      const text = Buffer.from(value);
      parts.push(head(text.byteLength, 0xa0, 31, [0xd9, 0xda, 0xdb]), text);
      return;
    }
    case 'bigint':
    case 'number':
      parts.push(number(value));
      return;
    default:
  }
  if (value === null) parts.push(Buffer.of(0xc0));
  else if (value instanceof PythonFloat) parts.push(float(value.value));
  else if (value instanceof Uint8Array) parts.push(head(value.byteLength, null, -1, [0xc4, 0xc5, 0xc6]), value);
  else if (Array.isArray(value)) {
    const list = value as readonly TypedValue[];
    parts.push(head(list.length, 0x90, 15, [null, 0xdc, 0xdd]));
    for (const item of list) write(item, parts);
  } else {
    const isOfBytes = value instanceof BytesMap;
    const entries = isOfBytes ? value.entries : Object.entries(value);
    parts.push(head(entries.length, 0x80, 15, [null, 0xde, 0xdf]));
    for (const [key, item] of entries) {
      write(isOfBytes ? Buffer.from(key) : key, parts);
      write(item, parts);
    }
  }
}

/** Encodes type and length: in one byte up to `maxFixed`, otherwise the length in 1, 2 or 4 bytes after the type. */
function head(
  length: number,
  fixed: number | null,
  maxFixed: number,
  types: readonly [number | null, number, number],
): Buffer {
  if (fixed !== null && length <= maxFixed) return Buffer.of(fixed | length);
  const [type8, type16, type32] = types;
  if (type8 !== null && length <= 0xff) return Buffer.of(type8, length);
  if (length <= 0xffff) return Buffer.of(type16, length >> 8, length & 0xff);
  const long = Buffer.of(type32, 0, 0, 0, 0);
  long.writeUInt32BE(length, 1);
  return long;
}

function number(value: number | bigint): Buffer {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return float(value);
  const whole = BigInt(value);
  if (whole >= -32n && whole <= 0x7fn) return Buffer.of(Number(whole) & 0xff);
  const power = [0, 1, 2, 3].find((exponent) => {
    const bits = 8n << BigInt(exponent);
    return whole >= 0n ? whole < 1n << bits : whole >= -(1n << (bits - 1n));
  });
  if (power === undefined) return float(Number(whole));
  const long = Buffer.alloc(9);
  long.writeBigUInt64BE(BigInt.asUintN(64, whole), 1);
  const short = long.subarray(8 - 2 ** power);
  short[0] = (whole >= 0n ? 0xcc : 0xd0) + power;
  return short;
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(9, 0xcb);
  bytes.writeDoubleBE(value, 1);
  return bytes;
}
