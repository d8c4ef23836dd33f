import type { Event } from 'zeromq';
import type { ServerSocketEvents } from './server-socket.ts';

/** How long to wait for missing events of a connection, because libzmq delivers them over two channels. */
const SETTLE_MS = 50;

/**
 * Counts the peers of a bound socket, and explains failed handshakes, from libzmq's events. Events identify neither the
 * connection nor its address. All sockets of the authenticator's context share one I/O thread, however, so a handshake
 * error is always followed by the `disconnect` of its connection.
 */
export class HandshakeLog {
  readonly #expected: string;
  readonly #events: Pick<ServerSocketEvents, 'peers' | 'refused'>;
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Number of connections, and number of those whose handshake is not done. */
  #connections = 0;
  #pending = 0;
  /** Addresses of admitted peers whose handshake is not done, oldest first. */
  readonly #admitted: string[] = [];
  /** Reason of a handshake error whose connection has not closed yet; empty if it has already been reported. */
  #error: string | null = null;

  /** @param expected name of the expected peers, used in reasons. */
  constructor(expected: string, events: Pick<ServerSocketEvents, 'peers' | 'refused'>) {
    this.#expected = expected;
    this.#events = events;
  }

  /** Number of peers whose handshake is done, including those that have left but still have unread messages. */
  get peers(): number {
    return this.#connections - this.#pending;
  }

  /**
   * {@link HandshakeLog.peers}, plus the admitted peers that are finishing their handshake. Call it while another peer
   * is in its handshake.
   */
  get expectedPeers(): number {
    return this.peers + Math.min(this.#admitted.length, Math.max(0, this.#pending - 1));
  }

  /** Records a peer with a valid mechanism and key. Its socket type has not been checked yet. */
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
        this.#error = ''; // The authenticator has already reported the refusal, with its reason.
        return;
      case 'handshake:error:protocol':
        this.#error = this.#protocolError('code' in event.error ? String(event.error.code) : 'unknown');
        return;
      case 'handshake:error:other':
        this.#error =
          'code' in event.error && event.error.code === 'EAGAIN'
            ? 'a handshake timed out: a port scan, or a program that does not speak ZeroMQ'
            : 'a connection was closed during the handshake: a server without secure mode, or a port scan';
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

  /** Reports the reason of a connection that libzmq closed without an error event. */
  #silentError(): string {
    const address = this.#admitted.shift();
    if (address !== undefined) {
      const peer = address === '' ? 'a ZeroMQ peer' : `the ZeroMQ peer ${address}`;
      return `${peer} was refused: its socket type is not that of ${this.#expected}`;
    }
    return 'a connection was refused: it speaks HTTP, TLS or another protocol instead of ZeroMQ (ZMTP 3), as browsers and port scans do';
  }

  #protocolError(code: string): string {
    switch (code) {
      case 'ERR_ZMTP_CRYPTOGRAPHIC':
        return 'a server was refused: its public_keys/server.key does not match our private_keys/server.key_secret';
      case 'ERR_ZMTP_MECHANISM_MISMATCH':
        return 'a server was refused: it does not use secure mode';
      default:
        return `a ZeroMQ peer was refused: invalid handshake (${code})`;
    }
  }

  #count(connectionsChange: number, pendingChange: number): void {
    this.#connections = Math.max(0, this.#connections + connectionsChange);
    this.#pending = Math.min(this.#connections, Math.max(0, this.#pending + pendingChange));
    this.#events.peers(this.peers);
  }
}
