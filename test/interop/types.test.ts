import { describe, expect, it } from 'vitest';
import type { ClientStatus } from '../../shared/status.ts';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';

/** A picture created by Python; `colorspace` is null for a raw one. */
interface Case {
  readonly case: string;
  readonly array: string;
  readonly colorspace: string | null;
}
interface Seen {
  readonly case: string;
  readonly seen: string;
  readonly dtype: string;
}
interface Returns {
  readonly expression: string;
  readonly seen: string;
  readonly inside: string;
}

const COLORS = 'np.random.default_rng(7).integers(0, 256, (121, 401, 3), dtype=np.uint8)';
const FOUR_CHANNELS = COLORS.replace('401, 3', '401, 4');
const SIZES = [
  [1, 1],
  [7, 5],
  [479, 641],
] as const;

/** Bytes that any conversion would change: all values of one byte, interpreted as numbers of any type. */
const bytesAs = (dtype: string): string => `np.arange(960).astype('u1').view('${dtype}').reshape(5, -1, 3)`;

const SWAPPED = (expression: string): string => `${expression}[::2, ::-1]`;

const RAW: readonly Case[] = [
  ...[
    'u1',
    'i1',
    '?',
    ...['u2', 'u4', 'u8', 'i2', 'i4', 'i8', 'f2', 'f4', 'f8'].flatMap((type) => [`<${type}`, `>${type}`]),
  ].map((dtype) => ({ case: dtype, array: dtype === '?' ? `${bytesAs('u1')} > 127` : bytesAs(dtype) })),
  ...SIZES.map(([height, width]) => ({
    case: `${width}×${height}`,
    array: `np.full((${height}, ${width}, 3), 77, np.uint8)`,
  })),
  { case: 'gray, 2 dimensions', array: `${COLORS}[:, :, 0].copy()` },
  ...[1, 2, 4, 5].map((channels) => ({
    case: `${channels} channels`,
    array: `np.arange(35 * ${channels}, dtype=np.uint16).reshape(7, 5, ${channels})`,
  })),
  { case: 'every second row, mirrored', array: SWAPPED(COLORS) },
  { case: 'in Fortran order', array: `np.asfortranarray(${COLORS})` },
  { case: 'mirrored, big-endian', array: `${bytesAs('>f4')}[:, ::-1]` },
].map((each) => ({ ...each, colorspace: null }));

const JPEG: readonly Case[] = [
  ...['RGB', 'BGR', 'RGBX', 'BGRX', 'XBGR', 'XRGB', 'RGBA', 'BGRA', 'ABGR', 'ARGB', 'CMYK'].flatMap((colorspace) => {
    const array = ['RGB', 'BGR'].includes(colorspace) ? COLORS : FOUR_CHANNELS;
    return [
      { case: colorspace, array, colorspace },
      { case: `${colorspace}, every second row, mirrored`, array: SWAPPED(array), colorspace },
    ];
  }),
  { case: 'GRAY, 2 dimensions', array: `${COLORS}[:, :, 0].copy()`, colorspace: 'GRAY' },
  { case: 'GRAY, 1 channel', array: `${COLORS}[:, :, :1].copy()`, colorspace: 'GRAY' },
  ...['GRAY', 'BGR'].flatMap((colorspace) =>
    SIZES.map(([height, width]) => ({
      case: `${colorspace}, ${width}×${height}`,
      array: `np.full((${height}, ${width}, ${colorspace === 'BGR' ? 3 : 1}), 77, np.uint8)`,
      colorspace,
    })),
  ),
];

function write(peer: PythonPeer, line: unknown): void {
  peer.stdin.write(`${JSON.stringify(line)}\n`);
}

describe('frames of every type', () => {
  it.each([
    ['raw', RAW],
    ['as JPEG', JPEG],
  ] as const)('reach a real client as if sent by a real server, %s', async (_, cases) => {
    const [source, port] = (await freePorts(2)) as [number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
    await using client = new PythonPeer('types_client.py', { port, colorspace: null });
    await using server = new PythonPeer('types_server.py', { port: source });
    const results: Record<string, unknown> = {};
    const expected: Record<string, unknown> = {};
    for (const each of cases) {
      write(server, each);
      const sent = await server.waitFor<Seen>('case', (event) => event.case === each.case);
      const { seen } = await client.waitFor<Seen>('frame', (event) => event.case === each.case);
      results[each.case] = { seen, encoding: (await gateway.status()).frame?.encoding };
      expected[each.case] = { seen: sent.seen, encoding: each.colorspace === null ? sent.dtype : 'jpeg' };
    }
    expect(results).toEqual(expected);
    // One picture for each type, because a repeated picture cannot be distinguished.
    expect(client.events('frame')).toHaveLength(cases.length);
    expect((await gateway.status()).counters).toMatchObject({ rejected: 0, lastRejections: [] });
  });
});

const LONG = 'é☃😀" \\n'.repeat(1000);

/** Python expressions of return values, and their representation in the API. */
const VALUES: readonly (readonly [python: string, shown: unknown])[] = [
  ["''", ''],
  ["'text'", 'text'],
  ['\'é ☃ 😀 \\u0000 \\x7f "quoted" \\\\\'', 'é ☃ 😀 \u0000 \u007f "quoted" \\'],
  ["'\\ud800'", '\ud800'],
  ['0', 0],
  ['-17', -17],
  ['2**53 - 1', 2 ** 53 - 1],
  ['2**53 + 1', '9007199254740993'],
  ['-10**40', `-1${'0'.repeat(40)}`],
  ['[2**64]', '[18446744073709551616]'],
  ['0.1', 0.1],
  ['2.0', 2],
  ['-0.0', 0],
  ['1e300', 1e300],
  ['5e-324', 5e-324],
  ["float('nan')", 'NaN'],
  ["float('inf')", 'Infinity'],
  ["-float('inf')", '-Infinity'],
  ['[1.5, float("nan")]', '[1.5, NaN]'],
  ['True', true],
  ['False', false],
  ['[]', []],
  ['[1, 2.0, None, True, [[]], {}]', [1, 2, null, true, [[]], {}]],
  ['{}', {}],
  [
    "{'b': 1, 'a': {'10': [None], '2': {'é': 'ü'}}, '__proto__': 1, '': 0}",
    JSON.parse('{"b": 1, "a": {"10": [null], "2": {"é": "ü"}}, "__proto__": 1, "": 0}'),
  ],
  [
    JSON.stringify(LONG),
    `${JSON.stringify(LONG)
      .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .slice(0, 4096)}…`,
  ],
];

const ARRAYS: readonly (readonly [python: string, shown: unknown])[] = [
  ...['u1', '>u2', 'i4', 'f2', '<f4', '>f8'].map(
    (dtype) =>
      [
        bytesAs(dtype),
        {
          dtype: { u1: 'uint8', '>u2': '>u2', i4: 'int32', f2: 'float16', '<f4': 'float32', '>f8': '>f8' }[dtype],
          shape: [5, 64 / Number(dtype.at(-1)), 3],
          bytes: 960,
        },
      ] as const,
  ),
  [`${bytesAs('u1')} > 127`, { dtype: 'bool', shape: [5, 64, 3], bytes: 960 }],
  ['np.arange(7)', { dtype: 'int64', shape: [7], bytes: 56 }],
  ['np.zeros((0, 3))', { dtype: 'float64', shape: [0, 3], bytes: 0 }],
  ['np.arange(24, dtype="f4").reshape(2, 3, 4)[:, ::-1]', { dtype: 'float32', shape: [2, 3, 4], bytes: 96 }],
];

const PICTURES: readonly (readonly [python: string, shown: unknown])[] = [
  [COLORS, { jpeg: true, bytes: expect.any(Number) as number }],
  [SWAPPED(COLORS), { jpeg: true, bytes: expect.any(Number) as number }],
  ['np.full((1, 1, 3), 9, np.uint8)', { jpeg: true, bytes: expect.any(Number) as number }],
];

const GRAYS: readonly (readonly [python: string, shown: unknown])[] = [
  [`${COLORS}[:, :, 0].copy()`, { jpeg: true, bytes: expect.any(Number) as number }],
  ['np.full((7, 5, 1), 9, np.uint8)', { jpeg: true, bytes: expect.any(Number) as number }],
];

describe('return data of every type', () => {
  const KINDS = [
    { kind: 'values and raw arrays', colorspace: null, values: [...VALUES, ...ARRAYS] },
    { kind: 'arrays as JPEG', colorspace: 'BGR', values: PICTURES },
    { kind: 'arrays as gray JPEG', colorspace: 'GRAY', values: GRAYS },
  ];
  const modes = ['merge', 'newest'] as const;

  it.each(KINDS.flatMap((kind) => modes.map((mode) => ({ ...kind, mode }))))(
    'reaches a real server as if returned by a real client, $kind, returns=$mode',
    async ({ colorspace, values, mode }) => {
      const [source, port] = (await freePorts(2)) as [number, number];
      await using gateway = await LocalGateway.start(
        '--source',
        `netgear:tcp://127.0.0.1:${source}?pattern=1&returns=${mode}`,
        '--client',
        `tcp://127.0.0.1:${port}`,
      );
      await using client = new PythonPeer('types_client.py', { port, colorspace });
      await using server = new PythonPeer('types_server.py', { port: source });
      write(server, { case: 'a frame', array: 'np.zeros((16, 16, 3), np.uint8)', colorspace: null });
      await client.waitFor('frame');
      const shown: Record<string, unknown> = {};
      for (const [expression] of values) {
        write(client, { returns: expression });
        const { seen, inside } = await client.waitFor<Returns>('returns', (event) => event.expression === expression);
        const expected = mode === 'newest' ? seen : `{'${port}': ${inside}}`;
        await server.waitFor<{ data: string }>('returned', ({ data }) => data === expected, 5000);
        shown[expression] = ((await gateway.status()).clients[0] as ClientStatus).returnData;
      }
      expect(shown).toMatchObject(Object.fromEntries(values));
      expect((await gateway.status()).counters).toMatchObject({ rejected: 0, returnsRejected: 0 });
    },
  );
});
