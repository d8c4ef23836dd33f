import { buildJpeg, createRandom, segment } from './jpeg-builder.ts';
import { numberedJpegs } from './media.ts';

/** JPEGs that crash a real client, and that browsers show at least in part. */
const FAULTS: readonly ((jpeg: Buffer) => Buffer)[] = [
  (jpeg) => Buffer.concat([jpeg.subarray(0, -2), Buffer.alloc(8), jpeg.subarray(-2)]),
  (jpeg) => Buffer.concat([jpeg.subarray(0, jpeg.byteLength * 0.6), jpeg.subarray(-2)]),
  (jpeg) => Buffer.concat([jpeg.subarray(0, -200), Buffer.of(0xff, 0xd3), jpeg.subarray(-200)]),
  (jpeg) =>
    Buffer.concat([
      jpeg.subarray(0, 2),
      segment(0xe0, ...Buffer.from('JFIF\0'), 2, 1, 0, 0, 1, 0, 1, 0, 0),
      jpeg.subarray(20),
    ]),
  () =>
    buildJpeg({
      width: 400,
      height: 120,
      sampling: [
        [2, 2],
        [2, 1],
        [1, 2],
      ],
      random: createRandom(1),
    }),
];

/** Number of {@link JPEGS}. */
export const COUNT = 15;
/** Whether the JPEG with this index has a fault. */
export const isBad = (index: number): boolean => index % 3 !== 2;
const whole = await numberedJpegs(COUNT);
/** Numbered JPEGs, two of three with a fault. */
export const JPEGS = whole.map((jpeg, index) =>
  isBad(index) ? FAULTS[(index - Math.floor(index / 3)) % FAULTS.length]!(jpeg) : jpeg,
);
