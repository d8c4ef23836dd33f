import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A ZMTP 3 greeting (ZeroMQ RFC 23): signature, version, mechanism. */
export function greeting(minor: 0 | 1 = 1, mechanism = 'NULL'): Buffer {
  const bytes = Buffer.alloc(64);
  bytes[0] = 0xff;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  bytes[11] = minor;
  bytes.write(mechanism, 12, 'latin1');
  return bytes;
}

/** A command of ZMTP 3 with a body of at most 255 bytes. */
export function command(name: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([
    Buffer.of(4, 1 + name.length + body.byteLength, name.length),
    Buffer.from(name, 'latin1'),
    body,
  ]);
}

/** The READY command of a socket. */
export function ready(socketType: string, identity: Uint8Array = Buffer.alloc(0)): Buffer {
  const property = (name: string, value: Uint8Array): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(value.byteLength);
    return Buffer.concat([Buffer.of(name.length), Buffer.from(name, 'latin1'), length, value]);
  };
  return command(
    'READY',
    Buffer.concat([property('Socket-Type', Buffer.from(socketType, 'latin1')), property('Identity', identity)]),
  );
}

/** One part of a message; `more` if another follows. */
export function part(bytes: Uint8Array | string, more: boolean): Buffer {
  const body = Buffer.from(bytes);
  if (body.byteLength < 256) return Buffer.concat([Buffer.of(more ? 1 : 0, body.byteLength), body]);
  const head = Buffer.alloc(9);
  head[0] = more ? 3 : 2;
  head.writeBigUInt64BE(BigInt(body.byteLength), 1);
  return Buffer.concat([head, body]);
}

/** A complete message. */
export function message(...parts: (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map((bytes, index) => part(bytes, index < parts.length - 1)));
}

/** A TCP connection that sends the given bytes. Received data is discarded, except its first bytes. */
export class RawPeer implements Disposable {
  readonly #socket: Socket;
  /** Resolves when the connection has ended, from either side. */
  readonly closed: Promise<unknown>;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.once('close', resolve));
    // The gateway disconnects foreign peers with a reset.
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      if (this.#received.byteLength < 4096) this.#received = Buffer.concat([this.#received, chunk]);
    });
  }

  /** @param from address of this machine from which it connects. */
  static async connect(port: number, from = '127.0.0.1'): Promise<RawPeer> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    const peer = new RawPeer(socket);
    await once(socket, 'connect');
    return peer;
  }

  /** Connects, and completes the handshake of a ZMTP socket. @returns null if it is refused. */
  static async shake(port: number, socketType: string, minor: 0 | 1 = 1, from = '127.0.0.1'): Promise<RawPeer | null> {
    const peer = await RawPeer.connect(port, from);
    peer.write(greeting(minor));
    if (!(await peer.receives(64))) return null;
    peer.write(ready(socketType));
    // READY has at least a name and a socket type.
    return (await peer.receives(64 + 8)) ? peer : null;
  }

  /** @returns whether the kernel has accepted all bytes. */
  write(bytes: Uint8Array): boolean {
    return this.#socket.destroyed ? false : this.#socket.write(bytes);
  }

  /** Resolves when the peer has read the written bytes, or has ended. */
  async drained(): Promise<void> {
    if (this.#socket.writableNeedDrain && !this.#socket.destroyed)
      await Promise.race([this.closed, once(this.#socket, 'drain').catch(() => undefined)]);
  }

  /** Number of bytes received so far, up to a few thousand. */
  get receivedBytes(): number {
    return this.#received.byteLength;
  }

  /** @returns false if the connection ends before this number of bytes was received in total. */
  async receives(bytes: number): Promise<boolean> {
    while (this.#received.byteLength < bytes) {
      if (this.#socket.destroyed) return false;
      await Promise.race([this.closed, once(this.#socket, 'data').catch(() => undefined)]);
    }
    return true;
  }

  /** Ends the connection after the written bytes. */
  end(): void {
    this.#socket.end();
  }

  /** Ends the connection like a killed program. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
