import { runInBackground } from '../../shared/background.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { Value } from '../../shared/protocol.ts';
import { JpegVerifier } from '../codecs/jpeg-verifier.ts';
import { readCapturedAt } from './captured-at.ts';
import type { NetGearFrame } from './frame-codec.ts';
import { checkFlag, invalid, type NetGearOptions, resolveOptions, type ResolvedOptions } from './options.ts';
import { markReceived, type Picture } from './picture.ts';
import { NOTHING_RETURNED, type ReplyData } from './reply-codec.ts';
import { type ReturnData, toReplyData } from './return-data.ts';
import { ServerConnection } from './server-connection.ts';

export interface NetGearReceiverOptions extends NetGearOptions {
  /** Where the message says when the frame was captured: a name such as `t`, or `meta.t` for one inside another. */
  readonly captured_at?: string;
  /** In secure mode, the IP addresses that servers are let in from; any unless given. NetGear takes its own `address` for this. */
  readonly allow?: readonly string[];
  /**
   * Whether a JPEG that is returned is decoded once, in a process of its own, before a server gets it; true unless given. A JPEG that VidGear's strict
   * decoder refuses ends a real server.
   */
  readonly check?: boolean;
}

/** A frame as it came, and what is known of it. Its memory is the program's own. */
export interface Received {
  readonly frame: Picture;
  /** What the server sent with it; null for nothing. Unlike NetGear's, handed out in every mode, and also when it is `0` or `""`. */
  readonly message: Value;
  /** The port that it came on, as typed: in multi-servers mode, the server's identity. */
  readonly port: string;
  /** Counts the frames of this receiver from 1, also those that were dropped: a gap is as many drops. */
  readonly sequence: number;
  /** Microseconds of Unix time, when the last byte had come. */
  readonly receivedAtUs: number;
  /** Microseconds of Unix time by the server's clock, read where `captured_at` says; null when there is none. */
  readonly capturedAtUs: number | null;
}

export interface RecvOptions {
  /** NetGear's `return_data`; see {@link NetGearReceiver.setReturnData}. Undefined leaves the last one in place. */
  readonly return_data?: ReturnData;
}

/** How it stands on one port of a receiver. */
export interface ServerStatus {
  readonly port: string;
  readonly endpoint: string;
  /** A sentence without its end. */
  readonly state: string;
}

/** For how long the answer to a termination may still leave. */
const LINGER_MS = 500;

/**
 * NetGear in receive mode: binds one port, or several in multi-servers mode, and receives frames.
 *
 * The newest frame wins: one waits at most, in multi-servers mode one for each server, and a newer one replaces it (`dropped`). NetGear keeps a queue
 * of 96 instead, whose end a slow program sees seconds late. Every frame is answered as soon as it comes, so that a slow program does not slow the
 * server down. A server that goes without a word is waited for.
 *
 * An `AsyncIterable` of the frames: it returns after the end; breaking out of it leaves the receiver open.
 */
export class NetGearReceiver implements AsyncIterable<Received>, AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #capturedAt: string | null;
  readonly #connections: readonly ServerConnection[];
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #opening: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #reply: ReplyData = NOTHING_RETURNED;
  /** What was given last; it becomes the reply once it is verified. */
  #given: ReplyData = NOTHING_RETURNED;
  #returnRejection: string | null = null;
  /** Null where JPEGs are not verified. Its process starts with the first one. */
  readonly #verifier: JpegVerifier | null;
  /** JPEGs that have been verified. Their memory is not written to again. */
  readonly #verified = new WeakSet<Uint8Array>();
  /** By port, in the order in which the first of them came that nobody took. */
  readonly #waiting = new Map<string, Received>();
  readonly #readers: { readonly resolve: (received: Received | null) => void; readonly reject: (error: unknown) => void }[] = [];
  /** Why it closed without being told to. */
  #failure: GearwayError | null = null;
  /** The servers that have sent frames and have not said that they end. */
  readonly #sending = new Set<string>();
  #sequence = 0;
  #dropped = 0;
  #rejected = 0;
  #rejection: string | null = null;

  /**
   * Checks the options and binds nothing yet.
   *
   * @throws {GearwayError} `option-invalid`, `address-invalid`, `modes-invalid`.
   */
  constructor(options: NetGearReceiverOptions) {
    this.#options = resolveOptions('receiver', options, ['captured_at', 'allow', 'check']);
    checkFlag(options, 'check');
    this.#verifier = options.check === false ? null : new JpegVerifier({ maxDecoders: 1 });
    const { ports, endpoints, pattern } = this.#options;
    this.#capturedAt = readPath(options.captured_at);
    const security = allowing(this.#options.security, options.allow);
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#connections = ports.map((port, index) => new ServerConnection({ endpoint: endpoints[index] ?? '', port, pattern, security }, {
      received: (frame) => {
        this.#received(this.#portOf(frame.serverPort, port), frame);
        return this.#reply;
      },
      rejected: (error) => {
        this.#rejected += 1;
        this.#rejection = errorText(error);
      },
      ended: (serverPort) => this.#ended(this.#portOf(serverPort, port)),
      unanswered: () => {}, // the server has gone; what comes next is answered
      failed: (error) => this.#failed(error),
    }));
  }

  /** How it stands on each port, in their order. */
  get servers(): readonly ServerStatus[] {
    const { ports, endpoints } = this.#options;
    return this.#connections.map((connection, index) => ({ port: ports[index] ?? '', endpoint: endpoints[index] ?? '', state: connection.state() }));
  }

  /** Frames that have come and were well formed. */
  get received(): number {
    return this.#sequence;
  }

  /** Frames that a newer one replaced before anybody took them. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Frames that were malformed. They were answered, and are not handed out. */
  get rejected(): number {
    return this.#rejected;
  }

  /** What was wrong with the last frame that was rejected, a sentence; null when none was. */
  get rejection(): string | null {
    return this.#rejection;
  }

  /** Why the JPEG that was given last is not returned, a sentence; null when nothing is wrong with it. */
  get returnRejection(): string | null {
    return this.#returnRejection;
  }

  /** Resolves when the receiver is closed, by `close()` or by the servers' termination, and its ports are free. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /**
   * Binds the ports; `recv()` does so by itself. Idempotent.
   *
   * Rejects with `source-unavailable` when an address is in use or not ours, `keys-missing`, `keys-invalid`, `closed`. It can be tried again.
   */
  open(): Promise<void> {
    if (this.#closing !== null) return Promise.reject(new GearwayError('closed', 'the receiver is closed'));
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /**
   * The next frame: the newest, or in multi-servers mode the newest of the server whose turn it is. Null after the servers' termination and after
   * `close()`. Several calls at a time get a frame each, in their order.
   *
   * Rejects as {@link open} and {@link setReturnData} do, and with `source-unavailable` when a socket has failed: the receiver is closed then, make
   * another one. No peer can cause that, whatever it sends.
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
   * Sets what every answer from now on carries, until another value is set; NetGear's `recv(return_data=…)`, but that null is a value here. It is
   * borrowed: memory that was given must not be written to again.
   *
   * A JPEG is decoded first and takes its place when that is done; one that a server could not decode leaves the former data in place, and
   * {@link returnRejection} says so.
   *
   * @throws {GearwayError} `modes-invalid` where NetGear returns nothing, and what {@link toReplyData} throws.
   */
  setReturnData(data: ReturnData): void {
    // Kept as `returnRejection`
    runInBackground(this.#place(data) ?? Promise.resolve(), () => undefined);
  }

  /**
   * @returns a promise only for a JPEG that is to be verified; it rejects with what is wrong with it.
   * @throws {GearwayError} as {@link setReturnData}.
   */
  #place(data: ReturnData): Promise<void> | undefined {
    const { pattern, multiclient, bidirectional } = this.#options;
    if (pattern === 'publish-subscribe') throw new GearwayError('modes-invalid', 'return data needs pattern 0 or 1, pattern is 2: a subscriber has no way to answer');
    if (!multiclient && !bidirectional) throw new GearwayError('modes-invalid', 'return data needs bidirectional_mode or multiclient_mode, at both ends');
    const given = toReplyData(data);
    this.#given = given;
    this.#returnRejection = null;
    if (given.kind === 'jpeg' && this.#verifier !== null && !this.#verified.has(given.data)) return this.#verify(given, this.#verifier);
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

  /** Frees the ports and throws away what waits; every `recv()` resolves with null. Idempotent. The servers are not told: they wait for another receiver. */
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
    // What is being bound cannot be closed before it is.
    await this.#opening?.catch(() => {}); // reported to who has opened
    await Promise.all(this.#connections.map((connection) => connection.close(lingerMs)));
    await this.#verifier?.close();
    this.#resolveClosed();
  }

  /** In multi-servers mode a server may have connected to another's port; who it is says its header. */
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

  /** A server that has sent nothing ends nobody but itself, where there are others. */
  #ended(port: string): void {
    const hasSent = this.#sending.delete(port);
    if (this.#sending.size > 0 || (this.#options.multiserver && !hasSent)) return;
    this.#startClosing(LINGER_MS);
  }

  #failed(error: unknown): void {
    this.#failure ??= new GearwayError('source-unavailable', `a socket of the receiver has failed: ${errorText(error)}`, { cause: error });
    for (const { reject } of this.#readers.splice(0)) reject(this.#failure);
    this.#startClosing(0);
  }

  #startClosing(lingerMs: number): void {
    this.#closing ??= this.#close(lingerMs);
    runInBackground(this.#closing, () => this.#resolveClosed());
  }
}

function allowing(security: ResolvedOptions['security'], allow: readonly string[] | undefined): ResolvedOptions['security'] {
  if (allow === undefined) return security;
  if (security === null) throw invalid('allow is given, but no secure_mode: without one nobody is refused');
  if (!Array.isArray(allow) || allow.length === 0) throw invalid('allow is no list of IP addresses');
  return { ...security, allowedAddresses: allow };
}

function readPath(path: string | undefined): string | null {
  if (path === undefined) return null;
  if (typeof path !== 'string' || path.split('.').includes('')) throw invalid(`captured_at is ${JSON.stringify(path)}, expected a name such as t, or meta.t`);
  return path;
}
