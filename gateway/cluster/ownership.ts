import { runInBackground } from '../../shared/background.ts';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Member, Membership } from './membership.ts';
import { RareWarnings } from './rare-warnings.ts';
import type { Replica } from './store.ts';

interface OwnerRecord {
  /** Id of the owner; null after it has left. */
  readonly member: string | null;
}

interface OwnershipOptions {
  readonly replica: Replica;
  readonly membership: Membership;
  /** The streams whose sources are configured at this gateway; with failover, other gateways may have them, too. */
  readonly streams: ReadonlyMap<string, { readonly hasFailover: boolean }>;
  readonly log: Logger;
}

/**
 * Decides which gateway owns a stream, that is, runs its source: one at a time. Each stream has a key in the store with
 * the id of its owner. A gateway at which the stream is configured writes the key if there is no owner, or if the owner
 * is dead. With failover, an owner that cannot prove that it is alive loses the stream. After such a lapse, it has to
 * write the key again to own it: see {@link Membership.isCertain} and {@link Membership.lapses}.
 */
export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #warnings: RareWarnings;
  readonly #claiming = new Set<string>();
  /** This gateway's latest claims that were stored. */
  readonly #confirmed = new Map<
    string,
    { readonly revision: number; readonly lapses: number; readonly atMs: number }
  >();
  readonly #listeners = new Set<() => void>();
  readonly #stopListening: () => void;
  #isClosed = false;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#warnings = new RareWarnings(options.log);
    this.#stopListening = options.replica.listen((key) => {
      if (key.startsWith('owner.')) this.#changed();
    });
    options.membership.onChange(() => this.#changed());
    this.#changed();
  }

  /** Whether this gateway currently owns the stream. */
  isOwner(stream: string): boolean {
    const { membership } = this.#options;
    if (this.#isClosed || this.#recorded(stream) !== membership.id) return false;
    // Without failover, no other gateway takes over the stream.
    if (this.#options.streams.get(stream)?.hasFailover === false) return true;
    return membership.isCertain && this.#isConfirmed(stream);
  }

  /** The id of the living owner; null if there is none. */
  ownerOf(stream: string): string | null {
    const { membership } = this.#options;
    const member = this.#recorded(stream);
    return member !== null && membership.isAlive(member) ? member : null;
  }

  /**
   * The other gateway that owns the stream, even if it is considered dead, until another one owns the stream; null if
   * it has left. It may still be reachable: heartbeats need a majority of the store's servers, frames only one server.
   */
  lastOwnerOf(stream: string): Member | null {
    const member = this.#options.membership.member(this.#recorded(stream) ?? '');
    return member?.hasLeft === false ? member : null;
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Gives up a stream that is no longer configured at this gateway. */
  async release(stream: string): Promise<void> {
    this.#confirmed.delete(stream);
    if (!this.#isClosed && this.#recorded(stream) === this.#options.membership.id)
      await this.#options.replica.update(ownerKey(stream), { member: null });
  }

  /** Gives up all streams. */
  async close(): Promise<void> {
    const { streams, membership, replica } = this.#options;
    const owned = [...streams.keys()].filter((stream) => this.#recorded(stream) === membership.id);
    this.#isClosed = true;
    this.#stopListening();
    await Promise.all(owned.map((stream) => replica.update(ownerKey(stream), { member: null })));
  }

  #recorded(stream: string): string | null {
    return (this.#options.replica.get(ownerKey(stream))?.value as OwnerRecord | undefined)?.member ?? null;
  }

  /** Whether this gateway wrote the key's current value, and has been certain ever since. */
  #isConfirmed(stream: string): boolean {
    const confirmed = this.#confirmed.get(stream);
    return (
      confirmed !== undefined &&
      confirmed.lapses === this.#options.membership.lapses &&
      confirmed.revision === this.#options.replica.get(ownerKey(stream))?.revision
    );
  }

  #needsClaim(stream: string): boolean {
    const owner = this.ownerOf(stream);
    if (owner !== this.#options.membership.id) return owner === null;
    const { atMs = -Infinity } = this.#confirmed.get(stream) ?? {};
    return !this.#isConfirmed(stream) || performance.now() - atMs > REFRESH_MS;
  }

  #changed(): void {
    if (this.#isClosed) return;
    const { streams, membership } = this.#options;
    for (const stream of streams.keys()) {
      if (!this.#needsClaim(stream) || this.#claiming.has(stream) || !membership.isCertain) continue;
      this.#claiming.add(stream);
      runInBackground(this.#claim(stream), (error) =>
        this.#warnings.warn(`the stream could not be claimed: ${errorText(error)}`, { stream }),
      );
    }
    for (const listener of this.#listeners) listener();
  }

  async #claim(stream: string): Promise<void> {
    const { replica, membership } = this.#options;
    try {
      const { lapses } = membership;
      // After a conflict, the watch delivers the owner after the owner's heartbeats, without which it would be
      // considered dead.
      const revision = await replica.update(ownerKey(stream), { member: membership.id }, { reads: false });
      if (revision !== null) this.#confirmed.set(stream, { revision, lapses, atMs: performance.now() });
    } finally {
      this.#claiming.delete(stream);
    }
  }
}

/** Keys expire after an hour without a write. */
const REFRESH_MS = 1_200_000;

function ownerKey(stream: string): string {
  return `owner.${stream}`;
}
