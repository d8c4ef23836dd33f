import { Context, Reply } from 'zeromq';
import { runInBackground } from '../../shared/background.ts';
import { errorText } from '../../shared/errors.ts';
import { formatZ85, isListedKey, type Security } from './curve-keys.ts';
import { receiveAll } from './receive-all.ts';

/** Endpoint of the authentication handler that libzmq queries, one per context (ZeroMQ RFC 27). */
const ZAP_ENDPOINT = 'inproc://zeromq.zap.01';

/** A peer in the middle of its handshake. */
export interface ConnectingPeer {
  /** IP address of the peer; empty for `ipc`. */
  readonly address: string;
  /** `NULL` or `CURVE`. */
  readonly mechanism: string;
  /** CURVE key of the peer, 32 bytes; undefined for other mechanisms. */
  readonly publicKey: Uint8Array | undefined;
}

/**
 * Decides whether to admit a peer. Must not throw.
 *
 * @returns `admitted`; `refused`, after which the peer's libzmq may stop connecting; `later`, after which it retries.
 */
type Judge = (peer: ConnectingPeer) => Verdict;

export type Verdict = 'admitted' | 'refused' | 'later';

/** ZAP status of each verdict. */
const STATUSES: Readonly<Record<Verdict, readonly [code: string, text: string]>> = {
  admitted: ['200', 'OK'],
  refused: ['400', 'not allowed'],
  later: ['300', 'too many connections'],
};

/** Registration of a socket with the {@link Authenticator}. */
export interface Admission {
  /** The socket's `zapDomain`. */
  readonly domain: string;
  /** Ends the registration. Idempotent. Close the socket first. */
  close(): void;
}

/**
 * Lets each bound socket of a context decide which peers to admit (ZAP, ZeroMQ RFC 27). Every bound socket must be
 * registered, even without encryption: only then does libzmq refuse peers that do not speak ZMTP 3, such as browsers
 * and port scanners, during the handshake. Otherwise it would read their bytes as ZMTP 1 messages.
 */
export class Authenticator {
  /** The context in which the sockets must be created. */
  readonly context: Context;
  readonly #judges = new Map<string, Judge>();
  #socket: Reply | null = null;
  #count = 0;

  constructor(context: Context) {
    this.context = context;
  }

  /** Calls `judge` for each peer of the socket whose `zapDomain` is the result's `domain`. */
  admit(judge: Judge): Admission {
    this.#count += 1;
    const domain = `gearway-${this.#count}`;
    this.#judges.set(domain, judge);
    this.#socket ??= this.#open();
    return { domain, close: () => this.#remove(domain) };
  }

  #open(): Reply {
    const socket = new Reply({ context: this.context, linger: 0 });
    socket.bindSync(ZAP_ENDPOINT);
    runInBackground(this.#answer(socket), () => {
      // Without a handler, libzmq would admit no further peer.
      this.#close();
      if (this.#judges.size > 0) this.#socket = this.#open();
    });
    return socket;
  }

  /** Closes the handler when no socket is left: otherwise, it would keep the process running. */
  #remove(domain: string): void {
    if (this.#judges.delete(domain) && this.#judges.size === 0) this.#close();
  }

  #close(): void {
    // Frees the endpoint immediately; `close()` alone frees it asynchronously.
    this.#socket?.disconnect(ZAP_ENDPOINT);
    this.#socket?.close();
    this.#socket = null;
  }

  async #answer(socket: Reply): Promise<void> {
    for await (const [version, requestId, domain, address, , mechanism, publicKey] of receiveAll(socket, null)) {
      const judge = this.#judges.get(String(domain));
      const verdict = judge?.({ address: String(address), mechanism: String(mechanism), publicKey }) ?? 'refused';
      try {
        await socket.send([version ?? '1.0', requestId ?? '1', ...STATUSES[verdict], '', '']);
      } catch (error) {
        if (socket.closed) return;
        throw error;
      }
    }
  }
}

let shared: Authenticator | null = null;

/**
 * The single authenticator, with its context, for all bound sockets. zeromq.js does not free contexts before the
 * process exits, and libzmq has one ZAP handler per context, so a context per socket would leak. Not the default
 * context, because the embedding program may use that for its own purposes.
 */
export function sharedAuthenticator(): Authenticator {
  shared ??= new Authenticator(new Context());
  return shared;
}

/**
 * Applies the rules of pyzmq's authenticator as NetGear uses it: by IP address, and in IronHouse mode by key.
 *
 * @returns why the peer is refused; null if it is admitted.
 */
export function judgePeer(
  { mode, folder, allowedAddresses }: Security,
  { address, mechanism, publicKey }: ConnectingPeer,
): string | null {
  if (mechanism !== 'CURVE' || publicKey?.byteLength !== 32) return `${address} was refused: it presented no CURVE key`;
  if (allowedAddresses !== null && !allowedAddresses.includes(address)) {
    return `${address} was refused: the option allow lists only ${allowedAddresses.join(', ')}`;
  }
  if (mode === 'stonehouse') return null;
  const key = formatZ85(publicKey);
  try {
    if (isListedKey(folder, key)) return null;
  } catch (error) {
    return `${address} was refused: the keys cannot be read, ${errorText(error)}`;
  }
  return `${address} was refused: its key ${key} is not in ${folder}/public_keys`;
}
