import { randomBytes } from 'node:crypto';
import { runInBackground } from '../../shared/background.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import { sleep } from '../sources/sleep.ts';
import type { Replica, ReplicaEntry, Store } from './store.ts';
import { isAnnouncement, type StreamAnnouncement } from './stream-announcement.ts';

/** Version of the protocol between gateways. Gateways of different versions do not form a cluster. */
export const CLUSTER_PROTOCOL = 3;

/** Interval between heartbeats, from the acknowledgement of one to the next. */
export const BEAT_MS = 500;

/** A member is declared dead when this many own heartbeats have been stored since its latest: at least 3 intervals. */
export const BEATS_UNTIL_DEAD = 4;

/**
 * How long a gateway keeps its streams after its last acknowledged heartbeat was sent. Less than 3 intervals, so that
 * it gives them up before another gateway can declare it dead.
 */
export const OWNS_FOR_MS = 1400;

/** A gateway of the cluster, as it describes itself. */
export interface Member {
  /** Random, different at each start. */
  readonly id: string;
  /** Name for display. */
  readonly name: string;
  /** Address of its pages; null before it listens. */
  readonly url: string | null;
  readonly protocol: number;
  readonly hasLeft: boolean;
  readonly streams: readonly StreamAnnouncement[];
}

interface Beat extends Member {
  /**
   * Increases with each heartbeat, so that a gateway recognizes its own heartbeats: other programs can write its key,
   * too.
   */
  readonly number: number;
}

/** Maximum number of own heartbeats that have not arrived through the watch. */
const MAX_AWAITED = 64;

/** Maximum number of other gateways; further ones are ignored. */
const MAX_MEMBERS = 1024;

/** Maximum number of streams of all other gateways together; a heartbeat that lists more is ignored. */
const MAX_STREAMS = 16_384;

/** Maximum rate of log entries about other gateways, because other programs can write members at any rate. */
const REPORTS = { perSecond: 0.1, burst: 32 } as const;

/** Maximum length of a name or an address. */
const MAX_TEXT = 2048;

interface Known {
  member: Member;
  /** Number of this gateway's regular heartbeats that were stored before the member's latest. */
  beatsBefore: number;
  /** When it was declared dead, or has left; null while it is alive. */
  diedAtMs: number | null;
  /** Whether it has been seen running, and has the same name as this gateway. */
  readonly isNamesake: boolean;
}

interface MembershipOptions {
  readonly store: Store;
  readonly replica: Replica;
  readonly name: string;
  /** Called for each heartbeat. */
  readonly describe: () => { readonly url: string | null; readonly streams: readonly StreamAnnouncement[] };
  readonly log: Logger;
  readonly nowMs?: () => number;
  readonly protocol?: number;
}

/**
 * Tracks which gateways are alive. Each writes a heartbeat to the store every {@link BEAT_MS}, and declares another one
 * dead after {@link BEATS_UNTIL_DEAD} of its own heartbeats without a heartbeat from the other. Therefore, no clocks
 * are compared, and a gateway that is suspended, or cut off from the store, does not declare other gateways dead.
 */
export class Membership {
  readonly id = randomBytes(6).toString('hex');
  readonly #options: MembershipOptions;
  readonly #nowMs: () => number;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<() => void>();
  readonly #stopListening: () => void;
  readonly #lapseListeners = new Set<(lapseMs: number) => void>();
  /**
   * Own heartbeats that have not arrived through the watch, and whether each was sent {@link BEAT_MS} after the
   * previous one was acknowledged. Other heartbeats do not measure time.
   */
  readonly #isRegular = new Map<number, boolean>();
  readonly #reports = new TokenBucket(REPORTS.perSecond, REPORTS.burst);
  /** Number of log entries suppressed since the last one that was written. */
  #unreported = 0;
  /** Number of streams of all other members. */
  #streams = 0;
  #number = 0;
  #lapses = 0;
  #ownBeats = 0;
  #ackedSentAtMs = -Infinity;
  #ackedAt: string | null = null;
  #isPreviousAcked = false;
  #hasLeft = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#stopListening = options.replica.listen((key, entry) => this.#received(key, entry));
    for (const [key, entry] of options.replica.entries()) this.#received(key, entry);
  }

  /** Writes one heartbeat. @throws if a majority of the servers cannot be reached in time. */
  async beat(): Promise<void> {
    const { store, name, describe, protocol = CLUSTER_PROTOCOL } = this.#options;
    this.#number += 1;
    const number = this.#number;
    this.#isRegular.set(number, this.#isPreviousAcked);
    // Limits the memory while the watch is interrupted.
    if (this.#isRegular.size > MAX_AWAITED) this.#isRegular.delete(number - MAX_AWAITED);
    this.#isPreviousAcked = false;
    const sentAtMs = this.#nowMs();
    const beat: Beat = { id: this.id, name, protocol, hasLeft: this.#hasLeft, number, ...describe() };
    await store.put(memberKey(this.id), JSON.stringify(beat));
    this.#isPreviousAcked = true;
    const lapseMs = this.#nowMs() - this.#ackedSentAtMs;
    this.#ackedSentAtMs = sentAtMs;
    this.#ackedAt = new Date().toISOString();
    if (lapseMs < OWNS_FOR_MS) return;
    this.#lapses += 1;
    for (const listener of this.#lapseListeners) listener(lapseMs);
  }

  /** Time since this gateway sent the last heartbeat that a majority of the servers has stored. */
  get silenceMs(): number {
    return this.#nowMs() - this.#ackedSentAtMs;
  }

  /** When that heartbeat was stored, ISO 8601; null before the first one. */
  get ackedAt(): string | null {
    return this.#ackedAt;
  }

  /** Whether no other gateway can have declared this one dead. */
  get isCertain(): boolean {
    return this.silenceMs < OWNS_FOR_MS;
  }

  /**
   * Number of times that this gateway was uncertain and became certain again. In the meantime another one may have
   * declared it dead, and its claims may still be in transit.
   */
  get lapses(): number {
    return this.#lapses;
  }

  /**
   * Calls the listener when a lapse ends, with the time for which the others may have received no heartbeat.
   *
   * @returns a function that removes the listener.
   */
  onLapse(listener: (lapseMs: number) => void): () => void {
    this.#lapseListeners.add(listener);
    return () => {
      this.#lapseListeners.delete(listener);
    };
  }

  isAlive(id: string): boolean {
    if (id === this.id) return !this.#hasLeft;
    return this.#known.get(id)?.diedAtMs === null;
  }

  /** When the member was declared dead, by the clock of this gateway. A member that was never seen died long ago. */
  diedAtMs(id: string): number {
    return this.#known.get(id)?.diedAtMs ?? -Infinity;
  }

  /** The other members that are alive and of the same version. */
  others(): readonly Member[] {
    const { protocol = CLUSTER_PROTOCOL } = this.#options;
    return [...this.#known.values()]
      .filter(({ diedAtMs, member }) => diedAtMs === null && member.protocol === protocol)
      .map(({ member }) => member);
  }

  member(id: string): Member | null {
    return this.#known.get(id)?.member ?? null;
  }

  /**
   * Calls the listener after each own heartbeat and each change of a member. @returns a function that removes the
   * listener.
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Resolves when no living member has another version.
   *
   * @throws {GearwayError} `cluster-version` if one does.
   */
  async checkVersions(): Promise<void> {
    const { protocol = CLUSTER_PROTOCOL } = this.#options;
    const foreign = (): Member[] =>
      [...this.#known.values()]
        .filter(({ member, diedAtMs }) => diedAtMs === null && member.protocol !== protocol)
        .map(({ member }) => member);
    // A key in the store may belong to a member that has exited: wait until it sends a heartbeat, or is declared dead.
    const old = new Set(foreign());
    while (foreign().length > 0) {
      const beating = foreign().find((member) => !old.has(member));
      if (beating !== undefined) throw versionError(beating, protocol);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#listeners.delete(done);
          resolve();
        };
        this.#listeners.add(done);
      });
    }
  }

  /** Notifies the others that this gateway is leaving. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    this.#stopListening();
    await this.beat();
  }

  #received(key: string, { value, atMs }: ReplicaEntry): void {
    if (!key.startsWith('member.')) return;
    const { protocol = CLUSTER_PROTOCOL } = this.#options;
    const member = readBeat(value, protocol);
    if (member === null || memberKey(member.id) !== key) return;
    if (member.id === this.id) {
      if (this.#isRegular.get(member.number) === true) this.#ownBeats += 1;
      // Earlier heartbeats will not arrive.
      for (const number of this.#isRegular.keys()) if (number <= member.number) this.#isRegular.delete(number);
      this.#findDead();
    } else {
      const known = this.#known.get(member.id);
      if (known === undefined && this.#known.size >= MAX_MEMBERS) return;
      const streams = this.#streams + member.streams.length - (known?.member.streams.length ?? 0);
      if (streams > MAX_STREAMS) {
        const name = cleanText(member.name);
        this.#report(
          'warn',
          member,
          `gateway ${name} is ignored: the cluster would have ${streams} streams, expected at most ${MAX_STREAMS}`,
        );
        return;
      }
      this.#streams = streams;
      const isNew = known === undefined || (known.diedAtMs !== null && !member.hasLeft);
      // Checked only from its second heartbeat on, because the last heartbeat of a previous process of this gateway may
      // still be in the store.
      const isNamesake = known !== undefined && member.name === this.#options.name;
      this.#known.set(member.id, {
        member,
        beatsBefore: this.#ownBeats,
        diedAtMs: member.hasLeft ? (known?.diedAtMs ?? atMs) : null,
        isNamesake,
      });
      if (isNamesake && !known.isNamesake)
        this.#report(
          'warn',
          member,
          `another gateway in this cluster is also named ${cleanText(member.name)}: give each gateway a unique name with ?gateway=NAME`,
        );
      if (isNew && !member.hasLeft) this.#report('info', member, `gateway ${cleanText(member.name)} is connected`);
      if (known?.diedAtMs === null && member.hasLeft)
        this.#report('info', member, `gateway ${cleanText(member.name)} has left`);
    }
    for (const listener of this.#listeners) listener();
  }

  #findDead(): void {
    for (const [id, known] of this.#known) {
      if (known.diedAtMs !== null) {
        if (this.#nowMs() - known.diedAtMs > FORGET_AFTER_MS) {
          this.#known.delete(id);
          this.#streams -= known.member.streams.length;
          this.#options.replica.forget(memberKey(id));
        }
        continue;
      }
      if (this.#ownBeats - known.beatsBefore < BEATS_UNTIL_DEAD) continue;
      known.diedAtMs = this.#nowMs();
      this.#report('warn', known.member, `gateway ${cleanText(known.member.name)} is silent and considered dead`);
    }
  }

  #report(level: 'info' | 'warn', { name: peer }: Member, text: string): void {
    if (!this.#reports.take(this.#nowMs())) {
      this.#unreported += 1;
      return;
    }
    const more = this.#unreported === 0 ? '' : ` (${this.#unreported} more messages about gateways were not logged)`;
    this.#unreported = 0;
    this.#options.log[level]({ peer }, `${text}${more}`);
  }
}

/** How long a dead member is remembered: longer than any reservation of its ports. */
const FORGET_AFTER_MS = 300_000;

export function memberKey(id: string): string {
  return `member.${id}`;
}

/**
 * @returns null if the value is not a heartbeat. For a member of another version, only the name and the version are
 * known.
 */
function readBeat(value: unknown, ownProtocol: number): Beat | null {
  if (typeof value !== 'object' || value === null) return null;
  const { id, name, url, protocol, hasLeft, number, streams } = value as Partial<Record<keyof Beat, unknown>>;
  if (typeof id !== 'string' || typeof name !== 'string' || name.length > MAX_TEXT || typeof protocol !== 'number')
    return null;
  const member = { id, name, protocol, hasLeft: hasLeft === true, number: typeof number === 'number' ? number : 0 };
  if (protocol !== ownProtocol) return { ...member, url: null, streams: [] };
  if ((url !== null && !isAddress(url)) || !Array.isArray(streams) || !streams.every(isAnnouncement)) return null;
  return { ...member, url, streams };
}

/** Whether pages may link to the address: only `http:` and `https:` are allowed. */
function isAddress(url: unknown): url is string {
  return typeof url === 'string' && url.length <= MAX_TEXT && /^https?:\/\//i.test(url) && URL.canParse(url);
}

function versionError({ name, protocol }: Member, own: number): GearwayError {
  const remedy = protocol > own ? 'update this gateway' : 'update that gateway first, or stop it';
  return new GearwayError(
    'cluster-version',
    `gateway ${cleanText(name)} of this cluster speaks version ${protocol} of the cluster protocol, this one version ${own}: ${remedy}`,
  );
}

/**
 * Interval between a failed heartbeat and the next one: the connection may be restored, and the other gateways are
 * waiting.
 */
const RETRY_MS = 200;

/**
 * Sends heartbeats until the signal aborts.
 *
 * @param onFailure called for the first of several heartbeats in a row that fail.
 * @param onRecovery called for the first heartbeat that succeeds afterwards.
 */
export function keepBeating(
  membership: Membership,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
  onRecovery: () => void,
): void {
  runInBackground(beatUntil(membership, signal, onFailure, onRecovery), onFailure);
}

async function beatUntil(
  membership: Membership,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
  onRecovery: () => void,
): Promise<void> {
  let hasFailed = false;
  while (!signal.aborted) {
    try {
      await membership.beat();
      if (hasFailed) onRecovery();
      hasFailed = false;
    } catch (error) {
      if (!signal.aborted && !hasFailed) onFailure(error);
      hasFailed = true;
    }
    await sleep(hasFailed ? RETRY_MS : BEAT_MS, signal);
  }
}
