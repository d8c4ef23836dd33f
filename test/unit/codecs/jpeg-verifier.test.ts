import { describe, expect, it } from 'vitest';
import { type JpegVerification, JpegVerifier } from '../../../gateway/codecs/jpeg-verifier.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { buildBomb, buildJpeg, createRandom } from '../../helpers/jpeg-builder.ts';

const JPEG = await encodeJpeg({
  data: Buffer.from(Array.from({ length: 64 * 48 * 3 }, (_, at) => (at * 31) % 251)),
  width: 64,
  height: 48,
  channels: 3,
});
const DAMAGED = Buffer.concat([JPEG.subarray(0, JPEG.byteLength - 300), JPEG.subarray(-2)]);

/** A decode that takes a while: tens of milliseconds. */
const SLOW = buildBomb({ width: 4096, height: 4096, scans: 10 });

const good = { isGood: true };
const bad = (code: string): unknown => ({
  isGood: false,
  error: expect.objectContaining({ name: 'GearwayError', code }) as unknown,
});
const FRAME = { lane: 'frames', key: 'a' } as const;

describe('JpegVerifier', () => {
  it.each([
    ['a whole JPEG', JPEG, good],
    ['a JPEG of many scans within the limits', SLOW, good],
    ['half a scan', DAMAGED, bad('jpeg-invalid')],
    [
      'bytes before EOI',
      Buffer.concat([JPEG.subarray(0, -2), Buffer.alloc(8), JPEG.subarray(-2)]),
      bad('jpeg-invalid'),
    ],
    [
      'an unusual sampling',
      buildJpeg({
        width: 50,
        height: 40,
        sampling: [
          [2, 2],
          [2, 1],
          [1, 2],
        ],
        random: createRandom(1),
      }),
      bad('jpeg-invalid'),
    ],
    [
      'arithmetic coding',
      buildJpeg({ width: 50, height: 40, sampling: [[1, 1]], frameMarker: 0xc9, random: createRandom(1) }),
      bad('jpeg-invalid'),
    ],
    ['no JPEG', Buffer.from('PNG'), bad('jpeg-invalid')],
    [
      'CMYK',
      buildJpeg({
        width: 50,
        height: 40,
        sampling: [
          [1, 1],
          [1, 1],
          [1, 1],
          [1, 1],
        ],
        random: createRandom(1),
      }),
      bad('jpeg-unverifiable'),
    ],
    ['a progressive bomb', buildBomb({ width: 4096, height: 4096, scans: 1200 }), bad('jpeg-too-complex')],
    [
      'a sequential bomb',
      buildBomb({ width: 1024, height: 1024, scans: 300, kind: 'sequential', components: 3 }),
      bad('jpeg-too-complex'),
    ],
    ['a JPEG that announces a gigantic size', buildJpegClaiming(20_000, 20_000), bad('too-large')],
  ])('recognizes %s', async (_name, jpeg, verdict) => {
    await using verifier = new JpegVerifier();
    expect(await verifier.verify(jpeg, FRAME).verdict).toEqual(verdict);
  });

  it('limits pictures in return data to a smaller size than frames', async () => {
    await using verifier = new JpegVerifier({ maxPixels: { frames: 64 * 48, returns: 64 * 48 - 1 } });
    expect(await verifier.verify(JPEG, FRAME).verdict).toEqual(good);
    expect(await verifier.verify(JPEG, { lane: 'returns', key: 'a' }).verdict).toEqual(bad('too-large'));
  });

  it('does not modify the given memory', async () => {
    await using verifier = new JpegVerifier();
    const larger = Buffer.concat([Buffer.alloc(100), JPEG, Buffer.alloc(100)]);
    const view = larger.subarray(100, 100 + JPEG.byteLength);
    expect(await verifier.verify(view, FRAME).verdict).toEqual(good);
    expect(view.equals(JPEG)).toBe(true);
  });

  it('serves the keys in rotation, and frames despite any amount of return data', async () => {
    await using verifier = new JpegVerifier();
    const done: string[] = [];
    const ask = (name: string, lane: 'frames' | 'returns', jpeg: Uint8Array): JpegVerification =>
      verifier.verify(jpeg, { lane, key: name });
    const greedy = Array.from({ length: 6 }, () => ask('greedy', 'returns', SLOW));
    const modest = ask('modest', 'returns', JPEG);
    const cameras = Array.from({ length: 4 }, () => ask('camera', 'frames', JPEG));
    /** Verifications of the greedy key that started before that of the modest one. */
    let before = 0;
    const note = (name: string) => (): void => {
      done.push(name);
      if (!modest.isStarted) before = greedy.filter(({ isStarted }) => isStarted).length;
    };
    note('begin')();
    await Promise.all([
      ...greedy.map(({ verdict }) => verdict.then(note('greedy'))),
      modest.verdict.then(note('modest')),
      ...cameras.map(({ verdict }) => verdict.then(note('camera'))),
    ]);
    // Counts starts, because two processes do not report in the order in which they started.
    expect(before).toBeLessThanOrEqual(2);
    expect(done.lastIndexOf('camera')).toBeLessThan(done.lastIndexOf('greedy'));
  });

  it('drops cancelled verifications that wait, and waiting ones when it is closed', async () => {
    const verifier = new JpegVerifier({ maxDecoders: 1 });
    const running = verifier.verify(SLOW, FRAME);
    const waiting = verifier.verify(JPEG, FRAME);
    const other = verifier.verify(JPEG, FRAME);
    expect([running.isStarted, waiting.isStarted]).toEqual([true, false]);
    waiting.cancel();
    expect(await waiting.verdict).toBeNull();
    running.cancel();
    await verifier.close();
    expect(await Promise.all([other.verdict, verifier.verify(JPEG, FRAME).verdict])).toEqual([null, null]);
    expect((await running.verdict) ?? bad('decoder-failed')).toEqual(bad('decoder-failed'));
  });

  it('refuses return data when too much of it waits, per key and in total', async () => {
    await using verifier = new JpegVerifier();
    const ask = (key: number): Promise<unknown> => verifier.verify(SLOW, { lane: 'returns', key }).verdict;
    const one = Array.from({ length: 18 }, () => ask(0));
    expect(await one.at(-1)).toEqual(bad('too-many'));
    for (let key = 1; key < 40; key += 1) for (let count = 0; count < 16; count += 1) void ask(key);
    expect(await ask(99)).toEqual(bad('too-many'));
  });
});

function buildJpegClaiming(width: number, height: number): Buffer {
  const jpeg = Buffer.from(JPEG);
  const frame = jpeg.indexOf(Buffer.of(0xff, 0xc0));
  jpeg.writeUInt16BE(height, frame + 5);
  jpeg.writeUInt16BE(width, frame + 7);
  return jpeg;
}
