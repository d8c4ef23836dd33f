import { connect, type Socket } from 'node:net';
import { messageType } from '../../shared/protocol.ts';
import { ACK_BYTES, encodeWant, handshakeRequest, HELLO, PONG, SPECTATOR_HELLO, writeAck } from './wire.ts';

/**
 * Read buffer shared by all viewers of a process, because they read one after another and keep nothing. It is small
 * enough for the processor's cache, and large enough for two frames per read.
 */
const readBuffer = Buffer.allocUnsafe(256 << 10);

// The head's map begins with the key "sequence", after 8 bytes of prelude, the map's size and the key's text.
const SEQUENCE_AT = 8 + 1 + 9;

/** A WebSocket header of at most 10 bytes, and the start of a message up to its sequence number of at most 9. */
const MESSAGE_BEGIN_BYTES = SEQUENCE_AT + 9;

const opcodes = { continuation: 0, binary: 2, close: 8, ping: 9 } as const;

export interface DiscardingViewerOptions {
  /** Settings that the viewer requests immediately after its `hello`. The latest frame may arrive before they apply. */
  readonly want?: Parameters<typeof encodeWant>[0];
  /** Whether the viewer watches without a port. Default: false. */
  readonly spectates?: boolean;
  /** Called when the last byte of a frame has arrived. */
  readonly onFrame?: (sequence: number) => void;
}

/**
 * A viewer with minimal cost: it reads the headers of WebSocket frames and the sequence number of a message, skips the
 * rest, and acknowledges each frame when its last byte has arrived. It answers pings, like browsers.
 */
export class DiscardingViewer {
  /** Number of completely received frames. */
  frames = 0;
  /** Settles with the first frame. */
  readonly ready: Promise<void>;
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  readonly #options: DiscardingViewerOptions;
  #settleReady: { resolve: () => void; reject: (error: Error) => void } | null = null;
  #failure: Error | null = null;
  #closing = false;
  /** The received part of the handshake response; null once the response is complete. */
  #handshake: string | null = '';
  /** A header that was split by the end of a read. */
  readonly #cut = Buffer.alloc(10 + 125);
  #cutBytes = 0;
  /** Number of missing bytes of the current WebSocket frame. */
  #left = 0;
  #isLastFragment = false;
  #isFrame = false;
  #sequence = 0;
  /** Acknowledgements of one read are sent in one write. */
  readonly #acks: number[] = [];

  constructor(port: number, options: DiscardingViewerOptions = {}) {
    this.#options = options;
    this.ready = new Promise((resolve, reject) => (this.#settleReady = { resolve, reject }));
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (bytes) => {
          this.#read(readBuffer.subarray(0, bytes));
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.#fail(new Error('the server has closed the connection'));
        resolve();
      });
    });
    this.#socket.write(handshakeRequest(port));
  }

  /** @throws the error that has ended the connection, if any. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Stops reading, and therefore answering. */
  stall(): void {
    this.#socket.pause();
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#socket.destroy();
    await this.#closed;
  }

  #fail(error: Error): void {
    if (this.#closing) return;
    this.#failure ??= error;
    this.#settleReady?.reject(this.#failure);
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    let at = this.#handshake === null ? 0 : this.#shakeHands(bytes, this.#handshake);
    while (at < bytes.length) {
      if (this.#left === 0) {
        at = this.#readHeader(bytes, at);
      } else {
        const step = Math.min(this.#left, bytes.length - at);
        at += step;
        this.#left -= step;
        if (this.#left === 0) this.#fragmentEnded();
      }
    }
    if (this.#acks.length > 0) this.#acknowledge();
  }

  /** @returns the offset of the first WebSocket frame. */
  #shakeHands(bytes: Buffer, before: string): number {
    const text = before + bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end === -1) {
      this.#handshake = text;
      return bytes.length;
    }
    if (!text.startsWith('HTTP/1.1 101 ')) {
      this.#fail(new Error(`the server refused: ${text}`));
      return bytes.length;
    }
    this.#handshake = null;
    const { want, spectates = false } = this.#options;
    const hello = spectates ? SPECTATOR_HELLO : HELLO;
    this.#socket.write(want === undefined ? hello : Buffer.concat([hello, encodeWant(want)]));
    return end + 4 - before.length;
  }

  /** Reads a header, or the received part of it. @returns the offset of the first byte after it. */
  #readHeader(bytes: Buffer, at: number): number {
    if (this.#cutBytes === 0) {
      const needed = headerBytes(bytes, at, bytes.length);
      if (at + needed <= bytes.length) {
        this.#header(bytes, at, needed);
        return at + needed;
      }
    }
    for (;;) {
      const missing = headerBytes(this.#cut, 0, this.#cutBytes) - this.#cutBytes;
      if (missing === 0) {
        const whole = this.#cutBytes;
        this.#cutBytes = 0;
        this.#header(this.#cut, 0, whole);
        return at;
      }
      if (at === bytes.length) return at;
      const taken = bytes.copy(this.#cut, this.#cutBytes, at, Math.min(at + missing, bytes.length));
      this.#cutBytes += taken;
      at += taken;
    }
  }

  /** @param size result of `headerBytes`; all these bytes have arrived. */
  #header(bytes: Buffer, at: number, size: number): void {
    const first = bytes.readUInt8(at);
    const opcode = first & 0x0f;
    const { begin, length } = frameLength(bytes, at);
    if (opcode === opcodes.close) {
      const reason =
        length < 2 ? 'no code' : `${bytes.readUInt16BE(begin)} ${bytes.toString('utf8', begin + 2, at + size)}`;
      this.#fail(new Error(`the server has closed the WebSocket: ${reason}`));
    }
    if (opcode === opcodes.ping) this.#socket.write(PONG);
    if (opcode === opcodes.binary) {
      this.#isFrame = bytes.readUInt8(begin) === messageType.frame;
      if (this.#isFrame) this.#sequence = readInteger(bytes, begin + SEQUENCE_AT);
    }
    // A ping between two fragments does not end a message.
    this.#isLastFragment = (first & 0x80) !== 0 && (opcode === opcodes.binary || opcode === opcodes.continuation);
    this.#left = length - (at + size - begin);
    if (this.#left === 0) this.#fragmentEnded();
  }

  #fragmentEnded(): void {
    if (!this.#isFrame || !this.#isLastFragment) return;
    this.#isFrame = false;
    this.#acks.push(this.#sequence);
    this.frames += 1;
    this.#options.onFrame?.(this.#sequence);
    this.#settleReady?.resolve();
    this.#settleReady = null;
  }

  #acknowledge(): void {
    const message = Buffer.allocUnsafe(this.#acks.length * ACK_BYTES);
    for (const [i, sequence] of this.#acks.entries()) writeAck(message, i * ACK_BYTES, sequence);
    this.#acks.length = 0;
    this.#socket.write(message);
  }
}

/**
 * Size of a WebSocket header and of the part of the message that is read; a lower bound while it is incomplete.
 */
function headerBytes(bytes: Buffer, at: number, end: number): number {
  if (end - at < 2) return 2;
  const short = bytes.readUInt8(at + 1);
  const size = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (end - at < size) return size;
  const opcode = bytes.readUInt8(at) & 0x0f;
  const { length } = frameLength(bytes, at);
  if (opcode === opcodes.binary) return size + Math.min(length, MESSAGE_BEGIN_BYTES);
  return opcode === opcodes.close ? size + length : size;
}

/** Offset and length of a WebSocket frame's content. A server's frames have no mask. */
function frameLength(bytes: Buffer, at: number): { begin: number; length: number } {
  const short = bytes.readUInt8(at + 1);
  if (short < 126) return { begin: at + 2, length: short };
  if (short === 126) return { begin: at + 4, length: bytes.readUInt16BE(at + 2) };
  return { begin: at + 10, length: bytes.readUInt32BE(at + 6) };
}

/** Reads an unsigned MessagePack integer. */
function readInteger(bytes: Buffer, at: number): number {
  const first = bytes.readUInt8(at);
  switch (first) {
    case 0xcc:
      return bytes.readUInt8(at + 1);
    case 0xcd:
      return bytes.readUInt16BE(at + 1);
    case 0xce:
      return bytes.readUInt32BE(at + 1);
    default:
      if (first >= 0x80)
        throw new RangeError(
          `byte 0x${first.toString(16)} instead of the frame's sequence number: check whether the header of the protocol has changed`,
        );
      return first;
  }
}
