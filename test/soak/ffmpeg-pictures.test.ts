import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway } from '../../gateway/create-gateway.ts';
import { parseFfmpegVersion } from '../../gateway/sources/ffmpeg/ffmpeg-version.ts';
import { FrameRecorder } from '../helpers/frame-recorder.ts';
import { ffmpeg, Folder, MjpegCamera } from '../helpers/media.ts';

/** RGB of the bars of a test picture, each 32 pixels wide. */
const BARS = [
  [224, 32, 32],
  [32, 192, 32],
  [32, 64, 224],
  [224, 192, 32],
  [32, 192, 192],
  [192, 32, 192],
  [128, 128, 128],
  [240, 232, 216],
  [16, 32, 48],
  [96, 96, 96],
] as const;
const BAR = 32;
const MAX_ERROR = 3;

/** RGB of further colours, in patches of {@link BAR} pixels: the corners of the cube, and pseudorandom ones. */
const PATCHES_PER_ROW = 16;
const PATCHES = Array.from({ length: 13 * PATCHES_PER_ROW }, (_, patch) =>
  [0, 1, 2].map((channel) =>
    patch < 8 ? ((patch >> channel) & 1) * 255 : ((patch * 3 + channel + 1) * 2_654_435_761) >>> 24,
  ),
);

const version = parseFfmpegVersion(execFileSync('ffmpeg', ['-version'], { encoding: 'utf8' }));
const isNew = version === null || version.major >= 6;

/** FFmpeg's names of each matrix: for its scaler, and for its encoders. */
const MATRICES = {
  'BT.601': ['bt601', 'smpte170m'],
  'BT.709': ['bt709', 'bt709'],
  'BT.2020': ['bt2020', 'bt2020nc'],
} as const;
const RANGES = { limited: 'tv', full: 'pc' } as const;

let folder: Folder;

/** Writes a video of the bars. */
async function writeBars(
  name: string,
  {
    codec,
    matrix,
    range,
    height = 64,
    isTagged = true,
  }: { codec: string; matrix: keyof typeof MATRICES; range: keyof typeof RANGES; height?: number; isTagged?: boolean },
): Promise<string> {
  const [scaled, tag] = MATRICES[matrix];
  const bars = folder.file(`bars-${height}.png`);
  const samples = Buffer.from(BARS.flatMap((rgb) => Array<readonly number[]>(BAR).fill(rgb).flat()));
  await sharp(samples, { raw: { width: BARS.length * BAR, height: 1, channels: 3 } })
    .resize({ width: BARS.length * BAR, height, fit: 'fill', kernel: 'nearest' })
    .png()
    .toFile(bars);
  const x265 = codec === 'libx265' ? ['-x265-params', `log-level=error:range=${range}:colormatrix=${tag}`] : [];
  const tags = isTagged ? ['-colorspace', tag, '-color_range', RANGES[range]] : [];
  const untagged =
    isTagged || codec !== 'libx264' ? [] : ['-bsf:v', 'h264_metadata=matrix_coefficients=2:video_full_range_flag=0'];
  await ffmpeg(
    '-loop',
    '1',
    '-framerate',
    '10',
    '-i',
    bars,
    '-frames:v',
    '5',
    '-vf',
    `scale=out_color_matrix=${scaled}:out_range=${RANGES[range]}:flags=accurate_rnd+full_chroma_int,format=yuv420p`,
    '-c:v',
    codec,
    ...x265,
    '-b:v',
    '20M',
    ...tags,
    ...untagged,
    folder.file(name),
  );
  return folder.file(name);
}

/** Writes a lossless video of the patches. */
async function writePatches(
  name: string,
  { matrix, range, format }: { matrix: keyof typeof MATRICES; range: keyof typeof RANGES; format: string },
): Promise<string> {
  const [scaled, tag] = MATRICES[matrix];
  const patches = folder.file('patches.png');
  const [columns, rows] = [PATCHES_PER_ROW, PATCHES.length / PATCHES_PER_ROW];
  await sharp(Buffer.from(PATCHES.flat()), { raw: { width: columns, height: rows, channels: 3 } })
    .resize({ width: columns * BAR, height: rows * BAR, fit: 'fill', kernel: 'nearest' })
    .png()
    .toFile(patches);
  const conversion = `scale=out_color_matrix=${scaled}:out_range=${RANGES[range]}:flags=accurate_rnd+full_chroma_int`;
  const input = ['-loop', '1', '-framerate', '10', '-i', patches, '-frames:v', '5'];
  const encoder = ['-vf', `${conversion},format=${format}`, '-c:v', 'libx264', '-qp', '0'];
  await ffmpeg(...input, ...encoder, '-colorspace', tag, '-color_range', RANGES[range], folder.file(name));
  return folder.file(name);
}

/** The newest frame of a source, decoded to RGB. */
async function frameOf(
  source: string,
): Promise<{ readonly data: Buffer; readonly width: number; readonly height: number }> {
  await using gateway = await createGateway({ source, port: 0 });
  const url = (await gateway.listen()).url.slice(0, -1);
  await using viewer = await FrameRecorder.open(url);
  await viewer.take(1);
  const snapshot = Buffer.from(await (await fetch(`${url}/streams/main/snapshot.png`)).arrayBuffer());
  const { data, info } = await sharp(snapshot).raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** The maximum difference between the middle of a bar and its colour. */
function barError({
  data,
  width,
  height,
}: {
  readonly data: Buffer;
  readonly width: number;
  readonly height: number;
}): number {
  const channels = data.byteLength / width / height;
  return Math.max(
    ...BARS.flatMap((rgb, bar) =>
      rgb.map((sample, channel) =>
        Math.abs(sample - data[((height >> 1) * width + bar * BAR + BAR / 2) * channels + channel]!),
      ),
    ),
  );
}

beforeAll(async () => {
  folder = await Folder.create();
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

describe('colours of a video', () => {
  it.each([
    ...(['BT.601', 'BT.709', 'BT.2020'] as const).flatMap((matrix) =>
      (['limited', 'full'] as const).map((range) => ['libx264', matrix, range, ''] as const),
    ),
    ['libx265', 'BT.709', 'limited', ''],
    ['libx265', 'BT.2020', 'full', ''],
    ['libvpx-vp9', 'BT.709', 'limited', ''],
    ['mpeg4', 'BT.601', 'limited', ''],
    ['libx264', 'BT.709', 'limited', '&pixels=bgr24'],
    ['libx264', 'BT.2020', 'full', '&pixels=bgr24'],
    ['libx264', 'BT.709', 'full', '&quality=95&filter=null&copy=false'],
  ] as const)('%s in %s, %s range%s are right', async (codec, matrix, range, options) => {
    const path = await writeBars(`${codec}-${matrix}-${range}.mkv`, { codec, matrix, range });
    expect(barError(await frameOf(`ffmpeg:${path}?loop=true${options}`))).toBeLessThanOrEqual(
      isNew && matrix === 'BT.2020' ? MAX_ERROR + 1 : MAX_ERROR,
    );
  });

  it.each([
    [720, 'BT.709'],
    [64, 'BT.601'],
  ] as const)('without a matrix, with %i lines, are those of %s', async (height, matrix) => {
    const path = await writeBars(`untagged-${height}.mkv`, {
      codec: 'libx264',
      matrix,
      range: 'limited',
      height,
      isTagged: false,
    });
    // Scaling rounds once more. Another matrix would differ by at least 20.
    for (const [options, maxError] of [
      ['', MAX_ERROR],
      [`&size=${BARS.length * BAR}x64`, 2 * MAX_ERROR],
    ] as const)
      expect(barError(await frameOf(`ffmpeg:${path}?loop=true${options}`)), options).toBeLessThanOrEqual(maxError);
  });

  it.each([
    ['BT.601', 'limited', 'yuv420p'],
    ['BT.709', 'limited', 'yuv420p'],
    ['BT.709', 'full', 'yuv420p'],
    ['BT.709', 'limited', 'yuv422p10le'],
    ['BT.709', 'full', 'yuv444p'],
    ['BT.2020', 'limited', 'yuv420p10le'],
  ] as const)('%s, %s range, %s are right for two hundred colours', async (matrix, range, format) => {
    const path = await writePatches(`patches-${matrix}-${range}-${format}.mkv`, { matrix, range, format });
    const { data, width, height } = await frameOf(`ffmpeg:${path}?loop=true&quality=100`);
    expect([width, height]).toEqual([PATCHES_PER_ROW * BAR, (PATCHES.length / PATCHES_PER_ROW) * BAR]);
    const errors = PATCHES.map((rgb, patch) => {
      const [x, y] = [patch % PATCHES_PER_ROW, Math.floor(patch / PATCHES_PER_ROW)];
      const middle = ((y * BAR + BAR / 2) * width + x * BAR + BAR / 2) * 3;
      return Math.max(...rgb.map((sample, channel) => Math.abs(sample - data[middle + channel]!)));
    });
    expect(PATCHES.filter((_, patch) => errors[patch]! > MAX_ERROR)).toEqual([]);
  });

  it('are those of RGB if it has no matrix', async () => {
    await writeBars('x.mkv', { codec: 'libx264', matrix: 'BT.601', range: 'full' });
    await ffmpeg(
      '-loop',
      '1',
      '-framerate',
      '10',
      '-i',
      folder.file('bars-64.png'),
      '-frames:v',
      '5',
      '-c:v',
      'ffv1',
      '-pix_fmt',
      'bgr0',
      folder.file('rgb.mkv'),
    );
    expect(barError(await frameOf(`ffmpeg:${folder.file('rgb.mkv')}?loop=true`))).toBeLessThanOrEqual(MAX_ERROR);
  });
});

describe('pixels that are not square', () => {
  const write = async (name: string, size: string, ratio: string, ...encoder: string[]): Promise<string> => {
    await ffmpeg(
      '-f',
      'lavfi',
      '-i',
      `testsrc=size=${size}:rate=10:duration=1`,
      '-vf',
      `setsar=${ratio}`,
      ...encoder,
      folder.file(name),
    );
    return folder.file(name);
  };

  it.each([
    ['96x108', '2/1', '', [192, 108]],
    ['352x288', '12/11', '', [384, 288]],
    ['192x54', '1/2', '', [96, 54]],
    ['64x48', '1/1', '', [64, 48]],
    ['63x47', '1/1', '', [63, 47]],
    ['96x108', '2/1', '&pixels=bgr24', [192, 108]],
    ['96x108', '2/1', '&pixels=gray16le', [192, 108]],
    ['96x108', '2/1', '&size=64x64', [64, 64]],
    ['96x108', '2/1', '&filter=setsar=1', [96, 108]],
    ['96x108', '100/1', '', [1920, 22]],
  ] as const)('%s of %s%s are shown as %j', async (size, ratio, options, expected) => {
    const path = await write('sar.mkv', size, ratio, '-c:v', 'ffv1');
    const { width, height } = await frameOf(`ffmpeg:${path}?loop=true${options}`);
    expect([width, height]).toEqual(expected);
  });

  it('of JPEGs in a recording become square when encoded, and stay unchanged when copied', async () => {
    const path = await write('sar.avi', '96x108', '2/1', '-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p');
    expect(await frameOf(`ffmpeg:${path}?loop=true`)).toMatchObject({ width: 192, height: 108 });
    expect(await frameOf(`ffmpeg:${path}?loop=true&copy=true`)).toMatchObject({ width: 96, height: 108 });
  });

  const changes: [
    string,
    readonly [string, string],
    readonly [string, string],
    readonly [number, number],
    readonly [number, number],
  ][] = [['size', ['160x120', '1/1'], ['120x160', '1/1'], [160, 120], [120, 160]]];
  // Newer versions always report the initial shape of a stream.
  if (!isNew) changes.push(['shape', ['144x112', '16/15'], ['144x112', '64/45'], [154, 112], [204, 112]]);

  it.each(changes)(
    'of a live camera that changes its %s mid-stream are shown correctly',
    async (_what, before, after, first, second) => {
      const encoder = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '5', '-bf', '0'];
      const [one, two] = [
        await readFile(await write('1.ts', ...before, ...encoder)),
        await readFile(await write('2.ts', ...after, ...encoder)),
      ];
      const send = (response: ServerResponse, bytes: Buffer): NodeJS.Timeout =>
        setInterval(() => response.write(bytes), 300);
      let hasChanged = false;
      await using camera = await MjpegCamera.serve((response) => {
        response.writeHead(200, { 'Content-Type': 'video/mp2t' });
        let timer = send(response, hasChanged ? two : one);
        const change = setInterval(() => {
          if (!hasChanged) return;
          clearInterval(change);
          clearInterval(timer);
          timer = send(response, two);
        }, 50);
        response.on('close', () => {
          clearInterval(timer);
          clearInterval(change);
        });
      });
      await using gateway = await createGateway({ source: `ffmpeg:${camera.url}/live.ts`, port: 0 });
      const size = (): readonly (number | undefined)[] => [
        gateway.stream.status().frame?.width,
        gateway.stream.status().frame?.height,
      ];
      await gateway.listen();
      await expect.poll(size).toEqual(first);
      hasChanged = true;
      await expect.poll(size).toEqual(second);
      expect(gateway.stream.status().source.lastError).toBe(
        'the size or shape of the picture has changed; the source is reopened',
      );
    },
    60_000,
  );
});
