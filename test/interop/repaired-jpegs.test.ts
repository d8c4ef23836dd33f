import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { readJpegHeader } from '../../gateway/codecs/jpeg-header.ts';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { NetGearReceiver } from '../../gateway/netgear/receiver.ts';
import { NetGearSender } from '../../gateway/netgear/sender.ts';
import { Disposables } from '../helpers/disposables.ts';
import { FrameRecorder } from '../helpers/frame-recorder.ts';
import { freePorts } from '../helpers/free-port.ts';
import {
  cornerError,
  CORNERS,
  ORIENTATIONS,
  oriented,
  storedPicture,
  TAIL_BYTES,
  TAILS,
  withoutTables,
} from '../helpers/jpeg-variants.ts';
import { Folder, MjpegCamera, numberedJpegs } from '../helpers/media.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { WAYS_IN } from '../helpers/ways-in.ts';

const sha1 = (data: Uint8Array): string => createHash('sha1').update(data).digest('hex');

const tails = Object.entries(TAILS).flatMap(([name, tail]) =>
  TAIL_BYTES.map((bytes) => ({ name: `${bytes} × ${name}`, tail, bytes })),
);
const whole = await numberedJpegs(tails.length);
const padded = whole.map((jpeg, index) => Buffer.concat([jpeg, tails[index]!.tail(tails[index]!.bytes, jpeg)]));

const SIZE = { width: 320, height: 240 };
const lying = await Promise.all(
  ORIENTATIONS.map(async (orientation) => oriented(await encodeJpeg(storedPicture(orientation, SIZE)), orientation)),
);

/** Difference between the corners of a JPEG and those of the upright picture. */
async function errorOf(jpeg: Uint8Array): Promise<number> {
  const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
  return cornerError(data, { ...info, isRgb: true });
}

async function listen(gateway: Gateway): Promise<string> {
  return (await gateway.listen()).url.slice(0, -1);
}

describe.each(Object.entries(WAYS_IN))('JPEGs by %s', (name, { source, open }) => {
  it('lose the bytes after their EOI, get missing Huffman tables, and are rotated upright', async () => {
    const [port = 0] = await freePorts(1);
    await using all = new Disposables();
    const gateway = all.use(await createGateway({ source: source(port), port: 0 }));
    const url = await listen(gateway);
    const viewer = all.use(await FrameRecorder.open(url));
    await expect.poll(() => gateway.stream.clients.length).toBe(1);
    const way = all.use(await open(gateway, `${url}/`, port));
    let count = 0;
    const next = async (jpeg: Buffer): Promise<{ sha1: string; width: number; height: number }> => {
      await way.send(jpeg);
      count += 1;
      return (await viewer.take(count))[count - 1]!;
    };
    for (const [index, jpeg] of padded.entries()) {
      // In a stream of pictures, a JPEG after another one is the next picture.
      if (name === 'a running POST' && tails[index]!.name.endsWith('a second JPEG')) continue;
      expect((await next(jpeg)).sha1, tails[index]!.name).toBe(sha1(whole[index]!));
    }
    const bare = withoutTables(whole[0]!);
    await next(Buffer.concat([bare, Buffer.alloc(5000)]));
    expect((await sharp(viewer.payload).raw().toBuffer()).equals(await sharp(whole[0]).raw().toBuffer())).toBe(true);
    for (const jpeg of lying) {
      expect(await next(Buffer.concat([jpeg, Buffer.alloc(70)]))).toMatchObject(SIZE);
      expect(readJpegHeader(viewer.payload)).toMatchObject({ ...SIZE, orientation: 1 });
      expect(await errorOf(viewer.payload)).toBeLessThan(4);
    }
    // An upright picture is not modified.
    expect((await next(lying[0]!)).sha1).toBe(sha1(lying[0]!));
    expect(gateway.stream.status().counters.rejected).toBe(0);
  }, 60_000);
});

describe('JPEGs of an MJPEG camera', () => {
  it('are copied by FFmpeg, and repaired like all others', async () => {
    const pictures = [...padded, withoutTables(whole[0]!), ...lying];
    await using camera = await MjpegCamera.endless(pictures, 15);
    await using gateway = await createGateway({ source: `ffmpeg:${camera.url}/`, port: 0 });
    await using viewer = await FrameRecorder.open(await listen(gateway));
    const originals = new Set(whole.map(sha1));
    const seen = (): Set<string> => new Set(viewer.frames.map((frame) => frame.sha1));
    await expect.poll(() => [...originals].filter((each) => !seen().has(each)).length, { timeout: 30_000 }).toBe(0);
    await expect.poll(() => viewer.frames.some(({ width }) => width === 320), { timeout: 30_000 }).toBe(true);
    for (const { width, height } of viewer.frames)
      expect([
        [320, 240],
        [400, 120],
      ]).toContainEqual([width, height]);
    const others = viewer.frames.filter((frame) => frame.width === 400 && !originals.has(frame.sha1));
    // Only the JPEG with missing tables differs from the encoder's output.
    expect(new Set(others.map((frame) => frame.sha1)).size).toBeLessThan(2);
    expect(gateway.stream.status().counters.rejected).toBe(0);
  }, 60_000);
});

describe('pictures with an orientation', () => {
  /** The first part of the MJPEG stream. */
  async function mjpegPart(url: string): Promise<Buffer> {
    const request = get(`${url}/streams/main/mjpeg`);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let bytes = Buffer.alloc(0);
    for await (const chunk of response) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      const start = bytes.indexOf(Buffer.of(0xff, 0xd8));
      const end = bytes.indexOf('\r\n--', start);
      if (start < 0 || end < 0) continue;
      request.destroy();
      return bytes.subarray(start, end);
    }
    throw new Error('the stream has ended');
  }

  it('are upright everywhere: API, snapshots, MJPEG, and a real NetGear client', async () => {
    const [native = 0] = await freePorts(1);
    await using client = new PythonPeer('client.py', { port: native, corners: true });
    await using gateway = await createGateway({ port: 0, source: 'push:', clients: [`tcp://127.0.0.1:${native}`] });
    const url = await listen(gateway);
    await expect.poll(() => gateway.stream.clients[0]?.state, { timeout: 30_000 }).toBe('live');
    for (const [index, jpeg] of lying.entries()) {
      const response = await fetch(`${url}/streams/main/frames`, {
        method: 'POST',
        body: jpeg,
        headers: { 'content-type': 'image/jpeg' },
      });
      expect(await response.json()).toEqual({ sequence: index + 1 });
      expect(gateway.stream.status().frame, `orientation ${ORIENTATIONS[index]}`).toMatchObject({
        ...SIZE,
        sequence: index + 1,
      });
      for (const path of ['snapshot.jpg', 'snapshot.png', 'snapshot.jpg?width=160', 'snapshot.png?width=160']) {
        const snapshot = Buffer.from(await (await fetch(`${url}/streams/main/${path}`)).arrayBuffer());
        const { width, height } = await sharp(snapshot).metadata();
        expect([width, height], path).toEqual(path.includes('160') ? [160, 120] : [320, 240]);
        expect(await errorOf(snapshot), path).toBeLessThan(5);
      }
      const part = await mjpegPart(url);
      expect(readJpegHeader(part)).toMatchObject({ ...SIZE, orientation: 1 });
      expect(await errorOf(part)).toBeLessThan(4);
      const near = (corners: number[][]): boolean =>
        Math.max(
          ...corners.flatMap((corner, at) =>
            corner.map((sample, channel) => Math.abs(sample - CORNERS[at]![channel]!)),
          ),
        ) < 5;
      await client.waitFor<{ shape: number[]; corners: number[][] }>(
        'corners',
        ({ shape, corners }) => shape.join() === '240,320,3' && near(corners),
      );
    }
    const shapes = client.events<{ shape: number[] }>('corners').map(({ shape }) => shape.join());
    expect(shapes).not.toContain('320,240,3');
  }, 90_000);

  it.each<[string, (image: Sharp) => Sharp]>([
    ['png', (image) => image.png()],
    ['webp', (image) => image.webp({ lossless: true })],
    ['tif', (image) => image.tiff({ compression: 'lzw' })],
    ['jpg', (image) => image.jpeg({ quality: 95 })],
  ])('are upright as .%s files in a directory, all of them and in order', async (extension, encode) => {
    await using folder = await Folder.create();
    for (const orientation of ORIENTATIONS) {
      const { data, width, height } = storedPicture(orientation, SIZE);
      for (let at = 0; at < data.byteLength; at += 3) [data[at], data[at + 2]] = [data[at + 2]!, data[at]!];
      await folder.write(
        `${orientation}.${extension}`,
        await encode(sharp(data, { raw: { width, height, channels: 3 } }).withMetadata({ orientation })).toBuffer(),
      );
    }
    await using gateway = await createGateway({ source: `directory:${folder.path}?fps=50`, port: 0 });
    const url = await listen(gateway);
    await expect
      .poll(() => gateway.stream.status())
      .toMatchObject({ state: 'ended', counters: { received: 8, rejected: 0 }, frame: SIZE });
    const snapshot = Buffer.from(await (await fetch(`${url}/streams/main/snapshot.png`)).arrayBuffer());
    expect(await errorOf(snapshot)).toBeLessThan(5);
  });

  it('are refused with a reason if they cannot be decoded, and counted once', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const url = await listen(gateway);
    const broken = oriented(
      Buffer.from('ffd8ffc0001108000a000a03011100021101031101ffda0008010100003f0012ffd9', 'hex'),
      6,
    );
    const response = await fetch(`${url}/streams/main/frames`, {
      method: 'POST',
      body: broken,
      headers: { 'content-type': 'image/jpeg' },
    });
    expect([response.status, await response.json()]).toEqual([
      400,
      {
        code: 'jpeg-invalid',
        message: expect.stringContaining('has the EXIF orientation 6, and cannot be decoded to be rotated') as string,
      },
    ]);
    expect(gateway.stream.status().counters.rejected).toBe(1);
  });
});

describe('the sender of gearway/netgear', () => {
  it('sends repaired, upright pictures to a real client and to the receiver', async () => {
    const [python = 0, node = 0] = await freePorts(2);
    await using client = new PythonPeer('client.py', { port: python, pattern: 1, multiclient: false, corners: true });
    await using toPython = new NetGearSender({ address: '127.0.0.1', port: python, pattern: 1 });
    await using receiver = new NetGearReceiver({ address: '127.0.0.1', port: node, pattern: 1 });
    await receiver.open();
    await using toNode = new NetGearSender({ address: '127.0.0.1', port: node, pattern: 1 });
    await toPython.ready();
    for (const jpeg of lying) await toPython.send(Buffer.concat([jpeg, Buffer.alloc(3000)]));
    await client.waitFor('corners', () => client.events('corners').length === lying.length);
    for (const { shape, corners } of client.events<{ shape: number[]; corners: number[][] }>('corners')) {
      expect(shape).toEqual([240, 320, 3]);
      for (const [at, corner] of corners.entries())
        for (const [channel, sample] of corner.entries())
          expect(Math.abs(sample - CORNERS[at]![channel]!)).toBeLessThan(5);
    }
    await toNode.send(padded[3]!);
    expect(Buffer.compare((await receiver.recv())!.frame.payload, whole[3]!)).toBe(0);
    await toPython.close();
    await client.waitFor('done');
  }, 60_000);
});
