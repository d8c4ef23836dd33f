import type { ClientKind, ClientStatus } from '../../shared/status.ts';

/** Counters of a client that only increase. */
type ClientCounters = Pick<ClientStatus, (typeof COUNTERS)[number]>;

const COUNTERS = ['delivered', 'deliveredBytes', 'dropped', 'withheld', 'repeated', 'rejected'] as const;

/** Counters of all clients of one kind that have had one port. */
export interface PortCounters extends ClientCounters {
  readonly kind: ClientKind;
  /** A port; `none` for clients without one; `other` for ports beyond {@link MAX_PORTS}. */
  readonly port: string;
  /** Number of clients, including present ones. */
  readonly clients: number;
}

/** Maximum number of ports of a stream that are counted separately. */
const MAX_PORTS = 256;

const NONE: Omit<PortCounters, 'kind' | 'port'> = {
  clients: 0,
  delivered: 0,
  deliveredBytes: 0,
  dropped: 0,
  withheld: 0,
  repeated: 0,
  rejected: 0,
};

/**
 * Counters of a stream's clients by kind and port, which outlive the clients: they never decrease while the gateway
 * runs.
 */
export class ClientTotals {
  /**
   * Counters of clients that have left. The key of a client includes its port, or `other` if there are too many ports.
   */
  readonly #left = new Map<string, PortCounters>();

  /** Adds the final counters of a client that has left. */
  add(status: ClientStatus): void {
    addTo(this.#left, this.#keyOf(status), status);
  }

  /** The counters of clients that have left, together with those of the given present clients. */
  including(present: Iterable<ClientStatus>): readonly PortCounters[] {
    const statuses = [...present];
    const keys = statuses.map((status) => this.#keyOf(status));
    const totals = new Map(this.#left);
    for (const [index, status] of statuses.entries()) addTo(totals, keys[index] ?? '', status);
    return [...totals.values()];
  }

  #keyOf({ kind, port }: ClientStatus): string {
    const own = `${kind} ${port ?? 'none'}`;
    const key = this.#left.has(own) || this.#left.size < MAX_PORTS ? own : `${kind} other`;
    if (!this.#left.has(key)) this.#left.set(key, { ...NONE, kind, port: key.slice(kind.length + 1) });
    return key;
  }
}

function addTo(totals: Map<string, PortCounters>, key: string, status: ClientStatus): void {
  const before = totals.get(key);
  if (before === undefined) return;
  const sums = Object.fromEntries(COUNTERS.map((name) => [name, before[name] + status[name]])) as Pick<
    ClientStatus,
    (typeof COUNTERS)[number]
  >;
  totals.set(key, { ...before, ...sums, clients: before.clients + 1 });
}
