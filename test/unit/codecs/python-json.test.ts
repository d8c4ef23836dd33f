/** Texts on the Python side were written and read by CPython 3.11's json module. */
import { describe, expect, it } from 'vitest';
import {
  formatPythonJson,
  MAX_JSON_CHARACTERS,
  parsePythonJson,
  parsePythonObject,
  parseTypedPythonJson,
  PythonFloat,
} from '../../../gateway/codecs/python-json.ts';
import type { Value } from '../../../shared/protocol.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** Lists nested `depth` times. Built from the inside, because recursion would overflow the stack. */
function nestedList(depth: number): Value {
  let value: Value = [];
  for (let i = 1; i < depth; i += 1) value = [value];
  return value;
}

const nestedText = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

/** Values with the output of `json.dumps`. */
const WRITTEN: readonly (readonly [Value, string])[] = [
  [1e16, '1e+16'],
  [1e22, '1e+22'],
  [1e100, '1e+100'],
  [1e-5, '1e-05'],
  [1e-4, '0.0001'],
  [0.000_123_45, '0.00012345'],
  [-1.5e-7, '-1.5e-07'],
  [123_456_789.123, '123456789.123'],
  [1_000_000_000_000_000.5, '1000000000000000.5'],
  [0.1, '0.1'],
  [2.5, '2.5'],
  [1 / 3, '0.3333333333333333'],
  [5e-324, '5e-324'],
  [-0, '-0.0'],
  [1.797_693_134_862_315_7e308, '1.7976931348623157e+308'],
  [NaN, 'NaN'],
  [Infinity, 'Infinity'],
  [-Infinity, '-Infinity'],
  // The first two floats that are not safe integers.
  [2 ** 53, '9007199254740992.0'],
  [2 ** 54, '1.8014398509481984e+16'],
  [-(2 ** 53), '-9007199254740992.0'],
  // The last numbers that are written as int.
  [2 ** 53 - 1, '9007199254740991'],
  [-(2 ** 53 - 1), '-9007199254740991'],
  [0, '0'],
  [7, '7'],
  [-7, '-7'],
  [2n ** 70n, '1180591620717411303424'],
  [-(2n ** 70n), '-1180591620717411303424'],
  ['é漢😀', '"\\u00e9\\u6f22\\ud83d\\ude00"'],
  ['\u007f', '"\\u007f"'],
  ['\u0080ÿ', '"\\u0080\\u00ff"'],
  ['"\\/\b\f\n\r\t', '"\\"\\\\/\\b\\f\\n\\r\\t"'],
  ['\u0000\u001f', '"\\u0000\\u001f"'],
  ['\u2028\u2029', '"\\u2028\\u2029"'],
  ['\ud800', '"\\ud800"'],
  ['a\ud83d', '"a\\ud83d"'],
  ['\ufeff', '"\\ufeff"'],
  ['</script>', '"</script>"'],
  ['', '""'],
  [null, 'null'],
  [true, 'true'],
  [false, 'false'],
  [[], '[]'],
  [{}, '{}'],
  [{ a: [1, 2.5, null, true, false, { b: [] }], c: {} }, '{"a": [1, 2.5, null, true, false, {"b": []}], "c": {}}'],
];

/** Texts that `json.loads` refuses, each with JSONDecodeError. */
const MALFORMED = [
  '',
  '  ',
  '[1,]',
  '{"a":1,}',
  '[,]',
  '{,}',
  '[1',
  '[1 2]',
  '[],',
  '}',
  '1 2',
  '{"a"',
  '{"a":',
  '{"a":1 "b":2}',
  '{1:2}',
  "'a'",
  '01',
  '-01',
  '+1',
  '.5',
  '1.',
  '1e',
  '1.0e',
  '--1',
  '-',
  '1_000',
  '0x10',
  'nan',
  'NAN',
  'Nan',
  'NaNN',
  '-NaN',
  'Inf',
  'infinity',
  '-infinity',
  'tru',
  'True',
  'None',
  '"abc',
  '"a\nb"',
  '"\\x41"',
  '"\\u12"',
  '\u00a01',
  '\u000b1',
  '\ufeff1',
];

describe('parsePythonJson', () => {
  it.each(WRITTEN)('reads back %o', (value, text) => {
    expect(parsePythonJson(text)).toEqual(value);
  });

  it('keeps the sign of a negative zero', () => {
    expect(Object.is(parsePythonJson('-0.0'), -0)).toBe(true);
  });

  it.each([
    ['1E5', 100_000],
    ['1e+05', 100_000],
    ['1e400', Infinity],
    ['[NaN,Infinity]', [NaN, Infinity]],
    ['\t[ 1 ,\n2 ]\r ', [1, 2]],
    ['"\\ud83d\\ude00"', '😀'],
    ['"\\u00E9\\/"', 'é/'],
    ['"\u007f"', '\u007f'],
    ['{"a":1,"a":2}', { a: 2 }],
  ])('reads %j', (text, value) => {
    expect(parsePythonJson(text)).toEqual(value);
  });

  it.each(MALFORMED)('rejects %j', (text) => {
    expect(() => parsePythonJson(text)).toThrow(coded('json-invalid'));
  });

  it('converts only integers beyond 2^53 to bigint', () => {
    expect(parsePythonJson('9007199254740991')).toBe(9_007_199_254_740_991);
    expect(parsePythonJson('9007199254740992')).toBe(9_007_199_254_740_992n);
    expect(parsePythonJson('-9007199254740992')).toBe(-9_007_199_254_740_992n);
    expect(parsePythonJson('9007199254740993')).toBe(9_007_199_254_740_993n);
    expect(parsePythonJson('9007199254740992.0')).toBe(9_007_199_254_740_992);
  });

  it.each(['', '-'])('reads an integer of 4300 digits and rejects one of 4301 (sign %j)', (sign) => {
    expect(String(parsePythonJson(sign + '9'.repeat(4300)) as bigint)).toBe(sign + '9'.repeat(4300));
    expect(() => parsePythonJson(sign + '9'.repeat(4301))).toThrow(coded('integer-too-long'));
    expect(() => parsePythonJson(`[${sign}${'9'.repeat(100_000)}]`)).toThrow(coded('integer-too-long'));
  });

  it('reads a float of more than 4300 digits, as Python does', () => {
    expect(parsePythonJson(`${'9'.repeat(5000)}.0`)).toBe(Infinity);
  });

  it('reads 64 nested lists and rejects 65', () => {
    expect(parsePythonJson(nestedText(64))).toEqual(nestedList(64));
    expect(() => parsePythonJson(nestedText(65))).toThrow(coded('json-too-deep'));
    expect(() => parsePythonJson(`${'{"a": '.repeat(65)}1${'}'.repeat(65)}`)).toThrow(coded('json-too-deep'));
    expect(() => parsePythonJson(`${'{"a": ['.repeat(32)}1${']}'.repeat(32)}`)).not.toThrow();
  });

  it('rejects 100 000 nested lists', () => {
    expect(() => parsePythonJson(nestedText(100_000))).toThrow(coded('json-too-deep'));
    expect(() => parsePythonJson('['.repeat(100_000))).toThrow(coded('json-too-deep'));
  });

  it.each([
    ['numbers', '[1, 2.5, -3]', 7],
    ['texts and words', '["a", true, null]', 7],
    ['dicts and keys', '{"a": {"b": 1}}', 4 + 4 + 4 + 4 + 1],
    ['empty lists', '[[], []]', 12],
  ])('counts %s as elements, and rejects more than the limit', (_name, text, count) => {
    expect(parsePythonJson(text, count)).toEqual(JSON.parse(text));
    expect(() => parsePythonJson(text, count - 1)).toThrow(coded('json-too-large'));
  });

  it('reads a key __proto__ as a key', () => {
    const value = parsePythonJson('{"__proto__": {"x": 1}, "constructor": 2}') as Record<string, Value>;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(value['x']).toBeUndefined();
    expect(formatPythonJson(value)).toBe('{"__proto__": {"x": 1}, "constructor": 2}');
  });

  it('reads and rejects texts of a megabyte', () => {
    const long = '\\n'.repeat(500_000);
    expect(parsePythonJson(`"${long}"`)).toHaveLength(500_000);
    expect(() => parsePythonJson(`"${long}`)).toThrow(coded('json-invalid'));
    expect(() => parsePythonJson(`"${'a'.repeat(1_000_000)}`)).toThrow(coded('json-invalid'));
    expect(parsePythonJson(`${' '.repeat(1_000_000)}1`)).toBe(1);
  });
});

describe('parsePythonObject', () => {
  it('reads the maximum number of elements of a browser, and not one more', () => {
    // The object itself counts as three elements, its key as four, and the list as four.
    const objectOf = (numbers: number): string => `{"a": [${'0,'.repeat(numbers - 1)}0]}`;
    expect(() => parsePythonObject(objectOf((1 << 17) - 11))).not.toThrow();
    expect(() => parsePythonObject(objectOf((1 << 17) - 10))).toThrow(coded('json-too-large'));
    expect(() => parsePythonObject(`{"a": [${'[],'.repeat(300_000)}0]}`)).toThrow(coded('json-too-large'));
  });

  it('returns the position of each value', () => {
    const text = '{"a": 1.0,  "b" :[2, {"a": 3}] ,"c":"x"}';
    const { fields, spans } = parsePythonObject(text);
    expect(fields).toEqual({ a: 1, b: [2, { a: 3 }], c: 'x' });
    expect([...spans].map(([key, { start, end }]) => [key, text.slice(start, end)])).toEqual([
      ['a', '1.0'],
      ['b', '[2, {"a": 3}]'],
      ['c', '"x"'],
    ]);
  });

  it('returns the last of two values of a key, as Python does', () => {
    const { fields, spans } = parsePythonObject('{"a": 1, "a": 22}');
    expect(fields).toEqual({ a: 22 });
    expect(spans.get('a')).toEqual({ start: 14, end: 16 });
  });

  it.each(['[]', '1', '"a"', 'null', '', '{} {}', '{"a": 1'])('rejects %j', (text) => {
    expect(() => parsePythonObject(text)).toThrow(coded('json-invalid'));
  });
});

describe('formatPythonJson', () => {
  it.each(WRITTEN)('writes %o as %s', (value, text) => {
    expect(formatPythonJson(value)).toBe(text);
  });

  it('writes a number without fraction as int: JavaScript has no 100.0', () => {
    expect(formatPythonJson(100.0)).toBe('100');
  });

  it('writes an integer of 4300 digits and rejects one of 4301', () => {
    const largest = 10n ** 4300n - 1n;
    expect(formatPythonJson(largest)).toBe('9'.repeat(4300));
    expect(formatPythonJson(-largest)).toBe(`-${'9'.repeat(4300)}`);
    expect(() => formatPythonJson(largest + 1n)).toThrow(coded('value-invalid'));
    expect(() => formatPythonJson(-largest - 1n)).toThrow(coded('value-invalid'));
  });

  it('writes 64 nested lists and rejects 65', () => {
    expect(formatPythonJson(nestedList(64))).toBe(nestedText(64));
    expect(() => formatPythonJson(nestedList(65))).toThrow(coded('value-invalid'));
  });

  it('rejects 100 000 nested lists, and a list that contains itself', () => {
    expect(() => formatPythonJson(nestedList(100_000))).toThrow(coded('value-invalid'));
    const endless: Value[] = [];
    endless.push(endless);
    expect(() => formatPythonJson(endless)).toThrow(coded('value-invalid'));
  });

  it('rejects a small value whose text would exhaust the memory', () => {
    let doubled: Value = 'a';
    for (let i = 0; i < 60; i += 1) doubled = [doubled, doubled];
    expect(() => formatPythonJson(doubled)).toThrow(coded('too-large'));
    const longKey = { ['k'.repeat(100_000)]: 1 };
    expect(() => formatPythonJson(Array.from({ length: 10_000 }, () => longKey))).toThrow(coded('too-large'));
  });

  it('writes a large text of characters that need escapes without blocking the event loop', () => {
    const start = process.cpuUsage();
    expect(formatPythonJson('\u007f'.repeat(1 << 20)) === `"${'\\u007f'.repeat(1 << 20)}"`).toBe(true);
    // 40 ms; with a callback per character 500 ms.
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(300);
  });

  it('writes texts up to its limit', () => {
    expect(formatPythonJson('a'.repeat(MAX_JSON_CHARACTERS - 2))).toHaveLength(MAX_JSON_CHARACTERS);
    expect(() => formatPythonJson('a'.repeat(MAX_JSON_CHARACTERS - 1))).toThrow(coded('too-large'));
    expect(() => formatPythonJson(['a'.repeat(MAX_JSON_CHARACTERS - 2)])).toThrow(coded('too-large'));
  });

  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a date', new Date(0)],
    ['a map', new Map([['a', 1]])],
    ['a set', new Set([1])],
    ['an error', new Error('e')],
    ['bytes', new Uint8Array(2)],
    ['bytes deep inside', { a: [{ b: new Uint8Array(2) }] }],
    ['an expression', /a/],
    ['a list with undefined', [1, undefined]],
  ])('rejects %s', (_name, value) => {
    expect(() => formatPythonJson(value as unknown as Value)).toThrow(coded('value-invalid'));
  });

  it('writes an object without prototype', () => {
    expect(formatPythonJson(Object.assign(Object.create(null) as object, { a: 1 }) as Value)).toBe('{"a": 1}');
  });
});

describe('parseTypedPythonJson', () => {
  it('distinguishes floats from integers, and writes them accordingly', () => {
    const text = '{"a": [2.0, 2, -0.0, 1e+22, 1180591620717411303424, NaN, Infinity, -Infinity], "b": {"c": 0.5}}';
    const value = parseTypedPythonJson(text);
    const float = (number: number): PythonFloat => new PythonFloat(number);
    expect(value).toEqual({
      a: [float(2), 2, float(-0), float(1e22), 2n ** 70n, float(NaN), float(Infinity), float(-Infinity)],
      b: { c: float(0.5) },
    });
    expect(formatPythonJson(value)).toBe(text);
  });
});
