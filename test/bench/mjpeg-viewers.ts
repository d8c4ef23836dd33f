/** A process of viewers that read an MJPEG stream over HTTP, count its parts, and keep nothing. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type CountingViewer, Crowd } from './crowd.ts';
import { answerParent } from './processes.ts';

/** Read buffer shared by all viewers. */
const readBuffer = Buffer.allocUnsafe(256 << 10);

class MjpegViewer implements CountingViewer {
  /** Number of started parts. */
  frames = 0;
  /** Settles with the first part. */
  readonly ready: Promise<void>;
  readonly #socket: Socket;
  #boundary: Buffer | null = null;
  #head = '';
  /** The end of the last read, which may contain the start of a boundary. */
  #tail = Buffer.alloc(0);
  #settle: { resolve: () => void; reject: (error: Error) => void } = {
    resolve: () => undefined,
    reject: () => undefined,
  };
  #failure: Error | null = null;

  constructor(url: URL) {
    this.ready = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.#socket = connect({
      host: url.hostname,
      port: Number(url.port),
      onread: {
        buffer: readBuffer,
        callback: (bytes) => {
          this.#read(readBuffer.subarray(0, bytes));
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error(`${url.href} has closed the connection`)));
    this.#socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`);
  }

  /** @throws the error that has ended the connection, if any. */
  check(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  async close(): Promise<void> {
    this.#socket.removeAllListeners('close');
    const closed = once(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#settle.reject(this.#failure);
  }

  #read(bytes: Buffer): void {
    if (this.#boundary === null) {
      this.#readHead(bytes);
      return;
    }
    const boundary = this.#boundary;
    const seam = Buffer.concat([this.#tail, bytes.subarray(0, boundary.length - 1)]);
    if (seam.includes(boundary)) this.#part();
    for (let at = bytes.indexOf(boundary); at !== -1; at = bytes.indexOf(boundary, at + boundary.length)) this.#part();
    this.#tail = Buffer.from(bytes.subarray(Math.max(0, bytes.length - boundary.length + 1)));
  }

  #readHead(bytes: Buffer): void {
    this.#head += bytes.toString('latin1');
    if (!this.#head.includes('\r\n\r\n')) return;
    const boundary = /^content-type: *multipart\/x-mixed-replace; *boundary="?([^"\r\n;]+)/im.exec(this.#head)?.[1];
    if (!this.#head.startsWith('HTTP/1.1 200') || boundary === undefined) {
      this.#fail(new Error(`expected an MJPEG stream, got ${this.#head.slice(0, 300)}`));
      return;
    }
    // Some servers announce the boundary with its two hyphens, some without.
    this.#boundary = Buffer.from(boundary.startsWith('--') ? boundary : `--${boundary}`);
  }

  #part(): void {
    this.frames += 1;
    this.#settle.resolve();
  }
}

const crowd = new Crowd();

const handlers = {
  /** Settles when every viewer has received a part. */
  connect: (url: string, count: number) => crowd.connect(count, () => new MjpegViewer(new URL(url))),
  start: () => crowd.start(),
  stop: () => crowd.stop(),
  disconnect: () => crowd.disconnect(),
};

export type MjpegViewers = typeof handlers;

answerParent(handlers);
