import { GearwayError } from '../../shared/errors.ts';
import type { Value } from '../../shared/protocol.ts';
import { JpegVerifier } from '../codecs/jpeg-verifier.ts';
import { turnUpright } from '../codecs/turn-jpeg.ts';
import { REPLY_TIMEOUT_MS } from './client-connection.ts';
import { createKeys } from './key-files.ts';
import { encodeFrameHeader, encodeTermination } from './frame-codec.ts';
import {
  checkFlag,
  invalid,
  type NetGearOptions,
  resolveNetGearOptions,
  type ResolvedNetGearOptions,
} from './options.ts';
import { isReceived, type Sendable, type SentPicture, toPicture } from './picture.ts';
import { formatPythonJson } from '../codecs/python-json.ts';
import { fromReply, type Returned } from './return-data.ts';
import { type SenderClientStatus, SenderClient } from './sender-client.ts';

export interface NetGearSenderOptions extends NetGearOptions {
  /** NetGear's `overwrite_cert`: replaces the keys. Peers with the old ones are refused from then on. */
  readonly overwrite_cert?: boolean;
  /**
   * NetGear's `request_timeout`, in seconds: how long `send()` waits for a client to connect, and for its reply. 3.5 by
   * default, because three attempts fit into the 12 s of silence after which a real client binds again.
   */
  readonly request_timeout?: number;
  /**
   * Whether `send()` decodes each JPEG once, in a separate process, before sending it; true by default. If VidGear's
   * strict decoder rejects a JPEG, the thread of a real client ends permanently. Pictures from a
   * {@link NetGearReceiver} are not decoded. Set it to false to save the time if the encoder is trusted.
   */
  readonly check?: boolean;
}

export interface SendOptions {
  /**
   * NetGear's `message`: any value that Python's JSON can represent. A real client returns it to its program only in
   * bidirectional and multi-servers mode, and only if it is truthy in Python.
   */
  readonly message?: Value;
  /**
   * Channel order to which a receiver decodes a JPEG, NetGear's `jpeg_compression`; by default `BGR`, or `CMYK` for
   * four components.
   */
  readonly colorspace?: string;
}

/** Return data of one of several clients. */
export interface FromClient {
  /** The client's port, as given in the options. */
  readonly port: string;
  readonly data: Returned;
}

/** Result of NetGear's `send()` with and without `multiclient_mode`. */
export type SendResult<M extends boolean> = M extends true ? FromClient | null : Returned;

/** A `send()` call that is waiting for a client. */
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
 * A client that is missing, stopped, or incompatible is retried until the sender is closed and does not affect the
 * others; `clients` has the status of each. A real client must receive something at least every 12 s, or it binds
 * again, without encryption.
 *
 * @typeParam M whether multi-clients mode is set, which changes the result of `send()`.
 */
export class NetGearSender<M extends boolean = false> implements AsyncDisposable {
  readonly #options: ResolvedNetGearOptions;
  readonly #timeoutMs: number;
  /** Null if JPEGs are not verified. Its process starts with the first JPEG. */
  readonly #verifier: JpegVerifier | null;
  readonly #clients: readonly SenderClient[];
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #closing: Promise<void> | null = null;
  /** Waiting calls, in call order. At most one pending `send()` per client. */
  readonly #waiting: Waiting[] = [];
  readonly #expectations = new Set<Expectation>();
  #pending = 0;
  /** Index of the next client in round-robin order. */
  #next = 0;

  /**
   * Starts connecting immediately.
   *
   * @throws {GearwayError} `option-invalid`, `address-invalid`, `modes-invalid`, `keys-missing`, `keys-invalid`.
   */
  constructor(options: NetGearSenderOptions & { readonly multiclient_mode?: M }) {
    this.#options = resolveNetGearOptions('sender', options, ['overwrite_cert', 'request_timeout', 'check']);
    this.#timeoutMs = readTimeout(options.request_timeout);
    checkFlag(options, 'overwrite_cert');
    checkFlag(options, 'check');
    this.#verifier = options.check === false ? null : new JpegVerifier({ maxDecoders: 1 });
    const { ports, endpoints, pattern, security } = this.#options;
    if (options.overwrite_cert === true) {
      if (security === null) throw invalid('overwrite_cert requires secure_mode 1 or 2');
      createKeys(security.folder);
    }
    this.#closed = new Promise((resolve) => (this.#resolveClosed = resolve));
    this.#clients = ports.map((port, index) => {
      const connection = { endpoint: endpoints[index] ?? '', pattern, security, replyTimeoutMs: this.#timeoutMs };
      return new SenderClient(port, connection, () => this.#serve());
    });
  }

  /** Status of each client, in the order of the ports. */
  get clients(): readonly SenderClientStatus[] {
    return this.#clients.map(({ status }) => status);
  }

  /** Resolves when the sender is closed. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /**
   * Resolves when this many clients are connected, or in pattern 2 have subscribed. A frame of pattern 2 that is sent
   * earlier reaches no client. Rejects with `closed`.
   */
  ready(count = 1): Promise<void> {
    if (this.#closing !== null) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#expectations.add({ count, resolve, reject });
      this.#serve();
    });
  }

  /**
   * Sends a frame and resolves with the result of NetGear's `send()`: in bidirectional mode the client's return data,
   * in multi-clients mode `{port, data}` of the connected client whose turn it was, otherwise null. An array is
   * returned as {@link NDArray}, a JPEG as its bytes; the caller owns both. Pattern 2 sends to every subscribed client
   * and resolves with null once each frame is queued or, for a slow client, dropped.
   *
   * Calls must not overlap, except in multi-clients mode, where one per client may be pending. `frame` is borrowed: in
   * patterns 0 and 1 until this resolves; in pattern 2, or if it rejects, its memory must never be written to again.
   *
   * Rejects with `no-client` if no client connects in time, `timeout` if there is no reply, `disconnected` if the
   * connection is lost, `busy` if too many calls are pending, `closed`, and, before anything is sent, if the
   * frame or the message is invalid: `jpeg-invalid`, `jpeg-too-complex`, `colorspace-unknown`, `array-misfit`, `dtype-unknown`,
   * `shape-invalid`, `value-invalid`, `too-large`. A failed call does not affect later ones.
   *
   * A JPEG with an EXIF orientation is rotated before it is sent, because NetGear clients ignore the orientation.
   */
  async send(frame: Sendable, { message = null, colorspace }: SendOptions = {}): Promise<SendResult<M>> {
    if (this.#closing !== null) throw closedError();
    const { pattern, multiclient, multiserver, bidirectional, ports } = this.#options;
    const picture = toPicture(frame, colorspace);
    const prepare = (): Promise<Uint8Array> => this.#prepare(picture, isReceived(frame));
    const variant = { pattern, serverPort: multiserver ? (ports[0] ?? null) : null, dropMessage: false };
    const header = encodeFrameHeader(
      picture.encoding,
      formatPythonJson(message),
      variant,
      picture.colorspace ?? undefined,
    );
    if (pattern === 'publish-subscribe') {
      const payload = await prepare();
      await Promise.all(
        this.#clients.filter(({ isReady }) => isReady).map((client) => client.publish(header, payload)),
      );
      return null as SendResult<M>;
    }
    const { port, data } = await this.#exchange(header, prepare);
    if (multiclient) return { port, data } as SendResult<M>;
    return (bidirectional ? data : null) as SendResult<M>;
  }

  /**
   * Rejects every pending `send()` with `closed`, then closes the connections. Idempotent.
   *
   * @param terminate whether to send a termination to the clients, as NetGear does; true by default. Waits at most 0.7
   * s for the reply of clients of pattern 1. Unlike in NetGear, it is also sent in multi-clients mode with pattern 2.
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

  /**
   * Rotates or verifies a JPEG if necessary.
   *
   * @param isTrusted whether a NetGear client can decode it.
   * @returns the payload to send.
   * @throws {GearwayError} `jpeg-invalid`, `jpeg-too-complex`, `closed`.
   */
  async #prepare({ encoding, payload, colorspace, orientation }: SentPicture, isTrusted: boolean): Promise<Uint8Array> {
    // The result comes from Gearway's own encoder, and needs no verification.
    if (orientation !== 1) return turnUpright(payload);
    if (this.#verifier === null || encoding.kind !== 'jpeg' || isTrusted) return payload;
    const verdict = await this.#verifier.verify(payload, {
      lane: 'frames',
      key: this,
      ...(colorspace === null ? {} : { colorspace }),
    }).verdict;
    if (verdict === null) throw closedError();
    if (!verdict.isGood) throw verdict.error;
    return payload;
  }

  async #exchange(header: string, prepare: () => Promise<Uint8Array>): Promise<FromClient> {
    const most = this.#clients.length;
    if (this.#pending >= most) {
      const calls = most === 1 ? '1 send() call is' : `${most} send() calls are`;
      throw new GearwayError(
        'busy',
        `${calls} pending, the maximum for ${most === 1 ? '1 client' : `${most} clients`}; await one first`,
      );
    }
    this.#pending += 1;
    try {
      return await this.#offer(header, await prepare());
    } finally {
      this.#pending -= 1;
    }
  }

  #offer(header: string, payload: Uint8Array): Promise<FromClient> {
    return new Promise((resolve, reject) => {
      // The sender may have been closed during the verification.
      if (this.#closing !== null) {
        reject(closedError());
        return;
      }
      const waiting: Waiting = {
        start: (client) => {
          clearTimeout(timer);
          client
            .exchange(header, payload)
            .then((reply) => resolve({ port: client.port, data: fromReply(reply) }), reject);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        const reasons = this.clients.map(({ port, reason }) => `${port}: ${reason}`).join('; ');
        reject(
          new GearwayError('no-client', `no client accepted the frame within ${this.#timeoutMs / 1000} s: ${reasons}`),
        );
      }, this.#timeoutMs);
      this.#waiting.push(waiting);
      this.#serve();
    });
  }

  /** Assigns pending calls to free clients, in turn. */
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

/** @returns milliseconds. */
function readTimeout(seconds: number | undefined): number {
  if (seconds === undefined) return REPLY_TIMEOUT_MS;
  if (!(typeof seconds === 'number' && seconds > 0 && seconds <= 3600)) {
    throw invalid(`request_timeout is ${String(seconds)}, expected seconds, more than 0 and at most 3600`);
  }
  return seconds * 1000;
}
