import { createRandom } from './jpeg-builder.ts';

/** A link at one time. */
export interface SimulatedLink {
  readonly bitsPerSecond: number;
  /** One way, each. */
  readonly delayMs: number;
  /** Maximum of a random addition to each delay, which never changes the order. */
  readonly jitterMs?: number;
  /** Whether nothing passes at present; what is in transit arrives afterwards. */
  readonly isStalled?: boolean;
}

/** Whether a link stalls now: half a second every five seconds, as a radio link that repeats lost packets. */
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
