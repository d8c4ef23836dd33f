/**
 * MessagePack writer for browsers. It replaces that of msgpackr, which would be a quarter of the code that every page
 * loads. vite.config.ts replaces the module `msgpackr` with this one.
 *
 * Writes the same bytes as msgpackr with the options of `shared/protocol.ts`: maps and integers in their shortest form,
 * integers beyond 32 bits as float 64, bigints of up to 64 bits as integers, longer ones as extension 0x42 (two's
 * complement, big-endian), and undefined as extension 0.
 */
export class Packr {
  readonly #utf8 = new TextEncoder();
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  /** @param value null, boolean, number, bigint, string, bytes, and lists and maps of them. @returns new memory. */
  pack(value: unknown): Uint8Array {
    this.#at = 0;
    this.#write(value);
    return this.#bytes.slice(0, this.#at);
  }

  #write(value: unknown): void {
    if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (typeof value === 'boolean') this.#uint(1, value ? 0xc3 : 0xc2);
    else if (value === null) this.#uint(1, 0xc0);
    else if (value === undefined) this.#append(Uint8Array.of(0xd4, 0, 0));
    else if (Array.isArray(value)) {
      this.#length(value.length, 0x90, 16, 0xdc - 1);
      for (const item of value) this.#write(item);
    } else if (value instanceof Uint8Array) {
      this.#length(value.byteLength, 0, 0, 0xc4);
      this.#append(value);
    } else {
      const fields = Object.entries(value as object);
      this.#length(fields.length, 0x80, 16, 0xde - 1);
      for (const [key, item] of fields) {
        this.#text(key);
        this.#write(item);
      }
    }
  }

  #number(value: number): void {
    if (value >> 0 === value && value < 0) {
      if (value >= -0x20) this.#uint(1, value);
      else if (value >= -0x80) this.#typed(0xd0, 1, value);
      else if (value >= -0x8000) this.#typed(0xd1, 2, value);
      else this.#typed(0xd2, 4, value);
    } else if (value >>> 0 === value) {
      if (value < 0x80) this.#uint(1, value);
      else if (value < 0x100) this.#typed(0xcc, 1, value);
      else if (value < 0x10000) this.#typed(0xcd, 2, value);
      else this.#typed(0xce, 4, value);
    } else {
      this.#uint(1, 0xcb);
      this.#reserve(8);
      this.#view.setFloat64(this.#at - 8, value);
    }
  }

  #bigint(value: bigint): void {
    const isSigned = BigInt.asIntN(64, value) === value;
    if (isSigned || BigInt.asUintN(64, value) === value) {
      this.#uint(1, isSigned ? 0xd3 : 0xcf);
      this.#reserve(8);
      this.#view.setBigUint64(this.#at - 8, BigInt.asUintN(64, value));
      return;
    }
    let bytes = 9;
    while (BigInt.asIntN(8 * bytes, value) !== value) bytes += 1;
    this.#length(bytes, 0, 0, 0xc7);
    this.#uint(1, 0x42);
    const hex = BigInt.asUintN(8 * bytes, value)
      .toString(16)
      .padStart(2 * bytes, '0');
    for (let at = 0; at < hex.length; at += 2) this.#uint(1, Number.parseInt(hex.slice(at, at + 2), 16));
  }

  #text(text: string): void {
    const bytes = this.#utf8.encode(text);
    // Strings can have a length of 8 bits; lists and maps cannot.
    this.#length(bytes.byteLength, 0xa0, 32, 0xd9);
    this.#append(bytes);
  }

  /**
   * @param short type with the length in its low bits, below `shortEnd`.
   * @param type type with a length of 8 bits; the types with 16 and 32 bits follow it. Lists and maps have no type with
   * 8 bits.
   */
  #length(length: number, short: number, shortEnd: number, type: number): void {
    const hasByte = shortEnd !== 16;
    if (length < shortEnd) this.#uint(1, short + length);
    else if (length < 0x100 && hasByte) this.#typed(type, 1, length);
    else if (length < 0x10000) this.#typed(type + 1, 2, length);
    else this.#typed(type + 2, 4, length);
  }

  #typed(type: number, bytes: 1 | 2 | 4, value: number): void {
    this.#uint(1, type);
    this.#uint(bytes, value);
  }

  /** Appends an integer, signed or not. */
  #uint(bytes: 1 | 2 | 4, value: number): void {
    this.#reserve(bytes);
    if (bytes === 1) this.#view.setUint8(this.#at - 1, value);
    else if (bytes === 2) this.#view.setUint16(this.#at - 2, value);
    else this.#view.setUint32(this.#at - 4, value);
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#bytes.set(bytes, this.#at - bytes.byteLength);
  }

  /** Moves the end of the written bytes, and enlarges the memory if necessary. */
  #reserve(bytes: number): void {
    this.#at += bytes;
    if (this.#at <= this.#bytes.byteLength) return;
    const larger = new Uint8Array(2 * this.#at);
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
