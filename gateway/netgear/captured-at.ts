import type { Value } from '../../shared/protocol.ts';

/** Unix times in seconds, milliseconds and microseconds don't meet between 1973 and 5138. */
const SECONDS_BELOW = 1e11;
const MILLISECONDS_BELOW = 1e14;

/**
 * Reads from a message when its picture was taken.
 *
 * @param path where it stands, such as `t` or `meta.time`: Unix time in seconds, milliseconds or microseconds, told apart by their size, or ISO 8601.
 * @returns microseconds of Unix time; null when nothing of the kind stands there.
 */
export function readCapturedAt(message: Value, path: string): number | null {
  let value: unknown = message;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null;
    value = (value as { readonly [key: string]: unknown })[key];
  }
  if (typeof value === 'string') {
    const ms = /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : NaN;
    return Number.isNaN(ms) ? null : ms * 1000;
  }
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) return null;
  const factor = value < SECONDS_BELOW ? 1e6 : value < MILLISECONDS_BELOW ? 1000 : 1;
  const us = Math.round(value * factor);
  return Number.isSafeInteger(us) ? us : null;
}
