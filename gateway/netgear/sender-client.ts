import { setTimeout as delay } from 'node:timers/promises';
import { runInBackground } from '../../shared/background.ts';
import { GearwayError } from '../../shared/errors.ts';
import { ClientConnection, type ClientConnectionOptions, type ConnectionState } from './client-connection.ts';
import { decodeReply, type Reply } from './reply-codec.ts';

/** Status of one client of a sender. */
export interface SenderClientStatus {
  /** Port, as given in the options. */
  readonly port: string;
  readonly endpoint: string;
  readonly state: ConnectionState;
  /** Why the client is in this state, as a sentence without a full stop. */
  readonly reason: string;
  /** Number of frames sent to the client. */
  readonly sent: number;
  /** Number of frames dropped in pattern 2 because the client was too slow. */
  readonly dropped: number;
}

/** How long to wait for a client's reply to a termination. */
const TERMINATION_TIMEOUT_MS = 700;

/** How long to wait after closing for a termination to be transmitted. */
const LINGER_MS = 500;

interface Exchange {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

/** One client of a sender. At most one frame is in flight to it. */
export class SenderClient {
  readonly port: string;
  readonly #options: ClientConnectionOptions;
  readonly #connection: ClientConnection;
  readonly #changed: () => void;
  #exchange: Exchange | null = null;
  /** Called when the reply to the termination has arrived, or will not arrive. */
  #answered: (() => void) | null = null;
  #sent = 0;
  #dropped = 0;

  /** @param changed called when the client may have become free, or has disconnected. */
  constructor(port: string, options: ClientConnectionOptions, changed: () => void) {
    this.port = port;
    this.#options = options;
    this.#changed = changed;
    this.#connection = new ClientConnection(options, {
      changed: (state, reason) => {
        if (state !== 'ready') {
          this.#answered?.();
          this.#fail(new GearwayError(state === 'stuck' ? 'timeout' : 'disconnected', `client ${port}: ${reason}`));
        }
        changed();
      },
      replied: (parts) => this.#replied(parts),
      failed: (error) => {
        this.#fail(error);
        this.#connection.reset();
      },
    });
  }

  get isReady(): boolean {
    return this.#connection.isReady;
  }

  /** Whether the client is connected and has no frame in flight. */
  get isFree(): boolean {
    return this.isReady && this.#exchange === null;
  }

  get status(): SenderClientStatus {
    const { state, reason } = this.#connection;
    return {
      port: this.port,
      endpoint: this.#options.endpoint,
      state,
      reason,
      sent: this.#sent,
      dropped: this.#dropped,
    };
  }

  /**
   * Sends a frame of pattern 0 or 1 to a free client, and waits for its reply. Rejects with `timeout`, `disconnected`,
   * or an error of {@link decodeReply}.
   */
  exchange(header: string, payload: Uint8Array): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const exchange = { resolve, reject };
      this.#exchange = exchange;
      const sending = this.#connection.send(header, payload).then((isTaken) => {
        if (isTaken) this.#sent += 1;
        else if (this.#exchange === exchange)
          this.#fail(new GearwayError('disconnected', `client ${this.port}: ${this.#connection.reason}`));
      });
      runInBackground(sending, (error) => this.#fail(error));
    });
  }

  /** Sends a frame of pattern 2, or drops it if the client is too slow. */
  async publish(header: string, payload: Uint8Array): Promise<void> {
    if (await this.#connection.send(header, payload)) this.#sent += 1;
    else this.#dropped += 1;
  }

  /**
   * Aborts the exchange in progress and disconnects. @param termination message to send to the client first; null for
   * none.
   */
  async close(termination: string | null): Promise<void> {
    this.#fail(new GearwayError('closed', 'the sender was closed'));
    if (termination !== null && this.isReady) await this.#terminate(termination);
    this.#connection.close(termination === null ? 0 : LINGER_MS);
  }

  /** Waits for a reply only in pattern 1: other clients do not answer a termination. */
  async #terminate(termination: string): Promise<void> {
    const { pattern } = this.#options;
    const deadline = performance.now() + TERMINATION_TIMEOUT_MS;
    while (!(await this.#connection.send(termination))) {
      // A slow subscriber may accept the termination a little later.
      if (pattern !== 'publish-subscribe' || performance.now() > deadline) return;
      await delay(10);
    }
    if (pattern !== 'request-reply') return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TERMINATION_TIMEOUT_MS);
      this.#answered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #replied(parts: Uint8Array[]): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (this.#connection.inFlight === 0) this.#answered?.();
    if (exchange === null) return;
    try {
      exchange.resolve(decodeReply(parts));
    } catch (error) {
      exchange.reject(error);
    }
    this.#changed();
  }

  #fail(error: unknown): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.reject(error);
  }
}
