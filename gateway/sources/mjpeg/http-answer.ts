import { connect, isIP, type Socket } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import { GearwayError } from '../../../shared/errors.ts';
import { parseHeaderLines } from '../../codecs/header-lines.ts';
import { ReadPacer } from '../../hub/read-pacer.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';
import { formatHost, type HttpAddress } from './http-address.ts';
import { ResponseHead } from './response-head.ts';

export interface HttpRequest {
  readonly address: HttpAddress;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether a certificate that cannot be verified is accepted. */
  readonly acceptsAnyCertificate: boolean;
  /**
   * Whether another server has redirected to this address. If so, errors do not quote the response, because a camera
   * could otherwise let users read from any service that the gateway can reach.
   */
  readonly isForeign: boolean;
  /** Time by `performance.now()` until which the response's headers must be complete. */
  readonly headUntilMs: number;
  /** Closes the connection. */
  readonly signal: AbortSignal;
}

/** Receives a chunk of a body. @returns whether to stop reading after it. */
type Take = (piece: Buffer) => boolean;

/**
 * Why reading has stopped: `take` has returned true, the body has ended, there was no data for some time, or it took too
 * long in all.
 */
type Stop = 'enough' | 'ended' | 'silent' | 'late';

/** Limits of one read. Both are needed: a server that occasionally sends a byte is never silent. */
interface ReadLimits {
  /** Maximum time without data. */
  readonly silentMs: number;
  /** Time by `performance.now()` at which reading stops. Default: no limit. */
  readonly untilMs?: number;
}

/** Maximum number of responses with a status of 1xx, which announce the response to come. */
const MAX_INTERIM = 8;

/** Maximum size of a response's status line and headers. */
const MAX_HEAD_BYTES = 64 << 10;

/** Maximum time for connecting, and for each pause within the response's headers. */
const HEAD_TIMEOUT_MS = 10_000;

/** Size of the buffer into which a connection reads. */
const READ_BYTES = 64 << 10;

/** Maximum number of unread chunks; beyond it, the connection is not read. */
const MAX_UNREAD = 16;

/**
 * The response to a GET request, on a connection of its own. Node's HTTP client refuses the responses of some cameras:
 * `ICY 200 OK`, and header lines without a name. The announced length is not applied, because it is often wrong.
 */
export class HttpAnswer {
  status = 0;
  statusText = '';
  /** Headers; names are in lower case, and may occur several times. */
  headers: readonly (readonly [name: string, value: string])[] = [];
  /** Why the connection has ended abnormally. */
  failure: Error | null = null;
  readonly #socket: Socket;
  readonly #pacer: ReadPacer;
  #decoder: ChunkedDecoder | null = null;
  #hasEnded = false;
  /** Copies of data that has arrived while there was no reader. */
  #unread: Buffer[] = [];
  #take: Take | null = null;
  #deadline: NodeJS.Timeout | undefined;
  #stop: (stop: Stop) => void = () => undefined;
  #fail: (error: unknown) => void = () => undefined;

  private constructor({ address: { isSecure, host, port }, acceptsAnyCertificate }: HttpRequest) {
    if (isSecure) {
      this.#socket = connectSecurely({
        host,
        port,
        rejectUnauthorized: !acceptsAnyCertificate,
        ...(isIP(host) === 0 ? { servername: host } : {}),
      });
      this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    } else {
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
      // Reuses the same buffer, because separate ones would keep the garbage collector busy.
      this.#socket = connect({
        host,
        port,
        onread: { buffer, callback: (bytes) => this.#onData(buffer.subarray(0, bytes)) },
      });
    }
    this.#pacer = new ReadPacer({ pause: () => this.#socket.pause(), resume: () => this.#resume() });
    this.#socket.on('error', (error) => (this.failure ??= error));
    this.#socket.on('end', () => this.#end());
    this.#socket.on('close', () => this.#end());
    this.#socket.on('timeout', () => this.#settle('silent'));
  }

  /**
   * Sends a request, and waits for the response's headers.
   *
   * @throws {GearwayError} `source-failed` if the response is not HTTP, or does not arrive in time; the errors of the
   * connection.
   */
  static async open(request: HttpRequest): Promise<HttpAnswer> {
    const { address, headers, signal } = request;
    signal.throwIfAborted();
    const answer = new HttpAnswer(request);
    const abort = (): void => answer.close();
    signal.addEventListener('abort', abort);
    answer.#socket.once('close', () => signal.removeEventListener('abort', abort));
    const lines = Object.entries({
      Host: formatHost(address),
      'User-Agent': 'Gearway',
      Accept: '*/*',
      ...headers,
      Connection: 'close',
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    answer.#socket.write(`GET ${address.path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    try {
      for (let count = 0; count <= MAX_INTERIM; count += 1) {
        await answer.#readHead(request);
        if (answer.status < 100 || answer.status >= 200) return answer;
      }
      throw new GearwayError(
        'source-failed',
        `the server announces its response more than ${MAX_INTERIM} times, and does not send it`,
      );
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

  /** The body's announced length; null if it is missing or invalid. */
  get length(): number | null {
    const text = this.header('content-length');
    return text !== undefined && /^\d{1,12}$/.test(text) ? Number(text) : null;
  }

  /**
   * Reads the body.
   *
   * @param take called with chunks of the body, whose memory is reused afterwards.
   * @throws the errors of `take`, and `source-failed` if the body is malformed.
   */
  async read(take: Take, { silentMs, untilMs = Infinity }: ReadLimits): Promise<Stop> {
    for (let piece = this.#unread.shift(); piece !== undefined; piece = this.#unread.shift())
      if (take(piece)) return 'enough';
    if (this.failure instanceof GearwayError) throw this.failure;
    if (this.#hasEnded) return 'ended';
    this.#socket.setTimeout(silentMs);
    if (untilMs !== Infinity)
      this.#deadline = setTimeout(() => this.#settle('late'), Math.max(1, untilMs - performance.now()));
    const stopped = new Promise<Stop>((resolve, reject) => {
      this.#stop = resolve;
      this.#fail = reject;
    });
    this.#take = take;
    this.#resume();
    return await stopped;
  }

  /**
   * Returns the first bytes of the body without consuming them: at least this number of bytes, unless the body ends or
   * pauses earlier.
   */
  async peek(bytes: number, limits: ReadLimits): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let count = 0;
    const keep = (piece: Buffer): boolean => {
      pieces.push(Buffer.from(piece));
      count += piece.byteLength;
      return count >= bytes;
    };
    await this.read(keep, limits);
    const begin = Buffer.concat(pieces);
    if (count > 0) this.#unread.unshift(begin);
    return begin;
  }

  /** Closes the connection. Idempotent. */
  close(): void {
    this.#pacer.close();
    this.#socket.destroy();
    this.#end();
  }

  async #readHead({ isForeign, headUntilMs }: HttpRequest): Promise<void> {
    const head = new ResponseHead();
    // Includes empty lines before the response.
    let bytes = 0;
    const take = (piece: Buffer): boolean => {
      head.add(piece);
      bytes += piece.byteLength;
      return bytes > MAX_HEAD_BYTES || head.isComplete;
    };
    const stop = await this.read(take, { silentMs: HEAD_TIMEOUT_MS, untilMs: headUntilMs });
    if (!head.isComplete) throw this.failure ?? new GearwayError('source-failed', headProblem(stop));
    const lines = head.text;
    const [first = '', status, text = ''] =
      /^(?:HTTP\/\d(?:\.\d+)?|ICY)[ \t]+(\d{3})[ \t]*([^\r\n]*)/i.exec(lines) ?? [];
    if (status === undefined) {
      const quote = isForeign ? '' : `, but with ${JSON.stringify(/^[^\r\n]*/.exec(lines)?.[0].slice(0, 64))}`;
      throw new GearwayError('source-failed', `the server does not respond with HTTP${quote}`);
    }
    this.status = Number(status);
    this.statusText = isForeign ? '' : text.trim();
    this.headers = parseHeaderLines(lines.slice(first.length));
    const isChunked = this.headers.some(([name, value]) => name === 'transfer-encoding' && /\bchunked\b/i.test(value));
    if (isChunked) this.#decoder = new ChunkedDecoder((piece) => this.#deliver(piece));
    const rest = [head.rest, ...this.#unread.splice(0)];
    for (const chunk of rest) if (chunk.byteLength > 0) this.#onData(chunk);
  }

  /** @returns whether the connection may be read further. */
  #onData(chunk: Buffer): boolean {
    try {
      this.#pacer.run(() => (this.#decoder === null ? this.#deliver(chunk) : this.#decoder.read(chunk)));
    } catch (error) {
      if (this.#take === null) this.failure = error as Error;
      this.#take = null;
      clearTimeout(this.#deadline);
      this.#fail(error);
      this.close();
    }
    if (this.#decoder?.hasEnded === true) this.#end();
    if (this.#unread.length >= MAX_UNREAD) this.#socket.pause();
    return !this.#socket.isPaused();
  }

  #resume(): void {
    if (!this.#pacer.isResting && this.#unread.length < MAX_UNREAD && this.#socket.isPaused()) this.#socket.resume();
  }

  #deliver(piece: Buffer): void {
    if (this.#take === null) this.#unread.push(Buffer.from(piece));
    else if (this.#take(piece)) this.#settle('enough');
  }

  #settle(stop: Stop): void {
    this.#take = null;
    clearTimeout(this.#deadline);
    this.#stop(stop);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#settle('ended');
  }
}

function headProblem(stop: Stop): string {
  switch (stop) {
    case 'enough':
      return `the headers of the response have more than ${MAX_HEAD_BYTES} bytes`;
    case 'ended':
      return 'the server closed the connection without a response';
    case 'silent':
      return `no response within ${HEAD_TIMEOUT_MS / 1000} s`;
    case 'late':
      return 'the server sends the headers of its response too slowly';
    default:
      return stop satisfies never;
  }
}
