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

const EMPTY = new Uint8Array();

/**
 * Decodes the bytes of a peer. Copies bytes only to join a body that arrives in several chunks: each chunk when it
 * arrives, so that little is left to do after the last one.
 */
export class ZmtpDecoder {
  readonly #limits: ZmtpLimits;
  /** Unread chunks, in order; the first one from {@link #offset} on. */
  readonly #chunks: Uint8Array[] = [];
  #offset = 0;
  #unreadBytes = 0;
  #state: 'greeting' | 'ready' | 'traffic' = 'greeting';
  /** The first {@link #headBytes} bytes of the greeting, or of the head of a frame. */
  readonly #head = Buffer.alloc(GREETING_BYTES);
  #headBytes = 0;
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
    return this.#messageBytes + this.#bodyBytes + this.#unreadBytes;
  }

  add(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return;
    this.#chunks.push(chunk);
    this.#unreadBytes += chunk.byteLength;
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
    const isComplete = this.#fillHead(GREETING_BYTES);
    const bytes = this.#head.subarray(0, this.#headBytes);
    if ((bytes.byteLength > 0 && bytes[0] !== 0xff) || (bytes.byteLength > 9 && bytes[9] !== 0x7f))
      throw new ZmtpError('foreign', 'the first bytes are not a greeting');
    if (bytes.byteLength > 10 && (bytes[10] ?? 0) < 3)
      throw new ZmtpError('foreign', 'the greeting is ZMTP 2, expected ZMTP 3');
    if (!isComplete) return false;
    const mechanism = bytes.toString('latin1', 12, 32).replace(/\0+$/, '');
    if (mechanism !== 'NULL')
      throw new ZmtpError('mechanism', `the mechanism is ${JSON.stringify(mechanism)}, expected NULL`);
    this.#headBytes = 0;
    this.#state = 'ready';
    return true;
  }

  /** @returns null if the head is incomplete. */
  #readHead(): { flags: number; length: number } | null {
    if (!this.#fillHead(1)) return null;
    const head = this.#head;
    const flags = head[0] ?? 0;
    if (flags > 7 || ((flags & COMMAND) !== 0 && (flags & MORE) !== 0))
      throw new ZmtpError(this.#state === 'ready' ? 'handshake' : 'frame', `a frame has the flags ${flags}`);
    const isLong = (flags & LONG) !== 0;
    if (!this.#fillHead(isLong ? 9 : 2)) return null;
    const length = isLong ? head.readUInt32BE(1) * 2 ** 32 + head.readUInt32BE(5) : (head[1] ?? 0);
    const limit =
      (flags & COMMAND) !== 0 || this.#state === 'ready'
        ? MAX_COMMAND_BYTES
        : this.#limits.messageBytes - this.#messageBytes;
    if (length > limit)
      throw new ZmtpError(
        this.#state === 'ready' ? 'handshake' : 'too-large',
        `a frame has ${length} bytes, expected at most ${limit}`,
      );
    this.#headBytes = 0;
    return { flags, length };
  }

  /** Moves unread bytes to {@link #head}. @returns whether it has `count` bytes. */
  #fillHead(count: number): boolean {
    while (this.#headBytes < count) {
      const bytes = this.#take(count - this.#headBytes);
      if (bytes === null) return false;
      this.#head.set(bytes, this.#headBytes);
      this.#headBytes += bytes.byteLength;
    }
    return true;
  }

  /** @returns a view of a chunk, or joined bytes; null if the body is incomplete. */
  #readBody(length: number): Uint8Array | null {
    while (this.#bodyBytes < length) {
      const bytes = this.#take(length - this.#bodyBytes);
      if (bytes === null) return null;
      if (bytes.byteLength === length) return bytes;
      this.#join(length, bytes);
    }
    const body = this.#body ?? EMPTY;
    this.#body = null;
    this.#bodyBytes = 0;
    return body;
  }

  /** Appends bytes to the body of `length` bytes. */
  #join(length: number, bytes: Uint8Array): void {
    const count = this.#bodyBytes + bytes.byteLength;
    if (this.#body === null || this.#body.byteLength < count) {
      const size = Math.min(length, Math.max(BODY_BUFFER_BYTES, 2 * count));
      const larger = Buffer.allocUnsafeSlow(size);
      if (this.#body !== null) larger.set(this.#body.subarray(0, this.#bodyBytes));
      this.#body = larger;
    }
    this.#body.set(bytes, this.#bodyBytes);
    this.#bodyBytes = count;
  }

  /**
   * Takes unread bytes of one chunk.
   *
   * @param most maximum number, at least 1.
   * @returns a view of the chunk; null if there are no unread bytes.
   */
  #take(most: number): Uint8Array | null {
    const [chunk] = this.#chunks;
    if (chunk === undefined) return null;
    const start = this.#offset;
    const end = Math.min(start + most, chunk.byteLength);
    this.#unreadBytes -= end - start;
    if (end < chunk.byteLength) {
      this.#offset = end;
      return chunk.subarray(start, end);
    }
    this.#offset = 0;
    this.#chunks.shift();
    return start === 0 ? chunk : chunk.subarray(start);
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

/** The greeting of this side: ZMTP 3.0, mechanism NULL. */
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
