import { Socket } from 'node:net';
import { runInBackground } from '../../shared/background.ts';

/** Interval between two checks. Each check sends a ping. */
export const CHECK_MS = 250;

/**
 * Number of checks in a row without any data after which a server counts as silent: 1 to 1.25 s. The search for
 * another one begins one check before that.
 */
const SILENT_CHECKS = 4;

/**
 * Maximum number of checks without data. The number doubles each time a new connection becomes silent within {@link
 * SOON_CHECKS}, because the link may be slow.
 */
const MAX_SILENT_CHECKS = 16;

/**
 * A connection that becomes silent within this number of checks doubles the number of checks without data for the next
 * one.
 */
const SOON_CHECKS = 40;

/** The part of a connection to a server that {@link SilentServerWatch} needs. */
export interface WatchedConnection {
  /** Increases with all data that arrives. */
  receivedBytes(): number;
  /** Resolves when the server has answered. May reject when the connection is lost. */
  ping(): Promise<void>;
  /**
   * Whether this server or another one answers on a new connection. Called at each check while this server is silent.
   */
  findServer(): Promise<boolean>;
  /** Called when the server has become silent, and no other one has answered. */
  noServer(): void;
  /** Ends the connection. The library then reconnects, possibly to another server. */
  cut(): void;
}

/**
 * Cuts the connection to a server that sends nothing, although it is pinged. Before that, a server must have answered
 * on a new connection, and the silent one must have sent nothing until the next check. Otherwise, cutting the
 * connection would not help: either the server or the network is only busy, and answers on both connections when it
 * continues, or no server can be reached. All received data counts, so a ping that waits behind frames does no harm.
 * Checks are counted, not time, and arrived data is read before each of them: a gateway that was suspended or is
 * overloaded cuts no connection.
 */
export class SilentServerWatch {
  readonly #connection: WatchedConnection;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #bytes = 0;
  #isAnswered = false;
  /** Number of checks since the connection was established. */
  #checks = 0;
  #silentChecks = 0;
  #maxSilentChecks = SILENT_CHECKS;
  #hasCut = false;
  #hasReported = false;
  /** Whether a server has answered on a new connection during this silence. */
  #hasFound = false;
  /** Increases with each start and stop. */
  #run = 0;

  constructor(connection: WatchedConnection) {
    this.#connection = connection;
  }

  /** Call when the connection is established. */
  start(): void {
    this.stop();
    this.#checks = 0;
    this.#silentChecks = 0;
    this.#hasReported = false;
    this.#hasFound = false;
    this.#bytes = this.#connection.receivedBytes();
    this.#ping();
  }

  /** Call when the connection was lost. Idempotent. */
  stop(): void {
    this.#run += 1;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  #ping(): void {
    this.#isAnswered = false;
    const answered = this.#connection.ping().then(() => {
      this.#isAnswered = true;
    });
    runInBackground(answered, () => undefined);
    this.#timer = setTimeout(() => {
      // The check runs after the sockets were read.
      this.#immediate = setImmediate(() => this.#check());
    }, CHECK_MS);
    this.#timer.unref();
  }

  #check(): void {
    const bytes = this.#connection.receivedBytes();
    const isSilent = bytes === this.#bytes && !this.#isAnswered;
    this.#bytes = bytes;
    this.#checks += 1;
    this.#silentChecks = isSilent ? this.#silentChecks + 1 : 0;
    if (!isSilent) this.#hasReported = this.#hasFound = false;
    this.#ping();
    if (this.#hasFound && this.#silentChecks >= this.#maxSilentChecks) {
      this.#cut();
      return;
    }
    if (this.#silentChecks < this.#maxSilentChecks - 1) return;
    const run = this.#run;
    const found = this.#connection.findServer().then((isFound) => {
      if (run !== this.#run || this.#silentChecks < this.#maxSilentChecks - 1) return;
      if (isFound) this.#hasFound = true;
      else if (this.#silentChecks >= this.#maxSilentChecks) this.#report();
    });
    runInBackground(found, () => undefined);
  }

  #report(): void {
    if (this.#hasReported) return;
    this.#hasReported = true;
    this.#connection.noServer();
  }

  #cut(): void {
    this.stop();
    const isSoon = this.#hasCut && this.#checks - this.#silentChecks < SOON_CHECKS;
    this.#maxSilentChecks = isSoon ? Math.min(MAX_SILENT_CHECKS, this.#maxSilentChecks * 2) : SILENT_CHECKS;
    this.#hasCut = true;
    this.#connection.cut();
  }
}

/**
 * Ends a connection immediately. The library's own `reconnect()` first waits until the server has received all data,
 * which a silent one never does once the buffers of the system are full.
 */
export function cut(connection: { reconnect(): Promise<void> }): void {
  // These properties are not part of the library's public interface.
  const { protocol } = connection as { readonly protocol?: { readonly transport?: { readonly socket?: unknown } } };
  const socket = protocol?.transport?.socket;
  if (socket instanceof Socket) socket.destroy();
  else runInBackground(connection.reconnect(), () => undefined);
}

/** A server, as the library reports it to its handler `reconnectToServer`. */
interface KnownServer {
  /** `HOST:PORT`, as given and as resolved. */
  readonly src: string;
  readonly listen: string;
  /** When it was last tried; 0 if never. */
  readonly lastConnect: number;
  /** Whether it was learned from another server, possibly as the address of one whose name is known. */
  readonly gossiped: boolean;
}

/**
 * Chooses the server that was tried least recently, so that the server that was just lost is tried last.
 *
 * @param answering a server that has just answered, which is chosen if it was not tried afterwards.
 */
export function chooseServer<T extends KnownServer>(
  servers: readonly T[],
  answering: { readonly server: string; readonly atMs: number } | null = null,
): T | null {
  const best = servers.find(({ src, listen }) => src === answering?.server || listen === answering?.server);
  if (best !== undefined && best.lastConnect < (answering?.atMs ?? 0)) return best;
  const [first = null] = servers.toSorted(
    (one, other) => one.lastConnect - other.lastConnect || Number(one.gossiped) - Number(other.gossiped),
  );
  return first;
}
