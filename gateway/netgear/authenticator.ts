import { Context, Reply } from 'zeromq';
import { runInBackground } from '../../shared/background.ts';
import { errorText } from '../../shared/errors.ts';
import { formatZ85, isListedKey, type Security } from './curve-keys.ts';
import { receiveAll } from './receive-all.ts';

/** Where libzmq asks, within the context of the socket that is connected to (ZeroMQ RFC 27). */
const ZAP_ENDPOINT = 'inproc://zeromq.zap.01';

/** A peer in the middle of its handshake. */
export interface ConnectingPeer {
  /** Its IP address; empty for `ipc`. */
  readonly address: string;
  /** `NULL` or `CURVE`. */
  readonly mechanism: string;
  /** The 32 bytes of its CURVE key; undefined without one. */
  readonly publicKey: Uint8Array | undefined;
}

/**
 * Decides about a peer. Must not throw.
 *
 * @returns `admitted`; `refused`, after which its ZeroMQ may give up; `later`, after which it tries again.
 */
export type Judge = (peer: ConnectingPeer) => Verdict;

export type Verdict = 'admitted' | 'refused' | 'later';

/** Each verdict as ZAP's status. */
const STATUSES: Readonly<Record<Verdict, readonly [code: string, text: string]>> = { admitted: ['200', 'OK'], refused: ['400', 'not allowed'], later: ['300', 'too many connections'] };

/** The right of one socket to be asked about its peers. */
export interface Admission {
  /** The socket's `zapDomain`. */
  readonly domain: string;
  /** Idempotent. Close the socket first. */
  close(): void;
}

/**
 * Has each bound socket of a context decide which peers are admitted (ZAP, ZeroMQ RFC 27). Every bound socket takes part, also those without
 * encryption: only then libzmq refuses peers that speak no ZMTP 3 at the handshake, such as browsers and port scanners, whose bytes it would otherwise
 * read as messages of ZMTP 1.
 */
export class Authenticator {
  /** The context that the sockets must be made in. */
  readonly context: Context;
  readonly #judges = new Map<string, Judge>();
  #socket: Reply | null = null;
  #count = 0;

  constructor(context: Context) {
    this.context = context;
  }

  /** Asks `judge` about each peer of the socket whose `zapDomain` is the result's. */
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
      // Nobody would be admitted any more.
      this.#close();
      if (this.#judges.size > 0) this.#socket = this.#open();
    });
    return socket;
  }

  /** Without sockets nothing must keep the program running. */
  #remove(domain: string): void {
    if (this.#judges.delete(domain) && this.#judges.size === 0) this.#close();
  }

  #close(): void {
    // Frees the address immediately; closing alone frees it some time later.
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
 * The one authenticator, and context, of all bound sockets. zeromq.js never frees a context before the process ends, and libzmq has one ZAP handler
 * per context, so that each further one would stay. It is not the default context, which the program around this library may use in its own way.
 */
export function sharedAuthenticator(): Authenticator {
  shared ??= new Authenticator(new Context());
  return shared;
}

/**
 * Decides as pyzmq's authenticator does for NetGear: by IP address, and in IronHouse mode by key.
 *
 * @returns why the peer is refused; null when it is admitted.
 */
export function judgePeer({ mode, folder, allowedAddresses }: Security, { address, mechanism, publicKey }: ConnectingPeer): string | null {
  if (mechanism !== 'CURVE' || publicKey?.byteLength !== 32) return `${address} was refused: it does not show a CURVE key`;
  if (allowedAddresses !== null && !allowedAddresses.includes(address)) return `${address} was refused: allow lists ${allowedAddresses.join(', ')}`;
  if (mode === 'stonehouse') return null;
  const key = formatZ85(publicKey);
  try {
    if (isListedKey(folder, key)) return null;
  } catch (error) {
    return `${address} was refused: the keys cannot be read, ${errorText(error)}`;
  }
  return `${address} was refused: its key ${key} is not in ${folder}/public_keys`;
}
