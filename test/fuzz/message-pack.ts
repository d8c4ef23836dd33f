/** Low-level MessagePack encoder, for values that libraries refuse to write. */
export class Packed {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** Input of {@link packValue}. Objects become maps. */
export type Packable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Packed
  | readonly Packable[]
  | { readonly [key: string]: Packable };

/**
 * Writes MessagePack by hand, so that a fuzzer can write any bytes at any position. Lone surrogates become U+FFFD, as
 * in every UTF-8 encoder; integers beyond 64 bits wrap.
 */
export function packValue(value: Packable): Buffer {
  const parts: Uint8Array[] = [];
  write(value, parts);
  return Buffer.concat(parts);
}

function write(value: Packable, parts: Uint8Array[]): void {
  if (value === null) parts.push(Buffer.of(0xc0));
  else if (value instanceof Packed) parts.push(value.bytes);
  else if (typeof value === 'boolean') parts.push(Buffer.of(value ? 0xc3 : 0xc2));
  else if (typeof value === 'number') parts.push(packNumber(value));
  else if (typeof value === 'bigint') parts.push(packBigInt(value));
  else if (typeof value === 'string') {
    const text = Buffer.from(value);
    parts.push(head(text.length, 0xa0, 31, 0xd9, 0xda, 0xdb), text);
  } else if (value instanceof Uint8Array) parts.push(head(value.byteLength, null, 0, 0xc4, 0xc5, 0xc6), value);
  else if (isList(value)) {
    parts.push(head(value.length, 0x90, 15, null, 0xdc, 0xdd));
    for (const item of value) write(item, parts);
  } else {
    const entries = Object.entries(value);
    parts.push(head(entries.length, 0x80, 15, null, 0xde, 0xdf));
    for (const [key, item] of entries) {
      write(key, parts);
      write(item, parts);
    }
  }
}

function isList(value: Packable): value is readonly Packable[] {
  return Array.isArray(value);
}

function packNumber(value: number): Buffer {
  if (Number.isInteger(value) && !Object.is(value, -0)) {
    if (value >= 0 && value < 128) return Buffer.of(value);
    if (value >= -32 && value < 0) return Buffer.of(value & 0xff);
    if (value >= 0 && value < 2 ** 16) return Buffer.of(0xcd, value >> 8, value & 0xff);
    if (value >= 0 && value < 2 ** 32) {
      const bytes = Buffer.of(0xce, 0, 0, 0, 0);
      bytes.writeUInt32BE(value, 1);
      return bytes;
    }
    if (Number.isSafeInteger(value)) return packBigInt(BigInt(value));
  }
  const bytes = Buffer.alloc(9, 0xcb);
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function packBigInt(value: bigint): Buffer {
  const bytes = Buffer.alloc(9, value < 0n ? 0xd3 : 0xcf);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value), 1);
  return bytes;
}

/**
 * @param fixed the byte for short values, with the count in its low bits; null if there is none.
 * @param byte the code with one byte of count.
 */
function head(
  count: number,
  fixed: number | null,
  maxFixed: number,
  byte: number | null,
  word: number,
  long: number,
): Buffer {
  if (fixed !== null && count <= maxFixed) return Buffer.of(fixed | count);
  if (byte !== null && count < 2 ** 8) return Buffer.of(byte, count);
  if (count < 2 ** 16) return Buffer.of(word, count >> 8, count & 0xff);
  const bytes = Buffer.of(long, 0, 0, 0, 0);
  bytes.writeUInt32BE(count, 1);
  return bytes;
}
