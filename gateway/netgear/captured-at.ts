import type { Value } from '../../shared/protocol.ts';

/** Units of a Unix time, distinguished by magnitude: each range covers the years 2001 to 5138, without overlap. */
const UNITS = [
  { from: 1e9, below: 1e11, us: 1_000_000 },
  { from: 1e12, below: 1e14, us: 1000 },
  { from: 1e15, below: 1e17, us: 1 },
] as const;

/**
 * ISO 8601 as written by Python's `isoformat()` and JavaScript's `toISOString()`. The zone is required, because a time
 * without it is ambiguous.
 */
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/**
 * Reads the time at which a frame was captured from its message.
 *
 * @param path name of the value, such as `t`, or `meta.t` for a nested one.
 * @returns Unix time in microseconds; null if there is none. A number is interpreted as seconds, milliseconds or
 * microseconds depending on its magnitude, a string as ISO 8601 with a zone.
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
      return readUnixTime(Number(value));
    case 'string':
      return readIsoTime(value);
    default:
      return null;
  }
}

function readUnixTime(time: number): number | null {
  const unit = UNITS.find(({ from, below }) => time >= from && time < below);
  return unit === undefined ? null : Math.round(time * unit.us);
}

/** @returns Unix time in microseconds; null if the text is not ISO 8601 with a zone. */
export function readIsoTime(text: string): number | null {
  const [, date, time, fraction = '', zone] = ISO.exec(text) ?? [];
  // Date has only milliseconds, so the fraction is parsed separately.
  const ms = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(ms) ? null : ms * 1000 + Math.round(Number(`0.${fraction}0`) * 1_000_000);
}
