import { setTimeout as delay } from 'node:timers/promises';
import { runInBackground } from '../../shared/background.ts';
import { GearwayError } from '../../shared/errors.ts';
import { ClientConnection, type ClientConnectionOptions, type ConnectionState } from './client-connection.ts';
import { decodeReply, type Reply } from './reply-codec.ts';

/** How it stands with one client of a sender. */
export interface ClientStatus {
  /** As typed. */
  readonly port: string;
  readonly endpoint: string;
  readonly state: ConnectionState;
  /** Why it is in this state, a sentence without its end. */
  readonly reason: string;
  /** Frames that it was sent. */
  readonly sent: number;
  /** Frames of pattern 2 that it did not get since it was behind. */
  readonly dropped: number;
}

/** For how long a client is waited for that is told to end. */
const TERMINATION_TIMEOUT_MS = 700;

/** For how long the last words may still leave after closing. */
const LINGER_MS = 500;

interface Exchange {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
}

/** One client of a sender: at most one frame is under way to it, and its answer is a promise. */
export class SenderClient {
  readonly port: string;
  readonly #options: ClientConnectionOptions;
  readonly #connection: ClientConnection;
  readonly #changed: () => void;
  #exchange: Exchange | null = null;
  /** Told when the answer to the termination is there, or will not come. */
  #answered: (() => void) | null = null;
  #sent = 0;
  #dropped = 0;

  /** @param changed told when it may have become free, or has gone. */
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

  /** Whether it is there and nothing is under way to it. */
  get isFree(): boolean {
    return this.isReady && this.#exchange === null;
  }

  get status(): ClientStatus {
    const { state, reason } = this.#connection;
    return { port: this.port, endpoint: this.#options.endpoint, state, reason, sent: this.#sent, dropped: this.#dropped };
  }

  /** Sends a frame of pattern 0 or 1 to a client that is free, and waits for its answer. Rejects with `timeout`, `disconnected` or what is wrong with the answer. */
  exchange(header: string, payload: Uint8Array): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const exchange = { resolve, reject };
      this.#exchange = exchange;
      const sending = this.#connection.send(header, payload).then((isTaken) => {
        if (isTaken) this.#sent += 1;
        else if (this.#exchange === exchange) this.#fail(new GearwayError('disconnected', `client ${this.port}: ${this.#connection.reason}`));
      });
      runInBackground(sending, (error) => this.#fail(error));
    });
  }

  /** Sends a frame of pattern 2, or drops it when the client is behind. */
  async publish(header: string, payload: Uint8Array): Promise<void> {
    if (await this.#connection.send(header, payload)) this.#sent += 1;
    else this.#dropped += 1;
  }

  /** Ends what is under way. @param termination what is said to the client before; null for nothing. */
  async close(termination: string | null): Promise<void> {
    this.#fail(new GearwayError('closed', 'the sender was closed'));
    if (termination !== null && this.isReady) await this.#terminate(termination);
    this.#connection.close(termination === null ? 0 : LINGER_MS);
  }

  /** Only a client of pattern 1 answers. */
  async #terminate(termination: string): Promise<void> {
    const { pattern } = this.#options;
    const deadline = performance.now() + TERMINATION_TIMEOUT_MS;
    while (!(await this.#connection.send(termination))) {
      // A subscriber that is behind takes it a little later.
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
