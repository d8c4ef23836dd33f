import { describe, expect, it } from 'vitest';
import { parseHttpAddress } from '../../../../gateway/sources/mjpeg/http-address.ts';
import { HttpCamera } from '../../../../gateway/sources/mjpeg/http-camera.ts';
import { PicturePublisher } from '../../../../gateway/sources/picture-publisher.ts';
import { buildJpeg, createRandom } from '../../../helpers/jpeg-builder.ts';
import { RawServer } from '../../../helpers/raw-server.ts';
import { RecordingSink } from '../../../helpers/recording-sink.ts';

const JPEG = buildJpeg({ width: 16, height: 16, sampling: [[1, 1]], random: createRandom(3) });

/** Runs a camera until it fails. The first response is a still picture, and the next ones are dripped. */
async function failureOf(begin: string | Buffer, drip: string): Promise<unknown> {
  await using server = await RawServer.start(({ socket, index }) => {
    if (index === 0) {
      socket.end(
        Buffer.concat([
          Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: ${JPEG.byteLength}\r\n\r\n`),
          JPEG,
        ]),
      );
      return;
    }
    socket.write(begin);
    const timer = setInterval(() => socket.write(drip), 10);
    socket.on('close', () => clearInterval(timer));
  });
  const sink = new RecordingSink();
  const pictures = new PicturePublisher({
    sink,
    isTrusted: false,
    onPublished: () => undefined,
    onAllInvalid: () => undefined,
  });
  const camera = new HttpCamera({
    address: parseHttpAddress(server.url),
    acceptsAnyCertificate: false,
    framesPerSecond: 200,
    accepts: { streams: true, others: true },
    stillTimeoutMs: 1000,
  });
  const closing = new AbortController();
  const running = camera.run(pictures, closing.signal).catch((error: unknown) => error);
  try {
    await Promise.race([sink.until(() => sink.frames.length > 0), running]);
    const isStream = begin.includes('multipart');
    if (!isStream) return await running;
    // The supervisor detects that there are no frames, unless the camera is polled.
    await expect.poll(() => server.requests.length).toBeGreaterThan(1);
    await expect.poll(() => camera.isPolled).toBe(false);
    return null;
  } finally {
    closing.abort();
    await running;
    pictures.close();
  }
}

describe('HttpCamera: a polled picture that is dripped', () => {
  it.each<[string, string | Buffer]>([
    ['a JPEG with its length', `HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n`],
    ['a JPEG without a length', `HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n`],
  ])('fails in time: %s', async (_what, head) => {
    // A segment of 64 KB.
    const begin = Buffer.concat([Buffer.from(head), Buffer.from('ffd8ffe1ffff', 'hex')]);
    expect(await failureOf(begin, 'x')).toMatchObject({ code: 'source-stalled' });
  });

  it('fails in time: a PNG', async () => {
    const png = Buffer.from('89504e470d0a1a0a0000000d4948445200000001', 'hex');
    const begin = Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n'), png]);
    expect(await failureOf(begin, 'x')).toMatchObject({ code: 'source-stalled' });
  });

  it('is no longer polled when it becomes a stream', async () => {
    expect(
      await failureOf('HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=a\r\n\r\n', 'x'),
    ).toBeNull();
  });
});
