import { createRandom } from './jpeg-builder.ts';

/** The state of a link at one time. */
export interface SimulatedLink {
  readonly bitsPerSecond: number;
  /** Latency of each direction, without jitter. */
  readonly delayMs: number;
  /** Maximum of a random addition to each delay, which never changes the order. */
  readonly jitterMs?: number;
  /** Whether the link is interrupted at present; items in transit arrive afterwards. */
  readonly isStalled?: boolean;
}

/** The narrowest part of a simulated path: sends the queued items one after another. */
export class Bottleneck<T extends { bytes: number }> {
  readonly #queue: T[] = [];
  /** Number of bytes that may still be sent. */
  #credit = 0;

  /** @param item its `bytes` is changed to the number of bytes that are left. */
  push(item: T): void {
    this.#queue.push(item);
  }

  /** Sends for a millisecond. @returns the items that were sent completely. */
  carry(bitsPerSecond: number): readonly T[] {
    this.#credit = this.#queue.length === 0 ? 0 : this.#credit + bitsPerSecond / 8000;
    const sent: T[] = [];
    for (let [next] = this.#queue; next !== undefined && this.#credit > 0; [next] = this.#queue) {
      const bytes = Math.min(next.bytes, this.#credit);
      next.bytes -= bytes;
      this.#credit -= bytes;
      if (next.bytes > 0) break;
      this.#queue.shift();
      sent.push(next);
    }
    return sent;
  }
}

/** Part of a simulated path that delays items and keeps their order. */
export class DelayLine<T> {
  readonly #random: () => number;
  readonly #inTransit: { readonly dueMs: number; readonly item: T }[] = [];

  /** @param random for the jitter, 0 to 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  push(item: T, nowMs: number, { delayMs, jitterMs }: Pick<SimulatedLink, 'delayMs' | 'jitterMs'>): void {
    const jitter = jitterMs === undefined ? 0 : jitterMs * this.#random();
    this.#inTransit.push({ dueMs: Math.max(this.#inTransit.at(-1)?.dueMs ?? 0, nowMs + delayMs + jitter), item });
  }

  /** Removes and yields the items that have arrived, including those pushed without a delay in the meantime. */
  *arrived(nowMs: number): Generator<T> {
    for (let [next] = this.#inTransit; next !== undefined && next.dueMs <= nowMs; [next] = this.#inTransit) {
      this.#inTransit.shift();
      yield next.item;
    }
  }
}

/** Whether a link stalls now: half a second every five seconds, like a radio link that repeats lost packets. */
export function isStalled(nowMs: number): boolean {
  return nowMs > 5000 && nowMs % 5000 < 500;
}

/** A mobile network: 0.5 to 8 Mbit/s, another bandwidth every two seconds, with jitter and stalls. */
export function mobileLink(seed: number): (nowMs: number) => SimulatedLink {
  const random = createRandom(seed);
  const rates: number[] = [];
  return (nowMs) => {
    const period = Math.floor(nowMs / 2000);
    while (rates.length <= period) rates.push(0.5e6 + 7.5e6 * random());
    return { bitsPerSecond: rates[period] ?? 0, delayMs: 30, jitterMs: 50, isStalled: isStalled(nowMs) };
  };
}

/** A quantile of values, without interpolation. */
export function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * part)] ?? NaN;
}
