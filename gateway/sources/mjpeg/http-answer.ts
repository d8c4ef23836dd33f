import { connect, isIP, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { GearwayError } from '../../../shared/errors.ts';
import { findBlankLine, parseHeaderLines } from '../../codecs/header-lines.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { formatHost, type HttpAddress } from './http-address.ts';

export interface HttpRequest {
  readonly address: HttpAddress;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether a certificate that cannot be verified is accepted. */
  readonly acceptsAnyCertificate: boolean;
  /** Closes the connection. */
  readonly signal: AbortSignal;
}

/** Maximum size of a response's status line and headers. */
const MAX_HEAD_BYTES = 64 << 10;

/** Maximum time for connecting, and then for each pause within the response's headers. */
const HEAD_TIMEOUT_MS = 10_000;

/** Number of chunks that have not been taken, after which the socket is not read. */
const MAX_WAITING_CHUNKS = 16;

/**
 * The response to a GET request, on a connection of its own. Node's HTTP client refuses the responses of some cameras:
 * `ICY 200 OK`, and header lines without a name. The announced length is not applied, because it is often wrong.
 */
export class HttpAnswer {
  status = 0;
  statusText = '';
  /** Names in lower case; a name may occur several times. */
  headers: readonly (readonly [name: string, value: string])[] = [];
  /** Why the connection has ended, if not normally. */
  failure: Error | null = null;
  readonly #socket: Socket;
  /** Of the body, once the headers have arrived. */
  #chunks: Buffer[] = [];
  /** Number of chunks that have been taken. */
  #taken = 0;
  #decoder: ChunkedDecoder | null = null;
  #hasEnded = false;
  #timeoutMs = 0;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => (this.failure ??= error));
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
    socket.on('timeout', () => this.#wake());
  }

  /**
   * Sends a request, and waits for the response's headers.
   *
   * @throws {GearwayError} `source-failed` if it is not HTTP, or does not arrive in time; the errors of the connection.
   */
  static async open(request: HttpRequest): Promise<HttpAnswer> {
    const { address, headers, signal } = request;
    signal.throwIfAborted();
    const socket = openSocket(request);
    const answer = new HttpAnswer(socket);
    const abort = (): void => answer.close();
    signal.addEventListener('abort', abort);
    socket.once('close', () => signal.removeEventListener('abort', abort));
    const lines = Object.entries({ Host: formatHost(address), 'User-Agent': 'Gearway', Accept: '*/*', ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${address.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    try {
      // Some servers announce the response to come.
      do await answer.#readHead();
      while (answer.status >= 100 && answer.status < 200);
      return answer;
    } catch (error) {
      answer.close();
      signal.throwIfAborted();
      throw answer.failure ?? error;
    }
  }

  /** The first value of a header. */
  header(name: string): string | undefined {
    return this.headers.find(([each]) => each === name)?.[1];
  }

  /** The body's announced length; null if there is none, or a wrong one. */
  get length(): number | null {
    const text = this.header('content-length');
    return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;
  }

  /**
   * Takes the next bytes of the body.
   *
   * @param timeoutMs maximum time without data.
   * @throws {GearwayError} `source-failed` if the body is malformed.
   */
  async next(timeoutMs: number): Promise<Buffer | 'ended' | 'silent'> {
    if (this.#taken === this.#chunks.length && !this.#hasEnded) {
      if (timeoutMs !== this.#timeoutMs) this.#socket.setTimeout(timeoutMs);
      this.#timeoutMs = timeoutMs;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const chunk = this.#chunks[this.#taken];
    if (chunk !== undefined) {
      this.#taken += 1;
      if (this.#taken === this.#chunks.length) this.#clear([]);
      if (this.#socket.isPaused()) this.#socket.resume();
      return chunk;
    }
    if (this.failure instanceof GearwayError) throw this.failure;
    // A socket reports silence once.
    this.#timeoutMs = 0;
    return this.#hasEnded ? 'ended' : 'silent';
  }

  /** The first bytes of the body, at least so many unless it ends or pauses before. They remain to be taken. */
  async peek(bytes: number, timeoutMs: number): Promise<Buffer> {
    let begin = Buffer.alloc(0);
    while (begin.byteLength < bytes) {
      const chunk = await this.next(timeoutMs);
      if (typeof chunk === 'string') break;
      begin = Buffer.concat([begin, chunk]);
    }
    if (begin.byteLength > 0) this.#clear([begin, ...this.#waiting()]);
    return begin;
  }

  /** Closes the connection. Idempotent. */
  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  async #readHead(): Promise<void> {
    let head = '';
    for (let blank = null; blank === null; blank = findBlankLine(head)) {
      const chunk = await this.next(HEAD_TIMEOUT_MS);
      if (typeof chunk === 'string') throw this.failure ?? new GearwayError('source-failed', chunk === 'silent' ? `no response within ${HEAD_TIMEOUT_MS / 1000} s` : 'the server closed the connection without a response');
      head = (head + chunk.toString('latin1')).trimStart();
      if (head.length > MAX_HEAD_BYTES && findBlankLine(head) === null) throw new GearwayError('source-failed', `the headers of the response have more than ${MAX_HEAD_BYTES} bytes`);
    }
    const { start = 0, end = 0 } = findBlankLine(head) ?? {};
    const [first = '', status, text = ''] = /^(?:HTTP\/\d(?:\.\d+)?|ICY)[ \t]+(\d{3})[ \t]*([^\r\n]*)/i.exec(head) ?? [];
    if (status === undefined) throw new GearwayError('source-failed', `the server does not respond with HTTP, but with ${JSON.stringify(/^[^\r\n]*/.exec(head)?.[0].slice(0, 64))}`);
    this.status = Number(status);
    this.statusText = text.trim();
    this.headers = parseHeaderLines(head.slice(first.length, start));
    const isChunked = this.headers.some(([name, value]) => name === 'transfer-encoding' && /\bchunked\b/i.test(value));
    const rest = [Buffer.from(head.slice(end), 'latin1'), ...this.#waiting()];
    this.#clear([]);
    this.#decoder = isChunked ? new ChunkedDecoder((data) => this.#chunks.push(data)) : null;
    for (const chunk of rest) if (chunk.byteLength > 0) this.#onData(chunk);
  }

  #onData(chunk: Buffer): void {
    if (this.#decoder === null) {
      this.#chunks.push(chunk);
    } else {
      try {
        this.#decoder.read(chunk);
      } catch (error) {
        this.failure = error as Error;
        this.close();
      }
      if (this.#decoder.hasEnded) this.#end();
    }
    if (this.#chunks.length - this.#taken > MAX_WAITING_CHUNKS) this.#socket.pause();
    if (this.#chunks.length > this.#taken) this.#wake();
  }

  #waiting(): readonly Buffer[] {
    return this.#chunks.slice(this.#taken);
  }

  #clear(chunks: Buffer[]): void {
    this.#chunks = chunks;
    this.#taken = 0;
  }

  #end(): void {
    this.#hasEnded = true;
    this.#wake();
  }
}

function openSocket({ address: { isSecure, host, port }, acceptsAnyCertificate }: HttpRequest): Socket {
  if (!isSecure) return connect({ host, port });
  return connectSecurely({ host, port, rejectUnauthorized: !acceptsAnyCertificate, ...(isIP(host) === 0 ? { servername: host } : {}) });
}
