/** HTTP cameras whose timeouts and rates take seconds. */
import { describe, expect, it } from 'vitest';
import { parseSourceUrl } from '../../gateway/config/source-url.ts';
import { MJPEG_OPTIONS, MjpegSource, parseMjpeg } from '../../gateway/sources/mjpeg/mjpeg-source.ts';
import { RecordingSink } from '../helpers/recording-sink.ts';
import { MULTIPART, part } from '../helpers/media.ts';
import { RawServer } from '../helpers/raw-server.ts';
import { JPEG as BYTES } from '../helpers/viewer.ts';

const JPEG = Buffer.from(BYTES);
const HEAD = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: ${MULTIPART['Content-Type']}\r\n\r\n`);
const STILL = Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${JPEG.byteLength}\r\n\r\n`), JPEG]);

/** Disposal closes the source. */
async function record(server: RawServer, options = ''): Promise<RecordingSink & AsyncDisposable> {
  const sink = new RecordingSink();
  const source = new MjpegSource(parseMjpeg(parseSourceUrl(`mjpeg:${server.url}/${options}`, MJPEG_OPTIONS)));
  await source.open(sink);
  return Object.assign(sink, { [Symbol.asyncDispose]: () => source.close() });
}

// Concurrent, because the tests only wait.
describe.concurrent('a stream', () => {
  it.each([
    ['', 4.5],
    ['?fps=0.8', 5.75],
  ])('that becomes silent fails%s', async (options, seconds) => {
    await using server = await RawServer.start(({ socket }) => void socket.write(Buffer.concat([HEAD, part(JPEG)])));
    await using sink = await record(server, options);
    await sink.until(() => sink.frames.length > 0);
    const startMs = performance.now();
    await sink.until(() => sink.failed.length > 0);
    expect(sink.failed).toEqual([
      expect.objectContaining({ code: 'source-stalled', message: `the camera has sent nothing for ${seconds} s` }),
    ]);
    expect((performance.now() - startMs) / 1000).toBeGreaterThan(seconds - 0.1);
  });

  it.each([
    ['no response', ''],
    ['no data', HEAD],
  ])('with %s fails', async (_name, text) => {
    await using server = await RawServer.start(({ socket }) => void socket.write(text));
    await using sink = await record(server);
    await sink.until(() => sink.failed.length > 0);
    expect(String(sink.failed[0])).toMatch(/no response within 10 s|sent nothing for 10 s/);
  });
});

describe.concurrent('a still picture', () => {
  it('is requested once per second by default, and waits for slow cameras', async () => {
    const atMs: number[] = [];
    await using server = await RawServer.start(({ socket, index }) => {
      atMs.push(performance.now());
      setTimeout(() => socket.end(STILL), index === 0 ? 1500 : 0);
    });
    await using sink = await record(server);
    await sink.until(() => sink.frames.length === 3);
    // The second request is already late; the third one keeps the interval.
    expect(atMs[1]! - atMs[0]!).toBeGreaterThan(1450);
    expect(atMs[2]! - atMs[1]!).toBeGreaterThan(950);
  });
});
