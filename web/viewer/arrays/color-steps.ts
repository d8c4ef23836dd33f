import type { SampleMapping } from '../../../shared/arrays/array-renderer.ts';
import { NO_DATA_COLOR } from '../../../shared/arrays/array-style.ts';
import { COLORS } from '../../../shared/arrays/colormaps.ts';
import { readSamples } from '../../../shared/arrays/sample-reader.ts';
import type { SampleType } from '../../../shared/ndarray.ts';

/** Words of one step: the upper and the lower half of its first key, its colour, and an unused word. */
export const STEP_WORDS = 4;
/**
 * Maximum number of steps: one for each colour, for values below and above the range, for NaN of both signs, and for
 * "no data" and its end.
 */
export const MAX_STEPS = COLORS + 6;

/**
 * The colours of all samples of a type, as steps: a step reaches from its own key to that of the next one. The *key* of
 * a sample is its bits, changed so that the keys, as unsigned integers, are in the order of the values: the sign bit of
 * a signed integer or of a float that is not negative is inverted, and all bits of a negative float are.
 *
 * A GPU that compares keys therefore assigns exactly the same colours as {@link SampleMapping} to the samples of every
 * type, without arithmetic in 32-bit floats.
 *
 * @returns four words per step, in the order of their keys: see `STEP_WORDS`. The first step has key 0.
 */
export function createColorSteps(mapping: SampleMapping): Uint32Array<ArrayBuffer> {
  const { type, colors, noData, nanColor } = mapping;
  const { first, end } = numberKeys(type);
  const starts = smallestKeys(type, colors.length - 1, (samples, step) => {
    const positions = new Uint32Array(step.length);
    mapping.positions(samples, positions);
    return step.map((index, at) => (positions[at] ?? 0) > index);
  });
  let steps = [first, ...starts].map((start, position) => ({ start, color: colors[position] ?? 0 }));
  steps.push({ start: end, color: nanColor });
  if (first > 0n) steps.unshift({ start: 0n, color: nanColor });
  if (noData !== null) {
    const [from, to] = smallestKeys(type, 2, (samples, step) => {
      const values = new Float64Array(step.length);
      readSamples(type, samples, 0, step.length, values);
      return step.map((index, at) => (index === 0 ? (values[at] ?? 0) >= noData : (values[at] ?? 0) > noData));
    }) as [bigint, bigint];
    const after = steps.findLast(({ start }) => start <= to)?.color ?? nanColor;
    if (from < to)
      steps = [
        ...steps.filter(({ start }) => start < from),
        { start: from, color: NO_DATA_COLOR },
        { start: to, color: after },
        ...steps.filter(({ start }) => start > to),
      ];
  }
  // Of several steps with the same key, the last one counts. No key reaches the end of integers.
  const kept = steps.filter(({ start }, at) => start <= lastKey(type) && steps[at + 1]?.start !== start);
  const words = new Uint32Array(kept.length * STEP_WORDS);
  for (const [at, { start, color }] of kept.entries())
    words.set([Number(start >> 32n), Number(start & 0xffffffffn), color], at * STEP_WORDS);
  return words;
}

const lastKey = ({ bytes }: SampleType): bigint => (1n << BigInt(8 * bytes)) - 1n;

/**
 * Key of the smallest number, and the key after that of the largest number. The keys of NaN are outside of this range.
 */
function numberKeys(type: SampleType): { readonly first: bigint; readonly end: bigint } {
  const last = lastKey(type);
  if (type.kind !== 'float') return { first: 0n, end: last + 1n };
  const exponentBits = { 1: 0, 2: 5, 4: 8, 8: 11 }[type.bytes];
  const fractionBits = BigInt(8 * type.bytes - 1 - exponentBits);
  const infinity = ((1n << BigInt(exponentBits)) - 1n) << fractionBits;
  const key = infinity | (1n << BigInt(8 * type.bytes - 1));
  return { first: last - key, end: key + 1n };
}

/**
 * Finds the smallest key for which each of several conditions holds, by bisection for all conditions at the same time;
 * the key after that of the largest number if there is none.
 *
 * @param holds returns whether the condition of each index holds for the sample at the same index. A condition that
 * holds for a number holds for all larger ones.
 */
function smallestKeys(
  type: SampleType,
  conditions: number,
  holds: (samples: Uint8Array, indexes: readonly number[]) => readonly boolean[],
): bigint[] {
  const { first, end } = numberKeys(type);
  const indexes = Array.from({ length: conditions }, (_, index) => index);
  const low = indexes.map(() => first);
  const high = indexes.map(() => end);
  for (;;) {
    const open = indexes.filter((index) => (low[index] as bigint) < (high[index] as bigint));
    if (open.length === 0) return low;
    const middles = open.map((index) => ((low[index] as bigint) + (high[index] as bigint)) >> 1n);
    for (const [at, isTrue] of holds(samplesOf(type, middles), open).entries()) {
      const [index, middle] = [open[at] as number, middles[at] as bigint];
      if (isTrue) high[index] = middle;
      else low[index] = middle + 1n;
    }
  }
}

/** The samples that have these keys, in the byte order of the type. */
function samplesOf({ kind, bytes, isBigEndian }: SampleType, keys: readonly bigint[]): Uint8Array {
  const sign = 1n << BigInt(8 * bytes - 1);
  const samples = new Uint8Array(keys.length * bytes);
  const cell = new DataView(new ArrayBuffer(8));
  for (const [at, key] of keys.entries()) {
    let bits = key;
    if (kind === 'int' || (kind === 'float' && key >= sign)) bits = key ^ sign;
    else if (kind === 'float') bits = ~key;
    cell.setBigUint64(0, BigInt.asUintN(64, bits), !isBigEndian);
    samples.set(new Uint8Array(cell.buffer, isBigEndian ? 8 - bytes : 0, bytes), at * bytes);
  }
  return samples;
}
