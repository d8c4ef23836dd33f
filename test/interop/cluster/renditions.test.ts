import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { decodeSamples } from '../../../gateway/codecs/encode-picture.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { feature, type FrameMessage } from '../../../shared/protocol.ts';
import type { StreamStatus } from '../../../shared/status.ts';
import { GatewayProcess } from '../../helpers/gateway-process.ts';
import { byteStream } from '../../helpers/h264.ts';
import { isRunning } from '../../helpers/is-running.ts';
import { NatsServer } from '../../helpers/nats.ts';
import { Viewer } from '../../helpers/viewer.ts';
import { get, Here, served } from './here.ts';

const [WIDTH, HEIGHT] = [640, 480];

/** Number of bits of a picture's number, each a vertical bar. */
const BITS = 8;

/** Numbers repeat after this many pictures. */
const NUMBERS = 1 << BITS;

const isSet = (number: number, bit: number): boolean => ((number >> bit) & 1) === 1;

/** A picture with its number as black and white bars. */
async function picture(number: number): Promise<Uint8Array> {
  const row = Uint8Array.from({ length: WIDTH }, (_, x) => (isSet(number, Math.floor((x * BITS) / WIDTH)) ? 255 : 0));
  const data = new Uint8Array(WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y += 1) data.set(row, y * WIDTH);
  return encodeJpeg({ data, width: WIDTH, height: HEIGHT, channels: 1 });
}

/** @param gray samples of the picture. */
function numberIn(gray: Uint8Array, width: number, height: number): number {
  const y = height >> 1;
  let number = 0;
  for (let bit = 0; bit < BITS; bit += 1) {
    const x = Math.floor(((bit + 0.5) * width) / BITS);
    if ((gray[y * width + x] ?? 0) > 127) number |= 1 << bit;
  }
  return number;
}

/** The numbers in the pictures of chunks, beginning with a key frame. */
function numbersInVideo(chunks: readonly FrameMessage[]): readonly number[] {
  const [first] = chunks;
  const { pictureWidth = 0, pictureHeight = 0 } = first?.rendition ?? {};
  if (first?.encoding.kind !== 'h264' || first.encoding.description === undefined) throw new Error('no key frame');
  const input = byteStream(
    first.encoding.description,
    chunks.map(({ payload }) => payload),
  );
  const raw = execFileSync(
    'ffmpeg',
    [
      '-v',
      'error',
      '-f',
      'h264',
      '-i',
      'pipe:0',
      '-f',
      'rawvideo',
      '-pix_fmt',
      'gray',
      '-fps_mode',
      'passthrough',
      '-',
    ],
    { input, maxBuffer: 1 << 28 },
  );
  const bytes = pictureWidth * pictureHeight;
  return Array.from({ length: raw.byteLength / bytes }, (_, index) =>
    numberIn(raw.subarray(index * bytes, (index + 1) * bytes), pictureWidth, pictureHeight),
  );
}

async function numberInJpeg({ payload, rendition }: FrameMessage): Promise<number> {
  const { pictureWidth: width = WIDTH, pictureHeight: height = HEIGHT } = rendition ?? {};
  const { data, shape } = await decodeSamples({ encoding: { kind: 'jpeg' }, payload, width, height });
  const channels = shape[2] ?? 1;
  const gray = channels === 1 ? data : data.filter((_, index) => index % channels === 0);
  return numberIn(gray, width, height);
}

let pictures: Promise<readonly Uint8Array[]> | undefined;

/** A gateway's stream of numbered pictures, at 25 fps. */
class NumberedPictures implements Disposable {
  readonly #timer: NodeJS.Timeout;

  static async start(gateway: Here): Promise<NumberedPictures> {
    pictures ??= Promise.all(Array.from({ length: NUMBERS }, (_, n) => picture(n)));
    return new NumberedPictures(gateway, await pictures);
  }

  private constructor({ gateway }: Here, pictures: readonly Uint8Array[]) {
    let n = 0;
    this.#timer = setInterval(() => {
      n += 1;
      gateway.stream.push(pictures[n % NUMBERS] ?? new Uint8Array(0), { message: { n }, capturedAtUs: 1e15 + n });
    }, 40);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** A viewer that acknowledges and keeps all of its frames. */
class Watching implements AsyncDisposable {
  readonly frames: FrameMessage[] = [];
  readonly #viewer: Viewer;
  readonly #ended: Promise<void>;

  want(fields: Parameters<Viewer['want']>[0]): void {
    this.#viewer.want(fields);
  }

  /** @param video whether it decodes H.264. */
  static async start(url: string, video: boolean): Promise<Watching> {
    const viewer = await Viewer.connect(url, 'door');
    await viewer.hello({ features: [feature.renditions], spectate: true });
    viewer.want({ quality: 'quarter', video });
    return new Watching(viewer);
  }

  private constructor(viewer: Viewer) {
    this.#viewer = viewer;
    this.#ended = this.#read();
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const frame = await this.#viewer.until('frame');
        this.#viewer.ack(frame.sequence);
        this.frames.push(frame);
      }
    } catch {
      // The viewer was closed.
    }
  }

  of(kind: 'jpeg' | 'h264'): readonly FrameMessage[] {
    return this.frames.filter(({ encoding }) => encoding.kind === kind);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#viewer[Symbol.asyncDispose]();
    await this.#ended;
  }
}

/** PIDs of the encoders of all gateways in this process. */
const encoders = (): number[] =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('libx264'))
    .map((line) => Number(line.trim().split(' ', 1)[0]));

/** Checks that each frame has the message, number and capture time of the picture that it shows. */
async function checkIdentity({ frames }: Watching): Promise<void> {
  for (const { message, sequence, capturedAtUs, width, height } of frames) {
    const { n } = message as { n: number };
    expect({ sequence, capturedAtUs, width, height }).toEqual({
      sequence: n,
      capturedAtUs: 1e15 + n,
      width: WIDTH,
      height: HEIGHT,
    });
  }
  const numberOf = ({ message }: FrameMessage): number => (message as { n: number }).n % NUMBERS;
  for (const frame of frames.filter(({ encoding }) => encoding.kind === 'jpeg'))
    expect(await numberInJpeg(frame)).toBe(numberOf(frame));
  const chunks = frames.filter(({ encoding }) => encoding.kind === 'h264');
  if (chunks.length > 0) expect(numbersInVideo(chunks)).toEqual(chunks.map(numberOf));
}

describe('renditions in a cluster', () => {
  it('are encoded once for the viewers of all gateways, each frame with its own message and number', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await using c = await Here.start(nats.url, 'C', { source: 'gate=push:' });
    await Promise.all([served(b.url), served(c.url)]);
    using _pictures = await NumberedPictures.start(a);
    await using first = await Watching.start(b.url, true);
    await expect.poll(() => first.of('h264').length).toBeGreaterThan(25);
    // Joining viewers get a key frame, here and at the other gateways.
    await using second = await Watching.start(b.url, true);
    await using third = await Watching.start(c.url, true);
    await using local = await Watching.start(a.url, true);
    const all = [first, second, third, local];
    for (const viewer of all) await expect.poll(() => viewer.of('h264').length).toBeGreaterThan(50);
    const pids = encoders();
    expect(pids).toHaveLength(1);
    for (const viewer of all) {
      expect(viewer.of('h264')[0]?.encoding).toMatchObject({ isKey: true });
      await checkIdentity(viewer);
    }
    await using jpegs = await Watching.start(b.url, false);
    await expect.poll(() => jpegs.frames.length).toBeGreaterThan(40);
    expect(jpegs.of('h264')).toEqual([]);
    await checkIdentity(jpegs);
    expect(encoders()).toEqual(pids);
    // The encoder stops when no viewer requests its frames.
    for (const viewer of all) await viewer[Symbol.asyncDispose]();
    await expect.poll(() => pids.some(isRunning), { timeout: 15_000 }).toBe(false);
  }, 90_000);

  it.each([
    { kind: 'h264', video: true },
    { kind: 'jpeg', video: false },
  ] as const)(
    'replace the pictures of the source on the network while all viewers there get $kind, without a gap when one switches',
    async ({ kind, video }) => {
      await using nats = await NatsServer.start();
      await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
      await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
      await served(b.url);
      const tap = await connect({ servers: `127.0.0.1:${nats.port}` });
      await using _tap = { [Symbol.asyncDispose]: () => tap.close() };
      // Numbers of messages with heads and with pictures of the source's frames.
      const counts = { h: 0, p: 0 };
      tap.subscribe('gearway.frames.>', {
        callback: (_, { subject }) => {
          counts[subject.endsWith('.h') ? 'h' : 'p'] += 1;
        },
      });
      await tap.flush();
      using _pictures = await NumberedPictures.start(a);
      await using viewer = await Watching.start(b.url, video);
      const smaller = (): readonly FrameMessage[] =>
        viewer.of(kind).filter(({ rendition }) => rendition?.rendition.startsWith(kind));
      await expect.poll(() => smaller().length, { timeout: 20_000 }).toBeGreaterThan(10);
      const growth = async (): Promise<number> => {
        const [heads, pictures] = [counts.h, counts.p];
        await expect.poll(() => counts.h - heads, { timeout: 20_000 }).toBeGreaterThan(10);
        return counts.p - pictures;
      };
      await expect.poll(growth, { timeout: 20_000 }).toBe(0);
      expect((await get<StreamStatus>(`${b.url}/api/streams/door`)).state).toBe('live');
      // For a snapshot, a picture is fetched that is no older than the viewer's frames.
      const latest = viewer.frames.at(-1)?.sequence ?? 0;
      const snapshot = await fetch(`${b.url}/streams/door/snapshot.jpg`);
      expect(snapshot.status).toBe(200);
      const known = Number(snapshot.headers.get('gearway-sequence'));
      expect(known).toBeGreaterThanOrEqual(latest);
      await expect.poll(growth, { timeout: 20_000 }).toBe(0);
      const before = viewer.frames.length;
      viewer.want({ quality: 'source', width: 0, height: 0 });
      await expect
        .poll(() => viewer.frames.slice(before).filter(({ rendition }) => rendition === undefined).length, {
          timeout: 20_000,
        })
        .toBeGreaterThan(20);
      viewer.want({ quality: 'quarter' });
      await expect.poll(() => viewer.frames.at(-1)?.rendition?.rendition, { timeout: 20_000 }).toMatch(kind);
      await expect.poll(growth, { timeout: 20_000 }).toBe(0);
      const switched = viewer.frames.slice(before);
      // The encoder is a few frames behind the source.
      const gaps = switched.map(({ sequence }, at) => sequence - (switched[at - 1]?.sequence ?? sequence - 1));
      expect(Math.max(...gaps)).toBeLessThan(10);
      await checkIdentity(viewer);
    },
    90_000,
  );

  it('are made for a thumbnail by the owner of the stream, without sending its frames', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await served(b.url);
    using _pictures = await NumberedPictures.start(a);
    const thumbnail = (): Promise<Response> => fetch(`${b.url}/streams/door/snapshot.jpg?width=320`);
    await expect.poll(async () => (await thumbnail()).status, { timeout: 20_000 }).toBe(200);
    const status = (): Promise<StreamStatus> => get<StreamStatus>(`${b.url}/api/streams/door`);
    // The state of the source is reported by its gateway, the counters by this one.
    const received = async (): Promise<number> => (await status()).counters.received;
    const growth = async (): Promise<number> => {
      const before = await received();
      await sleep(500);
      return (await received()) - before;
    };
    // The first request came before the announcement of the other gateway.
    await expect.poll(growth, { timeout: 20_000 }).toBe(0);
    expect((await status()).state).toBe('live');
    const before = await received();
    const sequences = new Set<number>();
    while (sequences.size < 3) {
      const response = await thumbnail();
      const sequence = Number(response.headers.get('gearway-sequence'));
      const payload = new Uint8Array(await response.arrayBuffer());
      const rendition = { rendition: '', pictureWidth: 320, pictureHeight: 240 };
      expect(await numberInJpeg({ payload, rendition } as unknown as FrameMessage)).toBe(sequence % NUMBERS);
      expect(Math.abs(Date.now() - Date.parse(response.headers.get('gearway-received-at') ?? ''))).toBeLessThan(10_000);
      sequences.add(sequence);
    }
    expect(await received()).toBe(before);
    // A larger picture is made here, from a frame.
    const snapshot = await fetch(`${b.url}/streams/door/snapshot.jpg`);
    expect([snapshot.status, (await get<StreamStatus>(`${b.url}/api/streams/door`)).source.state]).toEqual([
      200,
      'receiving',
    ]);
  }, 90_000);

  it('continue from the next owner when theirs is killed', async () => {
    await using nats = await NatsServer.start();
    const start = (name: string, source: string): Promise<GatewayProcess> =>
      GatewayProcess.start('--source', source, '--failover', 'door', '--cluster', `${nats.url}?gateway=${name}`);
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await using a = await start('A', 'door=test-pattern:?size=640x480&fps=20');
    await served(b.url);
    await using c = await start('C', 'door=test-pattern:?size=640x480&fps=20');
    await using viewer = await Watching.start(b.url, true);
    await expect.poll(() => viewer.of('h264').length).toBeGreaterThan(20);
    a.signal('SIGKILL');
    await a.exited;
    const before = viewer.frames.length;
    await expect
      .poll(() => viewer.frames.slice(before).filter(({ encoding }) => encoding.kind === 'h264').length, {
        timeout: 20_000,
      })
      .toBeGreaterThan(20);
    expect(c.isRunning).toBe(true);
    const numbers = viewer.of('h264').map(({ sequence }) => sequence);
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
  }, 90_000);
});
