import fc from 'fast-check';
import { messageType } from '../../../shared/protocol.ts';
import { type Packable, packValue } from '../message-pack.ts';
import { mutate, mutations } from '../mutations.ts';
import type { Random } from '../random.ts';
import { hostileNumber, hostilePacked, hostileText, hostileValue, manyKeys } from '../values.ts';

/**
 * A message of `gearway.v1`: prelude, header, padding, payload.
 *
 * @param announced header length, if it is not the actual one.
 */
export function encodeMessageBytes(
  type: number,
  header: Uint8Array,
  payload: Uint8Array = new Uint8Array(),
  {
    announced = header.byteLength,
    flags = 0,
    padding,
  }: { readonly announced?: number; readonly flags?: number; readonly padding?: number } = {},
): Buffer {
  const head = Buffer.alloc(8 + header.byteLength + (padding ?? (8 - (header.byteLength % 8)) % 8));
  head[0] = type;
  head[1] = flags;
  head.writeUInt32BE(announced >>> 0, 4);
  head.set(header, 8);
  return Buffer.concat([head, payload]);
}

/** Occasionally replaces the right value with any other. */
const instead = (right: fc.Arbitrary<Packable>): fc.Arbitrary<Packable> =>
  fc.oneof(
    { weight: 8, arbitrary: right },
    { weight: 1, arbitrary: hostileValue },
    { weight: 1, arbitrary: fc.oneof(hostileNumber, hostileText) },
  );

const sequence = instead(fc.oneof(fc.nat({ max: 3000 }), fc.constant(2 ** 53 - 1)));
const key = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: 32, maxLength: 32 });

/** Fields of each message of a viewer, by type. */
export const viewerFields: Readonly<
  Record<'ack' | 'return' | 'want' | 'ping' | 'control', fc.Arbitrary<{ readonly [key: string]: Packable }>>
> = {
  ack: fc.record(
    {
      sequence,
      painted: instead(fc.nat()),
      skipped: instead(fc.nat()),
      failed: instead(fc.nat()),
      decodeMs: instead(fc.double({ min: 0, max: 100, noNaN: true })),
      delayMs: instead(fc.double({ min: 0, max: 1000, noNaN: true })),
    },
    { requiredKeys: ['sequence', 'painted', 'skipped', 'failed', 'decodeMs'] },
  ),
  return: fc.record(
    {
      id: instead(fc.nat()),
      mode: instead(fc.constantFrom('sticky', 'once')),
      ttlMs: instead(fc.nat({ max: 2000 })),
      kind: instead(fc.constantFrom('value', 'value', 'jpeg', 'array')),
      value: hostileValue,
      dtype: instead(fc.constantFrom('uint8', 'float32', '>u2', 'object')),
      shape: instead(fc.array(fc.nat({ max: 40 }), { maxLength: 9 })),
    },
    { requiredKeys: ['id', 'mode', 'kind'] },
  ),
  want: fc.record(
    {
      paused: instead(fc.boolean()),
      maxFramesPerSecond: instead(fc.constantFrom(0.1, 1, 30, 1000)),
      raw: instead(fc.boolean()),
    },
    { requiredKeys: [] },
  ),
  ping: fc.record({ id: instead(fc.nat()) }, { requiredKeys: [] }),
  control: fc.record(
    {
      id: instead(fc.nat()),
      action: instead(fc.constantFrom('take', 'request', 'release', 'hand-over', 'refuse')),
      port: instead(fc.integer({ min: 5999, max: 6010 })),
    },
    { requiredKeys: ['id', 'action'] },
  ),
};

/** Fields of a `hello` except its token. */
export const helloFields: fc.Arbitrary<{ readonly [key: string]: Packable }> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      { spectate: fc.boolean(), name: hostileText.filter((text) => text.length <= 64) },
      { requiredKeys: [] },
    ) as fc.Arbitrary<{ [key: string]: Packable }>,
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { port: fc.integer({ min: 6000, max: 6400 }), leaseKey: key, takeOver: fc.boolean() },
      { requiredKeys: [] },
    ) as fc.Arbitrary<{ [key: string]: Packable }>,
  },
  {
    weight: 1,
    arbitrary: fc.record(
      {
        port: instead(fc.constant(6001)),
        leaseKey: instead(key),
        spectate: instead(fc.boolean()),
        name: instead(fc.constant('a')),
        takeOver: instead(fc.boolean()),
        extra: hostileValue,
      },
      { requiredKeys: [] },
    ),
  },
);

/** Fields of a frame that a publisher sends. */
export const frameFields: fc.Arbitrary<{ readonly [key: string]: Packable }> = fc.record(
  {
    capturedAtUs: instead(fc.constant(1_766_400_000_000_000)),
    encoding: instead(fc.constantFrom('jpeg', 'raw')),
    dtype: instead(fc.constantFrom('uint8', 'uint16', '>u2', 'float32')),
    shape: instead(fc.constantFrom([48, 64, 3], [48, 64], [4, 4])),
    message: hostileValue,
  },
  { requiredKeys: ['encoding'] },
);

/** A header that costs a decoder more than its sender. */
const costlyHeader = (random: Random): Buffer =>
  random.weighted([
    [3, () => packValue(random.sample(hostilePacked))],
    [2, () => packValue({ unknown: random.sample(hostilePacked) })],
    [1, () => manyKeys(random.pick([500, 5000, 60_000]))],
  ])();

/** Encodes a message, occasionally with a wrong prelude, another type, a costly header or changed bytes. */
export function encodeHostile(
  random: Random,
  type: number,
  fields: { readonly [key: string]: Packable },
  payload: Uint8Array = new Uint8Array(),
): Buffer {
  const header = packValue(fields);
  return random.weighted<() => Buffer>([
    [30, () => encodeMessageBytes(type, header, payload)],
    [1, () => encodeMessageBytes(random.pick([...Object.values(messageType), 0, 0x7f, 0x80, 0xff]), header, payload)],
    [
      1,
      () =>
        encodeMessageBytes(type, header, payload, {
          announced: random.pick([
            0,
            1,
            header.length - 1,
            header.length + 1,
            header.length + 8,
            1 << 20,
            (1 << 20) + 1,
            0x7fffffff,
            0xffffffff,
          ]),
        }),
    ],
    [
      1,
      () =>
        encodeMessageBytes(type, header, random.bytes(random.between(1, 40)), {
          padding: random.between(0, 16),
          flags: random.below(256),
        }),
    ],
    [1, () => encodeMessageBytes(type, costlyHeader(random), payload)],
    [2, () => mutate(encodeMessageBytes(type, header, payload), random.sample(mutations))],
  ])();
}
