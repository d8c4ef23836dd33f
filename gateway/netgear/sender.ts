import { GearwayError } from '../../shared/errors.ts';
import type { Value } from '../../shared/protocol.ts';
import { JpegVerifier } from '../codecs/jpeg-verifier.ts';
import { REPLY_TIMEOUT_MS } from './client-connection.ts';
import { createKeys } from './key-files.ts';
import { encodeFrameHeader, encodeTermination } from './frame-codec.ts';
import { checkFlag, invalid, type NetGearOptions, resolveOptions, type ResolvedOptions } from './options.ts';
import { isReceived, type Picture, type Sendable, toPicture } from './picture.ts';
import { formatPythonJson } from '../codecs/python-json.ts';
import { fromReply, type Returned } from './return-data.ts';
import { type ClientStatus, SenderClient } from './sender-client.ts';

export interface NetGearSenderOptions extends NetGearOptions {
  /** NetGear's `overwrite_cert`: makes new keys in place of those that are there. Whoever has the old ones is not let in any more. */
  readonly overwrite_cert?: boolean;
  /**
   * NetGear's `request_timeout`, in seconds: how long `send()` waits for a client to be there, and for its answer. 3.5 unless given, since a real
   * client binds anew after 12 s of silence and three tries fit into that.
   */
  readonly request_timeout?: number;
  /**
   * Whether `send()` decodes each JPEG once, in a process of its own, before it sends it; true unless given. A JPEG that VidGear's strict decoder refuses ends
   * a real client's thread for good. Pictures that a {@link NetGearReceiver} has received are not decoded. False saves the time where the encoder is known.
   */
  readonly check?: boolean;
}

export interface SendOptions {
  /** NetGear's `message`: anything that Python's JSON can hold. A real client hands it on in bidirectional and multi-servers mode, and when it is true to Python. */
  readonly message?: Value;
  /** The channel order that a receiver decodes a JPEG to, NetGear's `jpeg_compression`; `BGR` unless given, `CMYK` for four components. */
  readonly colorspace?: string;
}

/** What one of several clients has returned. */
export interface FromClient {
  /** The client's port, as typed. */
  readonly port: string;
  readonly data: Returned;
}

/** What NetGear's `send()` returns with and without `multiclient_mode`. */
export type SendResult<M extends boolean> = M extends true ? FromClient | null : Returned;

/** A `send()` that waits for a client. */
interface Waiting {
  start(client: SenderClient): void;
  reject(error: unknown): void;
}

interface Expectation {
  readonly count: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * NetGear in send mode: connects to one client, or to several in multi-clients mode, and sends frames.
 *
 * A client that is missing, stopped, or of another pattern is tried again for as long as the sender is open, and ends nothing; `clients` says how it
 * stands with each. A real client must hear something at least every 12 s, or it binds anew, without encryption.
 *
 * @typeParam M whether it is in multi-clients mode, which `send()` answers differently in.
 */
export class NetGearSender<M extends boolean = false> implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #timeoutMs: number;
  /** Null where JPEGs are not verified. Its process starts with the first one. */
  readonly #verifier: JpegVerifier | null;
  readonly #clients: readonly SenderClient[];
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #closing: Promise<void> | null = null;
  /** In the order of the calls. At most one `send()` for each client at a time. */
  readonly #waiting: Waiting[] = [];
  readonly #expectations = new Set<Expectation>();
  #pending = 0;
  /** Whose turn it is. */
  #next = 0;

  /**
   * Starts to connect at once.
   *
   * @throws {GearwayError} `option-invalid`, `address-invalid`, `modes-invalid`, `keys-missing`, `keys-invalid`.
   */
  constructor(options: NetGearSenderOptions & { readonly multiclient_mode?: M }) {
    this.#options = resolveOptions('sender', options, ['overwrite_cert', 'request_timeout', 'check']);
    this.#timeoutMs = readTimeout(options.request_timeout);
    checkFlag(options, 'overwrite_cert');
    checkFlag(options, 'check');
    this.#verifier = options.check === false ? null : new JpegVerifier({ maxDecoders: 1 });
    const { ports, endpoints, pattern, security } = this.#options;
    if (options.overwrite_cert === true) {
      if (security === null) throw invalid('overwrite_cert is given, but no secure_mode: there are no keys');
      createKeys(security.folder);
    }
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#clients = ports.map((port, index) => new SenderClient(port, { endpoint: endpoints[index] ?? '', pattern, security, replyTimeoutMs: this.#timeoutMs }, () => this.#serve()));
  }

  /** How it stands with each client, in the order of the ports. */
  get clients(): readonly ClientStatus[] {
    return this.#clients.map(({ status }) => status);
  }

  /** Resolves when the sender is closed. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /**
   * Resolves when so many clients are there; in pattern 2, have subscribed. A frame of pattern 2 that is sent before reaches nobody.
   * Rejects with `closed`.
   */
  ready(count = 1): Promise<void> {
    if (this.#closing !== null) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#expectations.add({ count, resolve, reject });
      this.#serve();
    });
  }

  /**
   * Sends a frame, and resolves with what NetGear's `send()` returns: in bidirectional mode the client's return data, in multi-clients mode
   * `{port, data}` of the client whose turn it was, of those that are there; null else. An array comes as {@link NDArray}, a JPEG as its bytes; both
   * are the program's own. Pattern 2 sends to every client that has subscribed and resolves with null when the frame is handed over or, for a client
   * that is behind, dropped.
   *
   * One call after the other, or in multi-clients mode as many at a time as there are clients. `frame` is borrowed: in patterns 0 and 1 until this
   * resolves; in pattern 2, or when it rejects, its memory must not be written to again.
   *
   * Rejects with `no-client` when none is there in time, `timeout` when there is no answer, `disconnected` when the client goes meanwhile, `busy`
   * when too many calls are under way, `closed`, and, before anything is sent, with what is wrong with frame or message: `jpeg-invalid`,
   * `jpeg-too-complex`, `colorspace-unknown`, `array-misfit`, `dtype-unknown`, `shape-invalid`, `value-invalid`, `too-large`. The next call starts afresh.
   */
  async send(frame: Sendable, { message = null, colorspace }: SendOptions = {}): Promise<SendResult<M>> {
    if (this.#closing !== null) throw closedError();
    const { pattern, multiclient, multiserver, bidirectional, ports } = this.#options;
    const picture = toPicture(frame, colorspace);
    const verify = async (): Promise<void> => (isReceived(frame) ? undefined : this.#verify(picture));
    const header = encodeFrameHeader(picture.encoding, formatPythonJson(message), { pattern, serverPort: multiserver ? (ports[0] ?? null) : null, dropMessage: false }, picture.colorspace ?? undefined);
    if (pattern === 'publish-subscribe') {
      await verify();
      await Promise.all(this.#clients.filter(({ isReady }) => isReady).map((client) => client.publish(header, picture.payload)));
      return null as SendResult<M>;
    }
    const { port, data } = await this.#exchange(header, picture.payload, verify);
    if (multiclient) return { port, data } as SendResult<M>;
    return (bidirectional ? data : null) as SendResult<M>;
  }

  /**
   * Ends every `send()` that is under way with `closed`, and then the connections. Idempotent.
   *
   * @param terminate whether the clients are told to end too, as NetGear does; true unless given. A client of pattern 1 answers, for which 0.7 s are
   * waited at most. Unlike NetGear's, a sender of multi-clients mode tells them in pattern 2 too.
   */
  close({ terminate = true }: { terminate?: boolean } = {}): Promise<void> {
    this.#closing ??= this.#close(terminate);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(terminate: boolean): Promise<void> {
    const { multiserver, ports } = this.#options;
    const termination = terminate ? encodeTermination(multiserver ? (ports[0] ?? null) : null) : null;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(closedError());
    for (const { reject } of this.#expectations) reject(closedError());
    this.#expectations.clear();
    await this.#verifier?.close();
    await Promise.all(this.#clients.map((client) => client.close(termination)));
    this.#resolveClosed();
  }

  /** @throws {GearwayError} what is wrong with the picture's JPEG; `closed`. */
  async #verify({ encoding, payload, colorspace }: Picture): Promise<void> {
    if (this.#verifier === null || encoding.kind !== 'jpeg') return;
    const verdict = await this.#verifier.verify(payload, { lane: 'frames', key: this, ...(colorspace === null ? {} : { colorspace }) }).verdict;
    if (verdict === null) throw closedError();
    if (!verdict.isGood) throw verdict.error;
  }

  async #exchange(header: string, payload: Uint8Array, verify: () => Promise<void>): Promise<FromClient> {
    const most = this.#clients.length;
    if (this.#pending >= most) throw new GearwayError('busy', `${most === 1 ? 'a send() is' : `${most} send() are`} under way, expected to be awaited first: there ${most === 1 ? 'is one client' : `are ${most} clients`}`);
    this.#pending += 1;
    try {
      await verify();
      return await this.#offer(header, payload);
    } finally {
      this.#pending -= 1;
    }
  }

  #offer(header: string, payload: Uint8Array): Promise<FromClient> {
    return new Promise((resolve, reject) => {
      // It may have been closed during the verification.
      if (this.#closing !== null) {
        reject(closedError());
        return;
      }
      const waiting: Waiting = {
        start: (client) => {
          clearTimeout(timer);
          client.exchange(header, payload).then((reply) => resolve({ port: client.port, data: fromReply(reply) }), reject);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(new GearwayError('no-client', `no client took the frame within ${this.#timeoutMs / 1000} s: ${this.clients.map(({ port, reason }) => `${port}: ${reason}`).join('; ')}`));
      }, this.#timeoutMs);
      this.#waiting.push(waiting);
      this.#serve();
    });
  }

  /** Gives what waits to the clients that are free, in turn. */
  #serve(): void {
    while (this.#waiting.length > 0) {
      const client = this.#takeTurn();
      if (client === null) break;
      this.#waiting.shift()?.start(client);
    }
    const ready = this.#clients.filter(({ isReady }) => isReady).length;
    for (const expectation of this.#expectations) {
      if (ready < expectation.count) continue;
      this.#expectations.delete(expectation);
      expectation.resolve();
    }
  }

  #takeTurn(): SenderClient | null {
    for (let step = 0; step < this.#clients.length; step += 1) {
      const index = (this.#next + step) % this.#clients.length;
      const client = this.#clients[index];
      if (client?.isFree !== true) continue;
      this.#next = index + 1;
      return client;
    }
    return null;
  }
}

function closedError(): GearwayError {
  return new GearwayError('closed', 'the sender is closed');
}

/** As milliseconds. */
function readTimeout(seconds: number | undefined): number {
  if (seconds === undefined) return REPLY_TIMEOUT_MS;
  if (!(typeof seconds === 'number' && seconds > 0 && seconds <= 3600)) throw invalid(`request_timeout is ${String(seconds)}, expected seconds, more than 0 and at most 3600`);
  return seconds * 1000;
}
