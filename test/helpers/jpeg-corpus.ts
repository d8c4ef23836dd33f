import sharp, { type Sharp } from 'sharp';
import jpegTurbo from '@julusian/jpeg-turbo';
import { buildBomb, buildJpeg, createRandom, EOI, segment, SOI } from './jpeg-builder.ts';

/** A valid or invalid JPEG, and how it was made. */
export interface Sample {
  readonly name: string;
  readonly jpeg: Buffer;
  readonly colorspace: 'BGR' | 'CMYK';
  /** Whether it is undamaged and of a kind that cameras and programs write. */
  readonly isCommon: boolean;
}

type Random = () => number;

const sample = (name: string, jpeg: Buffer, isCommon = false, colorspace: Sample['colorspace'] = 'BGR'): Sample => ({
  name,
  jpeg,
  colorspace,
  isCommon,
});

/** Undamaged JPEGs of real encoders. */
async function encoded(random: Random): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const [width, height] of [
    [64, 48],
    [97, 61],
    [8, 8],
    [1, 1],
    [17, 300],
  ] as const) {
    const pixels = Buffer.from(
      Array.from({ length: width * height * 3 }, (_, at) => (Math.sin(at / 50) * 100 + 128 + random() * 20) & 255),
    );
    for (const [name, subsampling] of [
      ['4:4:4', jpegTurbo.SAMP_444],
      ['4:2:2', jpegTurbo.SAMP_422],
      ['4:2:0', jpegTurbo.SAMP_420],
      ['4:4:0', jpegTurbo.SAMP_440],
    ] as const) {
      for (const quality of [20, 90])
        samples.push(
          sample(
            `${width}×${height} ${name} q${quality}`,
            Buffer.from(
              jpegTurbo.compressSync(pixels, { format: jpegTurbo.FORMAT_BGR, width, height, subsampling, quality }),
            ),
            true,
          ),
        );
    }
    samples.push(
      sample(
        `${width}×${height} gray`,
        Buffer.from(
          jpegTurbo.compressSync(pixels, {
            format: jpegTurbo.FORMAT_GRAY,
            width,
            height,
            subsampling: jpegTurbo.SAMP_GRAY,
          }),
        ),
        true,
      ),
    );
    const image = (): Sharp => sharp(pixels, { raw: { width, height, channels: 3 } });
    for (const chromaSubsampling of ['4:2:0', '4:4:4'])
      samples.push(
        sample(
          `${width}×${height} progressive ${chromaSubsampling}`,
          await image().jpeg({ progressive: true, chromaSubsampling }).toBuffer(),
          true,
        ),
      );
    samples.push(sample(`${width}×${height} mozjpeg`, await image().jpeg({ mozjpeg: true }).toBuffer(), true));
    samples.push(
      sample(
        `${width}×${height} with EXIF`,
        await image()
          .withExif({ IFD0: { Copyright: 'x'.repeat(500) } })
          .jpeg()
          .toBuffer(),
        true,
      ),
    );
    samples.push(
      sample(`${width}×${height} CMYK`, await image().toColourspace('cmyk').jpeg().toBuffer(), false, 'CMYK'),
    );
  }
  return samples;
}

/**
 * Every combination of sampling factors of one, two, three and four components, without equivalent ones.
 */
function samplings(random: Random): Sample[] {
  const factors = [1, 2, 3, 4].flatMap((h) => [1, 2, 3, 4].map((v) => [h, v] as const));
  const samples: Sample[] = [];
  const add = (sampling: readonly (readonly [number, number])[]): void => {
    const text = sampling.map(([h, v]) => `${h}x${v}`).join(',');
    samples.push(
      sample(
        `sampling ${text}`,
        buildJpeg({ width: 50, height: 35, sampling, random }),
        false,
        sampling.length === 4 ? 'CMYK' : 'BGR',
      ),
    );
  };
  for (const first of factors) {
    add([first]);
    add([first, [1, 1]]);
    for (const second of factors) for (const third of factors) add([first, second, third]);
    add([first, [1, 1], [1, 1], first]);
  }
  return samples;
}

/** Kinds of JPEG in the standard that some decoders do not support. */
function kinds(random: Random): Sample[] {
  const samples: Sample[] = [];
  const base = {
    width: 50,
    height: 35,
    sampling: [
      [2, 2],
      [1, 1],
      [1, 1],
    ],
    random,
  } as const;
  for (let frameMarker = 0xc0; frameMarker <= 0xcf; frameMarker += 1)
    samples.push(sample(`marker ${frameMarker.toString(16)}`, buildJpeg({ ...base, frameMarker })));
  for (const precision of [2, 8, 10, 12, 16])
    for (const frameMarker of [0xc0, 0xc1])
      samples.push(
        sample(`${precision} bits, ${frameMarker.toString(16)}`, buildJpeg({ ...base, precision, frameMarker })),
      );
  for (const restartInterval of [1, 2, 3, 7, 100])
    samples.push(sample(`restart every ${restartInterval}`, buildJpeg({ ...base, restartInterval })));
  const jfif = (major: number, minor: number, name = 'JFIF\0'): Buffer =>
    segment(0xe0, ...Buffer.from(name), major, minor, 0, 0, 1, 0, 1, 0, 0);
  for (const [major, minor] of [
    [1, 1],
    [1, 2],
    [2, 1],
    [0, 0],
    [3, 9],
  ] as const)
    samples.push(sample(`JFIF ${major}.${minor}`, buildJpeg({ ...base, before: [jfif(major, minor)] })));
  for (const transform of [0, 1, 2, 9]) {
    samples.push(
      sample(
        `Adobe transform ${transform}`,
        buildJpeg({ ...base, before: [segment(0xee, ...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, transform)] }),
      ),
    );
    samples.push(
      sample(
        `Adobe transform ${transform}, four components`,
        buildJpeg({
          ...base,
          sampling: [
            [1, 1],
            [1, 1],
            [1, 1],
            [1, 1],
          ],
          before: [segment(0xee, ...Buffer.from('Adobe'), 0, 100, 0, 0, 0, 0, transform)],
        }),
        false,
        'CMYK',
      ),
    );
  }
  samples.push(
    sample(
      'thumbnail',
      buildJpeg({
        ...base,
        before: [segment(0xe1, ...Buffer.from('Exif\0\0'), ...buildJpeg({ ...base, width: 16, height: 16 }))],
      }),
    ),
  );
  samples.push(sample('comment', buildJpeg({ ...base, before: [segment(0xfe, 1, 2, 3)] })));
  for (const kind of ['progressive', 'sequential'] as const)
    for (const scans of [1, 10, 300])
      samples.push(sample(`${kind}, ${scans} scans`, buildBomb({ width: 64, height: 64, scans, kind, components: 3 })));
  return samples;
}

/** Offsets of the markers of a JPEG, including those in the data. */
function markersOf(jpeg: Buffer): number[] {
  const found: number[] = [];
  for (let at = 2; at + 1 < jpeg.byteLength; at += 1)
    if (jpeg[at] === 0xff && jpeg[at + 1] !== 0 && jpeg[at + 1] !== 0xff) found.push(at);
  return found;
}

function without(jpeg: Buffer, start: number, end: number): Buffer {
  return Buffer.concat([jpeg.subarray(0, start), jpeg.subarray(end)]);
}

function inserted(jpeg: Buffer, at: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([jpeg.subarray(0, at), bytes, jpeg.subarray(at)]);
}

/** Number of pixels of the largest size in any marker. */
function largestClaim(jpeg: Buffer): number {
  const claims = markersOf(jpeg).filter((at) => (jpeg[at + 1] ?? 0) >> 4 === 0xc && at + 9 < jpeg.byteLength);
  return Math.max(0, ...claims.map((at) => jpeg.readUInt16BE(at + 5) * jpeg.readUInt16BE(at + 7)));
}

/** A JPEG with one fault of a kind that cameras, cables, disks and programs cause. */
function damage(jpeg: Buffer, random: Random): { readonly fault: string; readonly jpeg: Buffer } {
  const pick = (count: number): number => Math.floor(random() * count);
  const anywhere = (): number => 2 + pick(Math.max(1, jpeg.byteLength - 4));
  const markers = markersOf(jpeg);
  const marker = markers[pick(markers.length)] ?? 2;
  const scan = jpeg.lastIndexOf(Buffer.of(0xff, 0xda));
  const inScan = (): number => scan + 14 + pick(Math.max(1, jpeg.byteLength - scan - 16));
  const filler = Buffer.from(Array.from({ length: 1 + pick(12) }, () => (random() < 0.5 ? 0 : pick(256))));
  const cases: readonly (() => { fault: string; jpeg: Buffer })[] = [
    () => ({ fault: 'extra bytes before EOI', jpeg: inserted(jpeg, jpeg.byteLength - 2, filler) }),
    () => ({ fault: 'zeros before EOI', jpeg: inserted(jpeg, jpeg.byteLength - 2, Buffer.alloc(1 + pick(40))) }),
    () => ({ fault: 'extra bytes anywhere', jpeg: inserted(jpeg, anywhere(), filler) }),
    () => ({ fault: 'extra bytes in the scan', jpeg: inserted(jpeg, inScan(), filler) }),
    () => ({ fault: 'extra bytes before a marker', jpeg: inserted(jpeg, marker, filler) }),
    () => ({ fault: 'cut and ended', jpeg: Buffer.concat([jpeg.subarray(0, anywhere()), EOI]) }),
    () => ({ fault: 'scan cut and ended', jpeg: Buffer.concat([jpeg.subarray(0, inScan()), EOI]) }),
    () => ({ fault: 'bytes missing in the scan', jpeg: without(jpeg, inScan(), inScan()) }),
    () => {
      const changed = Buffer.from(jpeg);
      for (let count = 1 + pick(40), at = inScan(); count > 0; count -= 1, at += 1)
        if (at < jpeg.byteLength - 2) changed[at] = pick(256);
      return { fault: 'bytes changed in the scan', jpeg: changed };
    },
    () => {
      const changed = Buffer.from(jpeg);
      const at = anywhere();
      changed[at] = (changed[at] ?? 0) ^ (1 << pick(8));
      return { fault: 'a bit changed', jpeg: changed };
    },
    () => {
      const changed = Buffer.from(jpeg);
      changed[2 + pick(Math.min(scan, 600))] = pick(256);
      return { fault: 'a byte changed in the header', jpeg: changed };
    },
    () => ({
      fault: 'a segment missing',
      jpeg: without(
        jpeg,
        marker,
        Math.min(jpeg.byteLength - 2, marker + 2 + jpeg.readUInt16BE(Math.min(marker + 2, jpeg.byteLength - 2))),
      ),
    }),
    () => ({ fault: 'a restart marker in the data', jpeg: inserted(jpeg, inScan(), Buffer.of(0xff, 0xd0 + pick(8))) }),
    () => ({ fault: 'a marker in the data', jpeg: inserted(jpeg, inScan(), Buffer.of(0xff, 0xc0 + pick(64))) }),
    () => ({ fault: 'SOI twice', jpeg: Buffer.concat([SOI, jpeg]) }),
    () => ({ fault: 'another JPEG after it', jpeg: Buffer.concat([jpeg, jpeg]) }),
    () => ({ fault: 'another scan', jpeg: inserted(jpeg, jpeg.byteLength - 2, jpeg.subarray(scan, -2)) }),
    () => ({ fault: 'padding', jpeg: Buffer.concat([jpeg, Buffer.alloc(pick(64), pick(2) * 255)]) }),
    () => ({ fault: 'fill bytes', jpeg: inserted(jpeg, marker, Buffer.alloc(1 + pick(4), 0xff)) }),
    () => ({
      fault: 'half of another one after it',
      jpeg: Buffer.concat([jpeg.subarray(0, inScan()), jpeg.subarray(inScan())]),
    }),
  ];
  return cases[pick(cases.length)]!();
}

/**
 * JPEGs on which decoders are compared: from real encoders, with all samplings and kinds, and damaged ones. The same
 * seed produces the same JPEGs.
 *
 * @param damaged number of damaged ones.
 */
export async function jpegCorpus(seed: number, damaged: number): Promise<Sample[]> {
  const random = createRandom(seed);
  const whole = [...(await encoded(random)), ...kinds(random), ...samplings(random)];
  const bases = whole.filter(({ isCommon, name }) => isCommon || name.startsWith('restart'));
  // A changed byte can make the picture very large, and decoding slow.
  const broken = Array.from({ length: damaged }, (_, index) => {
    const base = bases[Math.floor(random() * bases.length)]!;
    const { fault, jpeg } = damage(base.jpeg, random);
    return sample(`${fault} (${base.name}, number ${index})`, jpeg, false, base.colorspace);
  });
  return [...whole, ...broken.filter(({ jpeg }) => largestClaim(jpeg) < 1 << 22)];
}
