/**
 * ZMTP 3.0 without encryption (ZeroMQ RFC 23): converts between bytes and messages. Buffers at most one message, and
 * enforces the limits while a message is still being received.
 */

export const GREETING_BYTES = 64;
const MORE = 1;
const LONG = 2;
const COMMAND = 4;

export interface ZmtpLimits {
  /** Maximum size of a message, all its parts together. */
  readonly messageBytes: number;
  /** Maximum number of parts kept per message; further ones are discarded. */
  readonly parts: number;
}

/** Maximum size of a command: a READY with the properties of its socket, or a PING. */
const MAX_COMMAND_BYTES = 1 << 10;

/** A decoded command or message. */
export type ZmtpEvent =
  /** The peer's READY. */
  | { readonly kind: 'ready'; readonly socketType: string }
  /** A complete message, limited to {@link ZmtpLimits.parts}. */
  | { readonly kind: 'message'; readonly parts: Uint8Array[] }
  /** A PING of ZMTP 3.1, with the context that its PONG must contain. */
  | { readonly kind: 'ping'; readonly context: Uint8Array }
  /** Any other command. */
  | { readonly kind: 'command' };

/** A fatal error of a connection. */
export class ZmtpError extends Error {
  /**
   * `foreign`: not ZMTP 3; `mechanism`: encrypted; `handshake`, `frame`: protocol violation; `too-large`: limit
   * exceeded.
   */
  readonly code: 'foreign' | 'mechanism' | 'handshake' | 'frame' | 'too-large';

  constructor(code: ZmtpError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Initial size of the buffer of a body that arrives in several chunks. It doubles as bytes arrive, because a peer that
 * only claims a size must not cost that much memory.
 */
const BODY_BUFFER_BYTES = 4 << 20;

/**
 * Decodes the bytes of a peer. Copies bytes only to join a body that arrives in several chunks: each chunk when it
 * arrives, so that little is left to do after the last one.
 */
export class ZmtpDecoder {
  readonly #limits: ZmtpLimits;
  /** Unread bytes, in order; the first chunk from {@link #offset} on. */
  readonly #chunks: Uint8Array[] = [];
  #offset = 0;
  #available = 0;
  #state: 'greeting' | 'ready' | 'traffic' = 'greeting';
  /** The frame whose body is incomplete. */
  #frame: { readonly flags: number; readonly length: number } | null = null;
  /** The first {@link #bodyBytes} bytes of that body, if some were joined already. */
  #body: Buffer | null = null;
  #bodyBytes = 0;
  #parts: Uint8Array[] = [];
  #messageBytes = 0;

  constructor(limits: ZmtpLimits) {
    this.#limits = limits;
  }

  /** Number of buffered bytes: parts of an unfinished message, and unread bytes. */
  get heldBytes(): number {
    return this.#messageBytes + this.#bodyBytes + this.#available;
  }

  /** Whether the first byte of a greeting has arrived. */
  get hasBegun(): boolean {
    return this.#state !== 'greeting' || this.#available > 0;
  }

  add(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#available += chunk.byteLength;
  }

  /**
   * Decodes the next command or message.
   *
   * @returns null if more bytes are needed.
   * @throws {ZmtpError} if the connection must be closed.
   */
  next(): ZmtpEvent | null {
    if (this.#state === 'greeting' && !this.#readGreeting()) return null;
    for (;;) {
      this.#frame ??= this.#readHead();
      if (this.#frame === null) return null;
      const { flags, length } = this.#frame;
      const body = this.#readBody(length);
      if (body === null) return null;
      this.#frame = null;
      if ((flags & COMMAND) !== 0) return this.#command(body);
      if (this.#state !== 'traffic') throw new ZmtpError('handshake', 'a message before READY');
      // A discarded part still counts towards the limit.
      this.#messageBytes += length + 1;
      if (this.#parts.length < this.#limits.parts) this.#parts.push(body);
      if ((flags & MORE) !== 0) continue;
      const parts = this.#parts;
      this.#parts = [];
      this.#messageBytes = 0;
      return { kind: 'message', parts };
    }
  }

  /** @returns whether the greeting is complete. */
  #readGreeting(): boolean {
    const bytes = this.#peek(GREETING_BYTES);
    if ((bytes.byteLength > 0 && bytes[0] !== 0xff) || (bytes.byteLength > 9 && bytes[9] !== 0x7f))
      throw new ZmtpError('foreign', 'the first bytes are not a greeting');
    if (bytes.byteLength > 10 && (bytes[10] ?? 0) < 3)
      throw new ZmtpError('foreign', 'the greeting is ZMTP 2, expected ZMTP 3');
    if (bytes.byteLength < GREETING_BYTES) return false;
    const mechanism = Buffer.from(bytes).toString('latin1', 12, 32).replace(/\0+$/, '');
    if (mechanism !== 'NULL')
      throw new ZmtpError('mechanism', `the mechanism is ${JSON.stringify(mechanism)}, expected NULL`);
    this.#take(GREETING_BYTES);
    this.#state = 'ready';
    return true;
  }

  /** @returns null if the frame is incomplete. */
  #readHead(): { flags: number; length: number } | null {
    const head = this.#peek(9);
    const [flags] = head;
    if (flags === undefined) return null;
    if (flags > 7 || ((flags & COMMAND) !== 0 && (flags & MORE) !== 0))
      throw new ZmtpError(this.#state === 'ready' ? 'handshake' : 'frame', `a frame has the flags ${flags}`);
    const isLong = (flags & LONG) !== 0;
    if (head.byteLength < (isLong ? 9 : 2)) return null;
    const length = isLong ? Number(Buffer.from(head).readBigUInt64BE(1)) : (head[1] ?? 0);
    const limit =
      (flags & COMMAND) !== 0 || this.#state === 'ready'
        ? MAX_COMMAND_BYTES
        : this.#limits.messageBytes - this.#messageBytes;
    if (length > limit)
      throw new ZmtpError(
        this.#state === 'ready' ? 'handshake' : 'too-large',
        `a frame has ${length} bytes, expected at most ${limit}`,
      );
    this.#take(isLong ? 9 : 2);
    return { flags, length };
  }

  /** @returns null if the body is incomplete. */
  #readBody(length: number): Uint8Array | null {
    const missing = length - this.#bodyBytes;
    const isComplete = this.#available >= missing;
    if (this.#body === null && (isComplete || this.#chunks.length === 0)) return isComplete ? this.#take(length) : null;
    this.#join(length, Math.min(missing, this.#available));
    if (!isComplete) return null;
    const body = this.#body;
    this.#body = null;
    this.#bodyBytes = 0;
    return body;
  }

  /** Moves the first `count` unread bytes to the body of `length` bytes. */
  #join(length: number, count: number): void {
    const bytes = this.#bodyBytes + count;
    if (this.#body === null || this.#body.byteLength < bytes) {
      const size = Math.min(length, Math.max(BODY_BUFFER_BYTES, 2 * bytes));
      const larger = Buffer.allocUnsafeSlow(size);
      if (this.#body !== null) larger.set(this.#body.subarray(0, this.#bodyBytes));
      this.#body = larger;
    }
    this.#copyTo(this.#body.subarray(this.#bodyBytes, bytes));
    this.#remove(count);
    this.#bodyBytes = bytes;
  }

  #command(body: Uint8Array): ZmtpEvent {
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    const name = bytes.toString('latin1', 1, 1 + (bytes[0] ?? 0));
    if (this.#state === 'ready') {
      if (name !== 'READY')
        throw new ZmtpError('handshake', `the first command is ${JSON.stringify(name)}, expected READY`);
      this.#state = 'traffic';
      return { kind: 'ready', socketType: readProperties(bytes.subarray(6)).get('socket-type') ?? '' };
    }
    // The context follows the name and two bytes of TTL.
    return name === 'PING' && bytes.byteLength >= 7
      ? { kind: 'ping', context: bytes.subarray(7, 7 + 16) }
      : { kind: 'command' };
  }

  /** The first unread bytes, at most `count`. Read-only: they may be shared with the chunk. */
  #peek(count: number): Uint8Array {
    const [first = new Uint8Array()] = this.#chunks;
    if (this.#chunks.length < 2 || first.byteLength - this.#offset >= count)
      return first.subarray(this.#offset, this.#offset + count);
    const joined = Buffer.allocUnsafe(Math.min(count, this.#available));
    this.#copyTo(joined);
    return joined;
  }

  /** Copies the first unread bytes, as many as `target` has. */
  #copyTo(target: Uint8Array): void {
    let at = 0;
    for (const [index, chunk] of this.#chunks.entries()) {
      if (at === target.byteLength) break;
      const piece = chunk.subarray(index === 0 ? this.#offset : 0).subarray(0, target.byteLength - at);
      target.set(piece, at);
      at += piece.byteLength;
    }
  }

  /** Removes the first `count` unread bytes. */
  #take(count: number): Uint8Array {
    const bytes = this.#peek(count);
    this.#remove(count);
    return bytes;
  }

  #remove(count: number): void {
    this.#available -= count;
    let left = count + this.#offset;
    let used = 0;
    for (const { byteLength } of this.#chunks) {
      if (byteLength > left) break;
      left -= byteLength;
      used += 1;
    }
    this.#chunks.splice(0, used);
    this.#offset = left;
  }
}

/** Properties of a READY, by lower-case name. */
function readProperties(bytes: Buffer): Map<string, string> {
  const properties = new Map<string, string>();
  for (let at = 0; at < bytes.byteLength;) {
    const nameEnd = at + 1 + (bytes[at] ?? 0);
    if (nameEnd + 4 > bytes.byteLength) throw new ZmtpError('handshake', 'READY has a property without a value');
    const valueEnd = nameEnd + 4 + bytes.readUInt32BE(nameEnd);
    if (valueEnd > bytes.byteLength)
      throw new ZmtpError('handshake', 'READY has a property whose length exceeds the command');
    properties.set(
      bytes.toString('latin1', at + 1, nameEnd).toLowerCase(),
      bytes.toString('latin1', nameEnd + 4, valueEnd),
    );
    at = valueEnd;
  }
  return properties;
}

/** Our greeting: ZMTP 3.0, mechanism NULL. */
export function encodeGreeting(): Uint8Array {
  const greeting = Buffer.alloc(GREETING_BYTES);
  greeting[0] = 0xff;
  greeting[9] = 0x7f;
  greeting[10] = 3;
  greeting.write('NULL', 12, 'latin1');
  return greeting;
}

export function encodeReady(socketType: string): Uint8Array {
  const value = Buffer.from(socketType, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.byteLength);
  return encodeCommand('READY', Buffer.concat([Buffer.of(11), Buffer.from('Socket-Type', 'latin1'), length, value]));
}

export function encodePong(context: Uint8Array): Uint8Array {
  return encodeCommand('PONG', context);
}

function encodeCommand(name: string, body: Uint8Array): Uint8Array {
  return Buffer.concat([
    Buffer.of(COMMAND, 1 + name.length + body.byteLength, name.length),
    Buffer.from(name, 'latin1'),
    body,
  ]);
}

/** Encodes a message as consecutive buffers. The parts are not copied: they must not change before they are written. */
export function encodeMessage(parts: readonly (string | Uint8Array)[]): Uint8Array[] {
  return parts.flatMap((part, index) => {
    const body = typeof part === 'string' ? Buffer.from(part) : part;
    const more = index < parts.length - 1 ? MORE : 0;
    if (body.byteLength < 256) return [Buffer.of(more, body.byteLength), body];
    const head = Buffer.alloc(9);
    head[0] = more | LONG;
    head.writeBigUInt64BE(BigInt(body.byteLength), 1);
    return [head, body];
  });
}
