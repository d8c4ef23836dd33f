import { GearwayError } from '../../shared/errors.ts';
import { budgetBytes, type ReturnData } from '../hub/returns/return-data.ts';
import { MAX_ONCE, type ReturnFollower } from '../hub/returns/returns.ts';
import type { ReturnItem } from './return-wire.ts';

/** Maximum size of pending once-only values. Sticky ones are limited by their budget in the stream. */
const MAX_ONCE_BYTES = 16 << 20;

/** A pending change. */
export interface Waiting {
  readonly item: ReturnItem;
  readonly expiresAtMs: number;
}

/**
 * Changes of return data that wait to be sent to the owner, in order. Sticky values are conflated per port; once-only
 * values are kept, and refused when there are too many.
 */
export class ReturnQueue implements ReturnFollower {
  readonly #onChange: () => void;
  readonly #nowMs: () => number;
  #waiting: Waiting[] = [];
  /** Once-only values to be sent after the replayed joins. */
  #kept: Waiting[] = [];

  constructor(onChange: () => void, nowMs: () => number = () => performance.now()) {
    this.#onChange = onChange;
    this.#nowMs = nowMs;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Removes and returns all changes. Pass them to {@link itemsNow} each time that they are sent. */
  take(): readonly Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  /**
   * Discards everything but the once-only values, before all clients and sticky values are replayed.
   *
   * @param unsent taken earlier, and certainly not received by the owner.
   */
  restart(unsent: readonly Waiting[] = []): void {
    const once = [...unsent, ...this.#waiting].filter(({ item }) => item.kind === 'once');
    this.#waiting = [];
    this.#kept = once;
  }

  /** Called after the replay: adds the remaining once-only values of ports that are still connected. */
  replayed(): void {
    const ports = new Set(this.#waiting.filter(({ item }) => item.kind === 'join').map(({ item }) => item.port));
    this.#waiting.push(...this.#kept.filter(({ item }) => ports.has(item.port)));
    this.#kept = [];
  }

  join(port: number): void {
    this.#add({ kind: 'join', port });
  }

  set(port: number, data: ReturnData, ttlMs?: number): void {
    this.#remove(({ item }) => item.port === port && (item.kind === 'set' || item.kind === 'extend'));
    this.#add({ kind: 'set', port, data }, ttlMs);
  }

  extend(port: number, ttlMs?: number): void {
    const set = this.#waiting.find(({ item }) => item.kind === 'set' && item.port === port)?.item;
    if (set?.kind === 'set') {
      this.set(port, set.data, ttlMs);
      return;
    }
    this.#remove(({ item }) => item.port === port && item.kind === 'extend');
    this.#add({ kind: 'extend', port }, ttlMs);
  }

  push(port: number, data: ReturnData, ttlMs?: number): void {
    let count = 0;
    let bytes = budgetBytes(data);
    for (const { item } of this.#waiting) {
      if (item.kind !== 'once') continue;
      bytes += budgetBytes(item.data);
      if (item.port === port) count += 1;
    }
    if (count >= MAX_ONCE)
      throw new GearwayError(
        'too-many',
        `${MAX_ONCE} once-only values are already pending; send fewer, or use sticky values`,
      );
    if (bytes > MAX_ONCE_BYTES)
      throw new GearwayError(
        'too-large',
        `the once-only values in transit to the source take more than ${MAX_ONCE_BYTES} bytes; send less data`,
      );
    this.#add({ kind: 'once', port, data }, ttlMs);
  }

  discardOnce(port: number): void {
    this.#remove(({ item }) => item.port === port && item.kind === 'once');
    this.#add({ kind: 'discard', port });
  }

  end(port: number): void {
    // If the first waiting item of the port is a join, the owner has no client on this port. Otherwise, the owner has
    // this client or an earlier one.
    const first = this.#waiting.find(({ item }) => item.port === port);
    this.#remove(({ item }) => item.port === port);
    if (first?.item.kind !== 'join') this.#add({ kind: 'leave', port });
  }

  detach(): void {
    this.#waiting = [];
  }

  #remove(matches: (waiting: Waiting) => boolean): void {
    this.#waiting = this.#waiting.filter((waiting) => !matches(waiting));
  }

  #add(item: ReturnItem, ttlMs?: number): void {
    this.#waiting.push({ item, expiresAtMs: ttlMs === undefined ? Infinity : this.#nowMs() + ttlMs });
    this.#onChange();
  }
}

/** The items with their remaining time to live. An expired sticky value still replaces the previous one. */
export function itemsNow(waiting: readonly Waiting[], nowMs = performance.now()): readonly ReturnItem[] {
  return waiting.flatMap(({ item, expiresAtMs }) => {
    if (expiresAtMs === Infinity) return [item];
    if (item.kind === 'once' && expiresAtMs <= nowMs) return [];
    return [{ ...item, ttlMs: Math.max(0, expiresAtMs - nowMs) } as ReturnItem];
  });
}
