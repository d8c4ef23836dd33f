import fc from 'fast-check';

/**
 * One change of wire bytes. Positions are shares of the length, so that a mutation fits bytes of any length and shrinks
 * towards their start.
 */
type Mutation =
  | { readonly kind: 'truncate'; readonly at: number }
  | { readonly kind: 'flip'; readonly at: number; readonly mask: number }
  | { readonly kind: 'set'; readonly at: number; readonly value: number }
  /** A length or count: 1, 2, 4 or 8 bytes in either order. */
  | {
      readonly kind: 'number';
      readonly at: number;
      readonly width: 1 | 2 | 4 | 8;
      readonly value: bigint;
      readonly littleEndian: boolean;
    }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'remove'; readonly at: number; readonly length: number }
  /** Copies a piece to another position. */
  | { readonly kind: 'copy'; readonly from: number; readonly length: number; readonly to: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number; readonly times: number };

const position = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
const pieceLength = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 16 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 4096 }) },
);

const boundary = fc.constantFrom(
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x10000n,
  0x7fffffffn,
  0x80000000n,
  0xfffffffen,
  0xffffffffn,
  0x7fffffffffffffffn,
  0xffffffffffffffffn,
);

/** One mutation. */
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('truncate' as const), at: position }),
  fc.record({ kind: fc.constant('flip' as const), at: position, mask: fc.integer({ min: 1, max: 255 }) }),
  fc.record({
    kind: fc.constant('set' as const),
    at: position,
    value: fc.constantFrom(0, 1, 0x20, 0x22, 0x5b, 0x7b, 0x7f, 0x80, 0xc1, 0xd8, 0xd9, 0xda, 0xff),
  }),
  fc.record({
    kind: fc.constant('number' as const),
    at: position,
    width: fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
    value: boundary,
    littleEndian: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: position,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 32 }),
  }),
  fc.record({ kind: fc.constant('remove' as const), at: position, length: pieceLength }),
  fc.record({ kind: fc.constant('copy' as const), from: position, length: pieceLength, to: position }),
  fc.record({
    kind: fc.constant('repeat' as const),
    at: position,
    length: pieceLength,
    times: fc.integer({ min: 2, max: 64 }),
  }),
);

/** A few mutations, applied one after another. */
export const mutations = fc.array(mutation, { minLength: 1, maxLength: 5 });

/** Maximum number of bytes that a `repeat` adds. It keeps inputs so small that many of them can be sent. */
const MAX_ADDED_BYTES = 64 << 10;

/** Applies mutations. Does not write to `bytes`. */
export function mutate(bytes: Uint8Array, changes: readonly Mutation[]): Buffer {
  return changes.reduce<Buffer>((before, change) => apply(before, change), Buffer.from(bytes));
}

function apply(bytes: Buffer, change: Mutation): Buffer {
  const index = (share: number): number => Math.floor(share * bytes.length);
  switch (change.kind) {
    case 'truncate':
      return bytes.subarray(0, index(change.at));
    case 'flip':
    case 'set': {
      const at = index(change.at);
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = change.kind === 'set' ? change.value : (copy[at] ?? 0) ^ change.mask;
      return copy;
    }
    case 'number': {
      const at = index(change.at);
      const copy = Buffer.from(bytes);
      for (let n = 0; n < change.width && at + n < copy.length; n += 1) {
        const shift = BigInt(8 * (change.littleEndian ? n : change.width - 1 - n));
        copy[at + n] = Number((change.value >> shift) & 0xffn);
      }
      return copy;
    }
    case 'insert':
      return Buffer.concat([bytes.subarray(0, index(change.at)), change.bytes, bytes.subarray(index(change.at))]);
    case 'remove':
      return Buffer.concat([bytes.subarray(0, index(change.at)), bytes.subarray(index(change.at) + change.length)]);
    case 'copy': {
      const piece = bytes.subarray(index(change.from), index(change.from) + change.length);
      return Buffer.concat([bytes.subarray(0, index(change.to)), piece, bytes.subarray(index(change.to))]);
    }
    case 'repeat': {
      const piece = bytes.subarray(index(change.at), index(change.at) + change.length);
      const times = piece.length === 0 ? 0 : Math.min(change.times, Math.floor(MAX_ADDED_BYTES / piece.length));
      return Buffer.concat([
        bytes.subarray(0, index(change.at)),
        ...Array.from({ length: times }, () => piece),
        bytes.subarray(index(change.at)),
      ]);
    }
    default:
      return change satisfies never;
  }
}
