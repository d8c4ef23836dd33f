import type { Value } from '../../shared/protocol.ts';

/** What a number of Unix time is counted in, by its size: each range is 2001 to 5138, and none overlaps another. */
const UNITS = [
  { from: 1e9, below: 1e11, us: 1_000_000 },
  { from: 1e12, below: 1e14, us: 1000 },
  { from: 1e15, below: 1e17, us: 1 },
] as const;

/** ISO 8601 as Python's `isoformat()` and JavaScript's `toISOString()` write it, with its zone: without one it may be any of 24 hours. */
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/**
 * When a frame was captured, read from the message that came with it.
 *
 * @param path the name of the value, such as `t`, or `meta.t` for one inside another.
 * @returns microseconds of Unix time; null when there is none. A number counts as seconds, milliseconds or microseconds by its size, a text as
 * ISO 8601 with a zone.
 */
export function readCapturedAt(message: Value, path: string): number | null {
  let value = message;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as { readonly [key: string]: Value })[name] ?? null;
  }
  switch (typeof value) {
    case 'number':
    case 'bigint':
      return readNumber(Number(value));
    case 'string':
      return readIsoTime(value);
    default:
      return null;
  }
}

function readNumber(time: number): number | null {
  const unit = UNITS.find(({ from, below }) => time >= from && time < below);
  return unit === undefined ? null : Math.round(time * unit.us);
}

/** @returns microseconds of Unix time; null for what is no ISO 8601 with its zone. */
export function readIsoTime(text: string): number | null {
  const [, date, time, fraction = '', zone] = ISO.exec(text) ?? [];
  // Date counts milliseconds; the fraction is read by itself.
  const ms = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(ms) ? null : ms * 1000 + Math.round(Number(`0.${fraction}0`) * 1_000_000);
}
