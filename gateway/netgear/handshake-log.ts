import type { Event } from 'zeromq';
import type { ServerSocketEvents } from './server-socket.ts';

/** Events of one connection arrive from libzmq by two ways: for this long a missing one may still come. */
const SETTLE_MS = 50;

/**
 * Counts the peers of a bound socket, and explains why a connection did not become one, from libzmq's events. They do not tell which connection they
 * belong to, and give no address; but all sockets of the authenticator's context share one thread, so that a handshake error is followed by the
 * `disconnect` of its connection.
 */
export class HandshakeLog {
  readonly #expected: string;
  readonly #events: Pick<ServerSocketEvents, 'peers' | 'refused'>;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** All connections, and those of them whose handshake is not done. */
  #connections = 0;
  #pending = 0;
  /** Addresses of peers that have been admitted and whose handshake is not done, oldest first. */
  readonly #admitted: string[] = [];
  /** The reason of a handshake error whose connection has not ended yet; empty when somebody else has reported it. */
  #error: string | null = null;

  /** @param expected the peers that the socket is for. */
  constructor(expected: string, events: Pick<ServerSocketEvents, 'peers' | 'refused'>) {
    this.#expected = expected;
    this.#events = events;
  }

  /** Peers whose handshake is done, and that have not left or have left messages behind. */
  get peers(): number {
    return this.#connections - this.#pending;
  }

  /** The same, and peers that have been admitted and are about to finish their handshake. Call it while a further one is in its handshake. */
  get expectedPeers(): number {
    return this.peers + Math.min(this.#admitted.length, Math.max(0, this.#pending - 1));
  }

  /** A peer has a mechanism and keys that fit. What remains to be found out is its socket type. */
  admitted(address: string): void {
    this.#admitted.push(address);
    if (this.#admitted.length > Math.max(16, this.#pending)) this.#admitted.shift();
  }

  add(event: Event): void {
    switch (event.type) {
      case 'accept':
        this.#count(1, 1);
        return;
      case 'handshake':
        this.#admitted.shift();
        this.#count(0, -1);
        return;
      case 'handshake:error:auth':
        this.#error = ''; // reported by the authenticator, with its reason
        return;
      case 'handshake:error:protocol':
        this.#error = this.#protocolError('code' in event.error ? String(event.error.code) : 'unknown');
        return;
      case 'handshake:error:other':
        this.#error = 'code' in event.error && event.error.code === 'EAGAIN' ? 'a connection stayed silent in the handshake: a port scan, or a program that does not speak ZeroMQ' : 'a connection was closed in the handshake: a server without secure mode, or a port scan';
        return;
      case 'disconnect':
        this.#disconnected();
        return;
      default:
    }
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #disconnected(): void {
    const error = this.#error;
    this.#error = null;
    if (error !== null) {
      this.#count(-1, -1);
      while (this.#admitted.length > this.#pending) this.#admitted.shift();
      if (error !== '') this.#events.refused(error);
      return;
    }
    const wasPending = this.#pending > 0;
    this.#count(-1, -1);
    if (!wasPending) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#events.refused(this.#silentError());
    }, SETTLE_MS);
    this.#timers.add(timer);
  }

  /** libzmq ends these without an error event. */
  #silentError(): string {
    const address = this.#admitted.shift();
    if (address !== undefined) return `${address === '' ? 'a ZeroMQ peer' : `the ZeroMQ peer ${address}`} was refused: its socket type is not that of ${this.#expected}`;
    return 'a connection was refused: it does not speak ZeroMQ (ZMTP 3), but HTTP, TLS or another protocol, such as a browser or a port scan';
  }

  #protocolError(code: string): string {
    switch (code) {
      case 'ERR_ZMTP_CRYPTOGRAPHIC':
        return 'a server was refused: its public_keys/server.key is not the one that belongs to our private_keys/server.key_secret';
      case 'ERR_ZMTP_MECHANISM_MISMATCH':
        return 'a server was refused: it does not use secure mode';
      default:
        return `a ZeroMQ peer was refused: it broke the rules of the handshake (${code})`;
    }
  }

  #count(connectionsChange: number, pendingChange: number): void {
    this.#connections = Math.max(0, this.#connections + connectionsChange);
    this.#pending = Math.min(this.#connections, Math.max(0, this.#pending + pendingChange));
    this.#events.peers(this.peers);
  }
}
