import fc from 'fast-check';
import { type Packable, Packed } from './message-pack.ts';

/**
 * Strings that have broken parsers, lists and logs: empty, long, control and bidi characters, lone surrogates, markup,
 * names of prototypes.
 */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '',
      ' ',
      '\0',
      'a\0b',
      '\r\n',
      '\n2026-01-01T00:00:00.000Z gearway: forged',
      '\u001b[2J',
      '\u202Egnp.exe',
      '\u2066a\u2069',
      '\uFEFF',
      '\uD800',
      '\uDFFF\uD800',
      '👩‍👩‍👧‍👦',
      'e\u0301'.repeat(40),
      '<script>alert(1)</script>',
      '"><img src=x onerror=alert(1)>',
      '__proto__',
      'constructor',
      'toString',
      '../../etc/passwd',
      '%00',
      '%2e%2e%2f',
      "'; --",
      '${7*7}',
      'NaN',
      '-0',
      '1e999',
      'null',
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('a', '\u202e', '𝕏', '\0', '['), fc.constantFrom(64, 65, 512, 513, 4096, 70_000))
      .map(([text, times]) => text.repeat(times)),
  },
);

/**
 * A string without lone surrogates, which URLs and headers cannot contain. `toWellFormed` is missing in the oldest
 * supported Node.
 */
export function wellFormed(text: string): string {
  return Buffer.from(text).toString();
}

/** Numbers at the limits of number types. */
export const hostileNumber: fc.Arbitrary<number | bigint> = fc.oneof(
  fc.constantFrom(
    0,
    -0,
    -1,
    0.5,
    1e-300,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 53 - 1,
    2 ** 53,
    1e21,
    1e308,
    NaN,
    Infinity,
    -Infinity,
  ),
  fc.constantFrom(2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)),
  fc.integer(),
  fc.double(),
);

/** A value nested `depth` times, as MessagePack. */
export function nested(depth: number, kind: 'array' | 'map'): Packed {
  const level = kind === 'array' ? Buffer.of(0x91) : Buffer.of(0x81, 0xa1, 0x61);
  return new Packed(Buffer.concat([Buffer.alloc(depth * level.length, level), Buffer.of(0xc0)]));
}

/** MessagePack that costs a decoder much more than its sender, or announces more than follows. */
export const hostilePacked: fc.Arbitrary<Packed> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(10, 63, 64, 65, 66, 1000, 20_000), fc.constantFrom('array' as const, 'map' as const))
      .map(([depth, kind]) => nested(depth, kind)),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(
        'c1',
        'dcffff',
        'ddffffffff',
        'deffff',
        'dfffffffff',
        'c6ffffffff',
        'c9ffffffff42',
        'dbffffffff',
        'd9ff61',
        'c70042',
        'd6ff00000000',
        'c70cff000000000000000000000000',
      )
      .map((hex) => new Packed(Buffer.from(hex, 'hex'))),
  },
  // Extensions: big integers (0x42), records, and those of msgpackr.
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(0x42, 0x72, 0x69, 0x70, 0x73, 0x74, 0x78, 0x65, 0xff, 0),
        fc.constantFrom(0, 1, 4, 8, 64, 1787, 2077, 70_000),
      )
      .map(([type, length]) => new Packed(extension(type, length))),
  },
  { weight: 1, arbitrary: fc.constantFrom(1000, 20_000).map((count) => new Packed(manyKeys(count))) },
);

function extension(type: number, length: number): Buffer {
  const head = Buffer.alloc(6, type);
  head[0] = 0xc9;
  head.writeUInt32BE(length, 1);
  head[5] = type;
  return Buffer.concat([head, Buffer.alloc(length, 0x7f)]);
}

const maps = new Map<number, Buffer>();

/** A map with this number of different keys. The bytes must not be modified. */
export function manyKeys(count: number): Buffer {
  const known = maps.get(count);
  if (known !== undefined) return known;
  const parts = [Buffer.of(0xdf, 0, 0, 0, 0)];
  parts[0]!.writeUInt32BE(count, 1);
  for (let key = 0; key < count; key += 1) {
    const text = key.toString(36);
    parts.push(Buffer.of(0xa0 | text.length), Buffer.from(text), Buffer.of(0xc0));
  }
  const made = Buffer.concat(parts);
  maps.set(count, made);
  return made;
}

/** Any value that a viewer could return or a server could send. */
export const anyValue: fc.Arbitrary<Packable> = fc.letrec<{ tree: Packable; leaf: Packable }>((tie) => ({
  leaf: fc.oneof(
    fc.constantFrom<Packable>(null, true, false),
    hostileNumber,
    hostileText,
    fc.uint8Array({ maxLength: 20 }),
  ),
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('tree'), { maxLength: 5 }),
    fc.dictionary(
      hostileText.filter((text) => text.length < 100),
      tie('tree'),
      { maxKeys: 5 },
    ) as fc.Arbitrary<Packable>,
  ),
})).tree;

/** Any value, including MessagePack that libraries do not write. */
export const hostileValue: fc.Arbitrary<Packable> = fc.oneof(
  { weight: 4, arbitrary: anyValue },
  { weight: 1, arbitrary: hostilePacked },
);
