import { execFileSync } from 'node:child_process';
import { getPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { FlvReader, type AccessUnit } from '../../gateway/renditions/flv-reader.ts';
import { H264Encoder, type VideoConfig } from '../../gateway/renditions/h264-encoder.ts';
import type { VideoStep } from '../../gateway/renditions/ladder.ts';
import { feature, type FrameMessage } from '../../shared/protocol.ts';
import type { FrameInput } from '../../gateway/hub/frame.ts';
import { createHttpApp, type HttpApp } from '../helpers/http-app.ts';
import { Viewer } from '../helpers/viewer.ts';
import { byteStream } from '../helpers/h264.ts';
import { isRunning } from '../helpers/is-running.ts';

const [WIDTH, HEIGHT] = [320, 240];
const STEP: VideoStep = { kind: 'h264', divisor: 1, bitsPerSecond: 500_000 };

/** Moving pictures of FFmpeg's JPEG encoder. */
function jpegs(width: number, height: number, count = 30): readonly Uint8Array[] {
  const data = execFileSync(
    'ffmpeg',
    [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      `testsrc2=size=${width}x${height}:rate=30`,
      '-frames:v',
      String(count),
      '-f',
      'mjpeg',
      '-q:v',
      '4',
      '-',
    ],
    { maxBuffer: 1 << 26 },
  );
  const found: Uint8Array[] = [];
  for (let start = 0; start < data.byteLength;) {
    const end = data.indexOf(Buffer.from([0xff, 0xd9]), start) + 2;
    found.push(data.subarray(start, end));
    start = end;
  }
  return found;
}

interface Encoded {
  readonly item: number;
  readonly unit: AccessUnit;
  readonly config: VideoConfig;
}

/** Feeds pictures until the encoder has delivered the expected number. */
async function encode(
  pictures: readonly Uint8Array[],
  count: number,
  isKey: (item: number) => boolean,
): Promise<readonly Encoded[]> {
  const encoded: Encoded[] = [];
  let failure: string | null = null;
  const encoder = new H264Encoder<number>({ width: WIDTH, height: HEIGHT, framesPerSecond: 30 }, STEP, {
    encoded: (item, unit, config) => encoded.push({ item, unit, config }),
    ended: (reason) => (failure = reason),
  });
  try {
    for (let item = 0; encoded.length < count && failure === null; await sleep(5)) {
      if (encoder.encode(item, pictures[item % pictures.length]!, isKey(item))) item += 1;
    }
    expect(failure).toBeNull();
    return encoded;
  } finally {
    encoder.close();
  }
}

describe('H264Encoder', () => {
  it('returns an access unit for each picture in order, with key frames where they are requested', async () => {
    const encoded = await encode(jpegs(WIDTH, HEIGHT), 40, (item) => item === 15 || item === 31);
    expect(encoded.map(({ item }) => item)).toEqual(encoded.map((_, index) => index));
    expect(encoded.filter(({ unit }) => unit.isKey).map(({ item }) => item)).toEqual([0, 15, 31]);
    expect(encoded[0]!.config.codec).toMatch(/^avc1\.42c0[0-9a-f]{2}$/);
  });

  it('produces a stream that another decoder decodes to the same number of pictures', async () => {
    const encoded = await encode(jpegs(WIDTH, HEIGHT), 20, () => false);
    const stream = byteStream(
      encoded[0]!.config.description,
      encoded.map(({ unit }) => unit.data),
    );
    const raw = execFileSync(
      'ffmpeg',
      ['-v', 'error', '-f', 'h264', '-i', 'pipe:0', '-f', 'rawvideo', '-pix_fmt', 'gray', '-'],
      { input: stream, maxBuffer: 1 << 26 },
    );
    expect(raw.byteLength).toBe(encoded.length * WIDTH * HEIGHT);
  });

  it('has the normal priority until its first picture, and a lower one than other processes from then on', async () => {
    const encoded: number[] = [];
    const encoder = new H264Encoder<number>({ width: WIDTH, height: HEIGHT, framesPerSecond: 30 }, STEP, {
      encoded: (item) => encoded.push(item),
      ended: () => undefined,
    });
    try {
      expect(getPriority(encoder.pid)).toBe(getPriority());
      expect(encoder.encode(0, jpegs(WIDTH, HEIGHT, 1)[0]!, false)).toBe(true);
      await expect.poll(() => encoded).toEqual([0]);
      expect(getPriority(encoder.pid)).toBe(Math.min(19, getPriority() + 10));
    } finally {
      encoder.close();
    }
  });

  it('is kept while a busy machine delays it by seconds, and is replaced when it hangs', async () => {
    const [picture] = jpegs(WIDTH, HEIGHT, 1);
    const encoded: number[] = [];
    let ended: string | null = null;
    vi.useFakeTimers({ toFake: ['performance'] });
    const encoder = new H264Encoder<number>({ width: WIDTH, height: HEIGHT, framesPerSecond: 30 }, STEP, {
      encoded: (item) => encoded.push(item),
      ended: (reason) => (ended = reason),
    });
    try {
      process.kill(encoder.pid!, 'SIGSTOP');
      encoder.encode(0, picture!, false);
      vi.advanceTimersByTime(9000);
      expect([encoder.encode(1, picture!, false), ended]).toEqual([true, null]);
      process.kill(encoder.pid!, 'SIGCONT');
      await vi.waitFor(() => expect(encoded).toEqual([0, 1]), 20_000);
      process.kill(encoder.pid!, 'SIGSTOP');
      encoder.encode(2, picture!, false);
      vi.advanceTimersByTime(10_001);
      expect([encoder.encode(3, picture!, false), ended]).toEqual([false, 'FFmpeg encoded nothing for 10 s']);
    } finally {
      vi.useRealTimers();
      encoder.close();
    }
  });

  it('reports a missing program', async () => {
    const ended = await new Promise<{ isMissing: boolean }>((resolve) => {
      new H264Encoder<number>(
        { width: WIDTH, height: HEIGHT, framesPerSecond: 30 },
        STEP,
        { encoded: () => undefined, ended: (_reason, isMissing) => resolve({ isMissing }) },
        '/nowhere/ffmpeg',
      );
    });
    expect(ended.isMissing).toBe(true);
  });
});

describe('FlvReader', () => {
  it('reads FLV in chunks of any size, and rejects other data', () => {
    const file = execFileSync('ffmpeg', [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=64x48:rate=30',
      '-frames:v',
      '5',
      '-c:v',
      'libx264',
      '-tune',
      'zerolatency',
      '-pix_fmt',
      'yuv420p',
      '-f',
      'flv',
      '-',
    ]);
    const read = (pieces: readonly Buffer[]): unknown[] => {
      const found: unknown[] = [];
      const reader = new FlvReader({
        configured: (description) => found.push(description.byteLength),
        unit: ({ timeMs, isKey, data }) => found.push([timeMs, isKey, data.byteLength]),
      });
      for (const piece of pieces) reader.read(piece);
      return found;
    };
    const whole = read([file]);
    expect(whole).toHaveLength(6);
    expect(read(Array.from(file, (_, at) => file.subarray(at, at + 1)))).toEqual(whole);
    expect(() => read([Buffer.from('RIFF and something else')])).toThrow(
      expect.objectContaining({ code: 'flv-invalid' }),
    );
  });
});

/** Viewers that request at most a quarter of the size as H.264, and acknowledge each frame. */
class VideoViewers implements AsyncDisposable {
  readonly http: HttpApp;
  readonly viewers: Viewer[] = [];
  #n = 0;
  readonly #pictures: readonly Uint8Array[];
  readonly #timer: NodeJS.Timeout;
  #size = { width: 1280, height: 720 };

  private constructor(http: HttpApp, pictures: readonly Uint8Array[]) {
    this.http = http;
    this.#pictures = pictures;
    this.#timer = setInterval(() => this.#publish(), 40);
  }

  static async open(count: number): Promise<VideoViewers> {
    const http = await createHttpApp();
    const url = await http.listen();
    const all = new VideoViewers(http, jpegs(1280, 720, 10));
    for (let index = 0; index < count; index += 1) {
      const viewer = await Viewer.connect(url);
      await viewer.hello({ features: [feature.renditions], spectate: true });
      viewer.want({ quality: 'quarter', video: true });
      all.viewers.push(viewer);
    }
    return all;
  }

  #publish(): void {
    this.#n += 1;
    const input: FrameInput = {
      ...this.#size,
      encoding: { kind: 'jpeg' },
      payload: this.#pictures[this.#n % this.#pictures.length]!,
      message: { n: this.#n },
      wireHeader: null,
    };
    this.http.stream.publish(input);
  }

  /** Waits for the next frame of one viewer, and acknowledges it. */
  async next(viewer: Viewer): Promise<FrameMessage> {
    const frame = await viewer.until('frame');
    viewer.ack(frame.sequence);
    // In any encoding, the message is that of the frame with this number.
    expect(frame.message).toEqual({ n: frame.sequence });
    expect(frame).toMatchObject({ width: 1280, height: 720 });
    return frame;
  }

  async until(viewer: Viewer, kind: 'h264' | 'jpeg'): Promise<FrameMessage> {
    for (;;) {
      const frame = await this.next(viewer);
      if (frame.encoding.kind === kind) return frame;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    for (const viewer of this.viewers) await viewer[Symbol.asyncDispose]();
    await this.http[Symbol.asyncDispose]();
  }
}

/** PIDs of this process's encoders. */
const encoders = (): number[] =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('libx264'))
    .map((line) => Number(line.trim().split(' ', 1)[0]));

describe('viewers that decode H.264', () => {
  it('share one encoder per step, which ends with the last of them', async () => {
    await using all = await VideoViewers.open(3);
    const frames = await Promise.all(all.viewers.map((viewer) => all.until(viewer, 'h264')));
    for (const { encoding, rendition } of frames) {
      expect(encoding).toMatchObject({ kind: 'h264', isKey: true });
      expect(rendition).toMatchObject({ pictureWidth: 320, pictureHeight: 180 });
    }
    const pids = encoders();
    expect(pids).toHaveLength(1);
    for (const viewer of all.viewers) viewer.socket.close();
    await expect.poll(() => pids.some(isRunning), { timeout: 10_000 }).toBe(false);
  }, 60_000);

  it('get JPEGs while a killed encoder restarts', async () => {
    await using all = await VideoViewers.open(1);
    const [viewer] = all.viewers as [Viewer];
    await all.until(viewer, 'h264');
    const [pid] = encoders() as [number];
    process.kill(pid, 'SIGKILL');
    const jpeg = await all.until(viewer, 'jpeg');
    expect(jpeg.rendition).toMatchObject({ pictureWidth: 320, pictureHeight: 180 });
    expect((await all.until(viewer, 'h264')).encoding).toMatchObject({ isKey: true });
    expect(encoders()).not.toContain(pid);
  }, 60_000);
});
