import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';

/** Maximum number of bytes that are kept; further bytes are only counted. */
const MAX_KEPT_BYTES = 64 << 20;

/** A client that writes arbitrary bytes, and can end in any way. */
export class RawPeer implements AsyncDisposable {
  /** Settles when the connection has ended on this side. */
  readonly closed: Promise<void>;
  /** Number of bytes received so far. */
  bytes = 0;
  readonly #transport: Socket;
  readonly #socket: Socket;
  readonly #received: Buffer[] = [];
  #hasEnded = false;
  #wake: () => void = () => undefined;

  private constructor(transport: Socket, socket: Socket) {
    this.#transport = transport;
    this.#socket = socket;
    transport.on('error', () => undefined);
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      this.bytes += data.byteLength;
      if (this.bytes <= MAX_KEPT_BYTES) this.#received.push(data);
      this.#wake();
    });
    socket.on('end', () => {
      this.#hasEnded = true;
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#hasEnded = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** @param url `http://127.0.0.1:PORT`, or `https:` with its certificate. */
  static async connect(url: string, ca?: string): Promise<RawPeer> {
    const { hostname, port, protocol } = new URL(url);
    const transport = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    await once(transport, 'connect');
    if (protocol === 'http:') return new RawPeer(transport, transport);
    // The transport itself must not be reset: Node crashes when the socket below a TLS socket is reset.
    const secure = connectTls({
      socket: Duplex.from({ readable: transport, writable: transport }),
      host: hostname,
      ...(ca === undefined ? {} : { ca }),
    });
    await once(secure, 'secureConnect');
    return new RawPeer(transport, secure);
  }

  /** Everything received so far, up to 64 MiB. */
  get text(): string {
    return Buffer.concat(this.#received).toString('latin1');
  }

  send(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Whether either side has ended. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Resolves when `wanted` has been received, or the peer has ended. */
  async receive(wanted: string): Promise<void> {
    while (!this.#hasEnded && !this.text.includes(wanted)) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Resolves with all received data when the peer has ended. */
  async ended(): Promise<string> {
    while (!this.#hasEnded) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.text;
  }

  /** Stops reading. */
  pause(): void {
    this.#socket.pause();
  }

  /** Ends only this side. Resolves when the bytes and the end have been passed to the kernel. */
  halfClose(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) resolve();
      else this.#socket.end(() => resolve());
      this.#socket.once('close', () => resolve());
    });
  }

  close(): void {
    this.#socket.destroy();
    this.#transport.destroy();
  }

  /** Ends with a reset, like a process that was killed with unread data. */
  reset(): void {
    this.#transport.resetAndDestroy();
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }
}
