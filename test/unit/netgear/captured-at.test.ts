import { describe, expect, it } from 'vitest';
import { readCapturedAt } from '../../../gateway/netgear/captured-at.ts';
import type { Value } from '../../../shared/protocol.ts';

describe('readCapturedAt', () => {
  it.each<[string, Value, number]>([
    ['seconds', 1_700_000_000, 1_700_000_000_000_000],
    ['seconds with a fraction, as returned by time.time()', 1_700_000_000.123456, 1_700_000_000_123_456],
    ['milliseconds', 1_700_000_000_123, 1_700_000_000_123_000],
    ['milliseconds with a fraction', 1_700_000_000_123.5, 1_700_000_000_123_500],
    ['microseconds', 1_700_000_000_123_456, 1_700_000_000_123_456],
    ['a bigint', 1_700_000_000_123_456n, 1_700_000_000_123_456],
    ['the first second', 1e9, 1e15],
    ['the first millisecond', 1e12, 1e15],
    ['the first microsecond', 1e15, 1e15],
  ])('reads %s', (_name, t, expected) => {
    expect(readCapturedAt({ t }, 't')).toBe(expected);
  });

  it.each<[string, number]>([
    ['2023-11-14T22:13:20Z', 1_700_000_000_000_000],
    ['2023-11-14T22:13:20.123Z', 1_700_000_000_123_000],
    ['2023-11-14T22:13:20.123456+00:00', 1_700_000_000_123_456],
    ['2023-11-14 22:13:20.123456+00:00', 1_700_000_000_123_456],
    ['2023-11-14T23:13:20.000001+01:00', 1_700_000_000_000_001],
    ['2023-11-14T16:43:20,5-05:30', 1_700_000_000_500_000],
  ])('reads the text %s', (t, expected) => {
    expect(readCapturedAt({ t }, 't')).toBe(expected);
  });

  it('reads a nested value', () => {
    expect(readCapturedAt({ meta: { camera: [{ t: 1_700_000_000 }] } }, 'meta.camera.0.t')).toBe(1_700_000_000_000_000);
  });

  it.each<Value>([
    999_999_999,
    1e11,
    999_999_999_999,
    1e14,
    999_999_999_999_999,
    1e17,
    -1_700_000_000,
    0,
    NaN,
    Infinity,
    12_345.678,
    10n ** 400n,
    '',
    'now',
    '1700000000',
    '2023-11-14',
    '2023-11-14T22:13:20',
    '2023-11-14T22:13Z',
    '2023-13-14T22:13:20Z',
    'Tue, 14 Nov 2023 22:13:20 GMT',
    '2023-11-14T22:13:20Z ',
    null,
    true,
    [1_700_000_000],
    { t: 1_700_000_000 },
  ])('does not accept %s as a time', (t) => {
    expect(readCapturedAt({ t }, 't')).toBeNull();
  });

  it.each<[Value, string]>([
    [null, 't'],
    [1_700_000_000, 't'],
    ['1700000000', 'length'],
    [{}, 't'],
    [{ t: 1 }, 't.x'],
    [{ t: null }, 't.x'],
    [{}, '__proto__'],
    [{}, 'constructor.length'],
    [[], 'length'],
  ])('finds no time in %j at %s', (message, path) => {
    expect(readCapturedAt(message, path)).toBeNull();
  });
});
