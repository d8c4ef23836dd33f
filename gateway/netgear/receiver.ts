import { runInBackground } from '../../shared/background.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { Value } from '../../shared/protocol.ts';
import { JpegVerifier } from '../codecs/jpeg-verifier.ts';
import { readCapturedAt } from './captured-at.ts';
import type { NetGearFrame } from './frame-codec.ts';
import {
  checkFlag,
  invalid,
  type NetGearOptions,
  resolveNetGearOptions,
  type ResolvedNetGearOptions,
} from './options.ts';
import { markReceived, type Picture } from './picture.ts';
import { NOTHING_RETURNED, type ReplyData } from './reply-codec.ts';
import { type Returnable, toReplyData } from './return-data.ts';
import { ServerConnection } from './server-connection.ts';

export interface NetGearReceiverOptions extends NetGearOptions {
  /** Name of the message's value with the capture time, such as `t`, or `meta.t` for a nested one. */
  readonly captured_at?: string;
  /** In secure mode, the IP addresses of accepted servers; any by default. NetGear uses its own `address` for this. */
  readonly allow?: readonly string[];
  /**
   * Whether a returned JPEG is decoded once, in a separate process, before it is sent to a server; true by default. A
   * real server crashes if VidGear's strict decoder rejects a JPEG.
   */
  readonly check?: boolean;
}

/** A received frame. The caller owns its memory. */
export interface Received {
  readonly frame: Picture;
  /**
   * The server's message; null for none. Unlike with NetGear, available in every mode, even if it is `0` or `""`.
   */
  readonly message: Value;
  /** The port on which the frame arrived, as given in the options: in multi-servers mode, the server's identity. */
  readonly port: string;
  /** Number of the frame, from 1. Dropped frames are numbered too, so the sequence can have gaps. */
  readonly sequence: number;
  /** Time of arrival, Unix time in microseconds. */
  readonly receivedAtUs: number;
  /** Capture time by the server's clock, from `captured_at`, Unix time in microseconds; null if there is none. */
  readonly capturedAtUs: number | null;
}

export interface RecvOptions {
  /** NetGear's `return_data`; see {@link NetGearReceiver.setReturnData}. If undefined, the previous data stays. */
  readonly return_data?: Returnable;
}

/** Status of one port of a receiver. */
export interface ServerStatus {
  readonly port: string;
  readonly endpoint: string;
  /** A sentence without a full stop. */
  readonly state: string;
}

/** How long to wait for the reply to a termination to be transmitted. */
const LINGER_MS = 500;

/**
 * NetGear in receive mode: binds one port, or several in multi-servers mode, and receives frames.
 *
 * The newest frame has priority: at most one is pending, in multi-servers mode one per server, and a newer one replaces
 * it (`dropped`). NetGear has a queue of 96 frames instead, which means seconds of latency in a slow program. Every
 * frame is answered on arrival, so that a slow program does not slow down the server. If a server disappears without a
 * termination, the receiver waits for it.
 *
 * An `AsyncIterable` of frames: it returns when the receiver is closed; breaking out of it leaves the receiver open.
 */
export class NetGearReceiver implements AsyncIterable<Received>, AsyncDisposable {
  readonly #options: ResolvedNetGearOptions;
  readonly #capturedAt: string | null;
  readonly #connections: readonly ServerConnection[];
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #opening: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #reply: ReplyData = NOTHING_RETURNED;
  /** The latest return data; it becomes the reply once it is verified. */
  #given: ReplyData = NOTHING_RETURNED;
  #returnRejection: string | null = null;
  /** Null if JPEGs are not verified. Its process starts with the first JPEG. */
  readonly #verifier: JpegVerifier | null;
  /** Verified JPEGs. Callers must not write to their memory again. */
  readonly #verified = new WeakSet<Uint8Array>();
  /** Pending frames by port, in the order in which their ports received them. */
  readonly #waiting = new Map<string, Received>();
  readonly #readers: {
    readonly resolve: (received: Received | null) => void;
    readonly reject: (error: unknown) => void;
  }[] = [];
  /** The failure that closed the receiver; null if it is open or was closed by `close()`. */
  #failure: GearwayError | null = null;
  /** Servers that have sent frames and have not terminated. */
  readonly #sending = new Set<string>();
  #sequence = 0;
  #dropped = 0;
  #rejected = 0;
  #rejection: string | null = null;

  /**
   * Validates the options. Does not bind yet.
   *
   * @throws {GearwayError} `option-invalid`, `address-invalid`, `modes-invalid`.
   */
  constructor(options: NetGearReceiverOptions) {
    this.#options = resolveNetGearOptions('receiver', options, ['captured_at', 'allow', 'check']);
    checkFlag(options, 'check');
    this.#verifier = options.check === false ? null : new JpegVerifier({ maxDecoders: 1 });
    const { ports, endpoints, pattern } = this.#options;
    this.#capturedAt = readPath(options.captured_at);
    const security = allowing(this.#options.security, options.allow);
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#connections = ports.map(
      (port, index) =>
        new ServerConnection(
          { endpoint: endpoints[index] ?? '', port, pattern, security },
          {
            received: (frame) => {
              this.#received(this.#portOf(frame.serverPort, port), frame);
              return this.#reply;
            },
            rejected: (error) => {
              this.#rejected += 1;
              this.#rejection = errorText(error);
            },
            ended: (serverPort) => this.#ended(this.#portOf(serverPort, port)),
            unanswered: () => {}, // The server has disconnected; there is nothing to do.
            failed: (error) => this.#failed(error),
          },
        ),
    );
  }

  /** Status of each port, in order. */
  get servers(): readonly ServerStatus[] {
    const { ports, endpoints } = this.#options;
    return this.#connections.map((connection, index) => ({
      port: ports[index] ?? '',
      endpoint: endpoints[index] ?? '',
      state: connection.state(),
    }));
  }

  /** Number of valid frames received. */
  get received(): number {
    return this.#sequence;
  }

  /** Number of frames replaced by a newer one before they were read. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Number of malformed frames. They are answered and discarded. */
  get rejected(): number {
    return this.#rejected;
  }

  /** Why the last malformed frame was rejected; null if none was. */
  get rejection(): string | null {
    return this.#rejection;
  }

  /** Why the latest JPEG in {@link setReturnData} was rejected; null if it was not. */
  get returnRejection(): string | null {
    return this.#returnRejection;
  }

  /** Resolves when the receiver is closed, by `close()` or by the servers' termination, and its ports are free. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /**
   * Binds the ports; `recv()` does so automatically. Idempotent.
   *
   * Rejects with `source-unavailable` when an address is in use or not local, `keys-missing`, `keys-invalid`, `closed`.
   * Can be retried.
   */
  open(): Promise<void> {
    if (this.#closing !== null) return Promise.reject(new GearwayError('closed', 'the receiver is closed'));
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /**
   * The newest frame, in multi-servers mode of each server in turn. Null after the servers' termination and after
   * `close()`. Concurrent calls get one frame each, in order.
   *
   * Rejects like {@link open} and {@link setReturnData}, and with `source-unavailable` when a socket has failed: the
   * receiver is then closed, and a new one must be created. Peers cannot cause this.
   */
  async recv({ return_data: data }: RecvOptions = {}): Promise<Received | null> {
    const placed = data === undefined ? undefined : this.#place(data);
    if (placed !== undefined) await placed;
    if (this.#closing === null) await this.open();
    const [oldest] = this.#waiting;
    if (oldest !== undefined) {
      this.#waiting.delete(oldest[0]);
      return oldest[1];
    }
    if (this.#failure !== null) throw this.#failure;
    if (this.#closing !== null) return null;
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /**
   * Sets the data that every reply carries from now on; NetGear's `recv(return_data=…)`, except that null is a value
   * here. The data is borrowed: never write to its memory again.
   *
   * A JPEG takes effect once it has been decoded. If it cannot be decoded, the previous data stays, and
   * {@link returnRejection} has the reason.
   *
   * @throws {GearwayError} `modes-invalid` in modes in which NetGear returns nothing, and the errors of {@link
   * toReplyData}.
   */
  setReturnData(data: Returnable): void {
    // The failure is kept as `returnRejection`.
    runInBackground(this.#place(data) ?? Promise.resolve(), () => undefined);
  }

  /**
   * @returns a promise only for a JPEG that has to be verified; it rejects if the JPEG is invalid.
   * @throws {GearwayError} like {@link setReturnData}.
   */
  #place(data: Returnable): Promise<void> | undefined {
    const { pattern, multiclient, bidirectional } = this.#options;
    if (pattern === 'publish-subscribe') {
      throw new GearwayError(
        'modes-invalid',
        'return data needs pattern 0 or 1, pattern is 2: subscribers cannot answer',
      );
    }
    if (!multiclient && !bidirectional) {
      throw new GearwayError('modes-invalid', 'return data needs bidirectional_mode or multiclient_mode on both sides');
    }
    const given = toReplyData(data);
    this.#given = given;
    this.#returnRejection = null;
    if (given.kind === 'jpeg' && this.#verifier !== null && !this.#verified.has(given.data))
      return this.#verify(given, this.#verifier);
    this.#reply = given;
    return undefined;
  }

  async #verify(given: Extract<ReplyData, { kind: 'jpeg' }>, verifier: JpegVerifier): Promise<void> {
    const { data, colorspace } = given;
    const verdict = await verifier.verify(data, { lane: 'frames', key: this, colorspace }).verdict;
    if (verdict === null) return; // closed
    if (!verdict.isGood) {
      if (this.#given === given) this.#returnRejection = errorText(verdict.error);
      throw verdict.error;
    }
    this.#verified.add(data);
    if (this.#given === given) this.#reply = given;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Received, void, void> {
    for (;;) {
      const received = await this.recv();
      if (received === null) return;
      yield received;
    }
  }

  /**
   * Frees the ports and discards pending frames; every `recv()` resolves with null. Idempotent. The servers are not
   * notified: they wait for another receiver.
   */
  close(): Promise<void> {
    this.#waiting.clear();
    this.#closing ??= this.#close(0);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(): Promise<void> {
    try {
      for (const connection of this.#connections) await connection.open();
    } catch (error) {
      await Promise.all(this.#connections.map((connection) => connection.close()));
      this.#opening = null;
      throw error;
    }
  }

  async #close(lingerMs: number): Promise<void> {
    for (const { resolve } of this.#readers.splice(0)) resolve(null);
    // A socket cannot be closed while it is being bound.
    await this.#opening?.catch(() => {}); // The failure is reported to the caller of `open()`.
    await Promise.all(this.#connections.map((connection) => connection.close(lingerMs)));
    await this.#verifier?.close();
    this.#resolveClosed();
  }

  /**
   * The server's identity. In multi-servers mode it is in the header, because a server may have connected to another's
   * port.
   */
  #portOf(serverPort: string | null, bound: string): string {
    const { multiserver, ports } = this.#options;
    return multiserver && serverPort !== null && ports.includes(serverPort) ? serverPort : bound;
  }

  #received(port: string, { width, height, encoding, payload, colorspace, message }: NetGearFrame): void {
    this.#sequence += 1;
    this.#sending.add(port);
    const received: Received = {
      frame: markReceived({ encoding, width, height, payload, colorspace }),
      message,
      port,
      sequence: this.#sequence,
      receivedAtUs: Math.round((performance.timeOrigin + performance.now()) * 1000),
      capturedAtUs: this.#capturedAt === null ? null : readCapturedAt(message, this.#capturedAt),
    };
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve(received);
      return;
    }
    if (this.#waiting.has(port)) this.#dropped += 1;
    this.#waiting.set(port, received);
  }

  /**
   * Closes the receiver with the last server. In multi-servers mode, the termination of a server that sent no frame is
   * ignored.
   */
  #ended(port: string): void {
    const hasSent = this.#sending.delete(port);
    if (this.#sending.size > 0 || (this.#options.multiserver && !hasSent)) return;
    this.#startClosing(LINGER_MS);
  }

  #failed(error: unknown): void {
    this.#failure ??= new GearwayError(
      'source-unavailable',
      `a socket of the receiver has failed: ${errorText(error)}`,
      { cause: error },
    );
    for (const { reject } of this.#readers.splice(0)) reject(this.#failure);
    this.#startClosing(0);
  }

  #startClosing(lingerMs: number): void {
    this.#closing ??= this.#close(lingerMs);
    runInBackground(this.#closing, () => this.#resolveClosed());
  }
}

function allowing(
  security: ResolvedNetGearOptions['security'],
  allow: readonly string[] | undefined,
): ResolvedNetGearOptions['security'] {
  if (allow === undefined) return security;
  if (security === null) throw invalid('allow requires secure_mode 1 or 2');
  if (!Array.isArray(allow) || allow.length === 0) throw invalid('allow is not a list of IP addresses');
  return { ...security, allowedAddresses: allow };
}

function readPath(path: string | undefined): string | null {
  if (path === undefined) return null;
  if (typeof path !== 'string' || path.split('.').includes('')) {
    throw invalid(`captured_at is ${JSON.stringify(path)}, expected a name such as t, or meta.t`);
  }
  return path;
}
