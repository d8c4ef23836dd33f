import { describe, expect, it } from 'vitest';
import { grayOf } from '../../../gateway/codecs/array-pixels.ts';
import { readBmp } from '../../../gateway/codecs/bmp-file.ts';
import { inTurns } from '../../../gateway/codecs/in-turns.ts';
import { frameOfArray } from '../../../gateway/hub/returns/array-frame.ts';

const SIDE = 1024;

/** A BMP without compression, of black pixels. */
function bmp(bits: 8 | 24 | 32): Buffer {
  const head = Buffer.alloc(54 + (bits === 8 ? 1024 : 0), 1);
  head.write('BM', 'latin1');
  head.writeUInt32LE(head.byteLength, 10);
  head.writeUInt32LE(40, 14);
  head.writeInt32LE(SIDE, 18);
  head.writeInt32LE(SIDE, 22);
  head.writeUInt16LE(bits, 28);
  head.writeUInt32LE(0, 30);
  head.writeUInt32LE(0, 46);
  return Buffer.concat([head, Buffer.alloc((SIDE * SIDE * bits) / 8)]);
}

/** Number of iterations of the event loop during the work. */
async function turnsOf(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let counting = setImmediate(function count() {
    turns += 1;
    counting = setImmediate(count);
  });
  await work();
  clearImmediate(counting);
  return turns;
}

describe('inTurns', () => {
  it.each([
    [0, 4, []],
    [4, 4, [[0, 4]]],
    [9, 4, [[0, 4], [4, 8], [8, 9]]], // prettier-ignore
    [
      2,
      0.1,
      [
        [0, 1],
        [1, 2],
      ],
    ],
  ])('divides %d iterations into parts of %d', async (count, perTurn, parts) => {
    const seen: number[][] = [];
    await inTurns(count, perTurn, (from, to) => seen.push([from, to]));
    expect(seen).toEqual(parts);
  });

  it('passes errors on', async () => {
    const work = (): never => {
      throw new TypeError('wrong');
    };
    await expect(inTurns(1, 1, work)).rejects.toThrow('wrong');
  });

  it.each<[string, () => Promise<unknown>]>([
    ['grayOf', () => grayOf({ data: new Uint8Array(4 * SIDE * SIDE), width: SIDE, height: SIDE, channels: 4 })],
    ['readBmp, 8 bits with a palette', () => readBmp(bmp(8))],
    ['readBmp, 24 bits', () => readBmp(bmp(24))],
    ['readBmp, 32 bits', () => readBmp(bmp(32))],
    ['frameOfArray', () => frameOfArray({ dtype: 'int8', shape: [SIDE, SIDE], data: new Uint8Array(SIDE * SIDE) }, 1)],
    [
      'frameOfArray, decimated',
      () => frameOfArray({ dtype: 'uint8', shape: [2 * SIDE, 2 * SIDE], data: new Uint8Array(4 * SIDE * SIDE) }, 2),
    ],
  ])('divides the work of %s', async (_name, work) => {
    expect(await turnsOf(work)).toBeGreaterThanOrEqual(15);
  });
});
