import sharp from 'sharp';
import { afterEach, describe, expect, it } from 'vitest';
import { parseSourceUrl } from '../../../../gateway/config/source-url.ts';
import { MJPEG_OPTIONS, MjpegSource, parseMjpeg } from '../../../../gateway/sources/mjpeg/mjpeg-source.ts';
import { buildJpeg, createRandom } from '../../../helpers/jpeg-builder.ts';
import { RecordingSink } from '../../../helpers/recording-sink.ts';
import { type RawRequest, RawServer } from '../../../helpers/raw-server.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const failed = (message: RegExp, code = 'source-failed'): unknown =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string });

const random = createRandom(3);
const JPEGS = Array.from({ length: 6 }, (_none, n) =>
  buildJpeg({ width: 16 + 8 * n, height: 16, sampling: [[1, 1]], random }),
);
const [JPEG] = JPEGS as [Buffer];

const open: MjpegSource[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((source) => source.close()));
});

function create(url: string): MjpegSource {
  const source = new MjpegSource(parseMjpeg(parseSourceUrl(`mjpeg:${url}`, MJPEG_OPTIONS)));
  open.push(source);
  return source;
}

/** Opens a source of this server, and records its calls. */
async function record(
  server: RawServer,
  options = '',
): Promise<{ readonly sink: RecordingSink; readonly source: MjpegSource }> {
  const sink = new RecordingSink();
  const source = create(`${server.url}/x.jpg${options}`);
  await source.open(sink);
  return { sink, source };
}

const payloads = (sink: RecordingSink): Buffer[] => sink.frames.map(({ payload }) => Buffer.from(payload));
const still = (jpeg: Buffer, headers = ''): Buffer =>
  Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: ${jpeg.byteLength}\r\n${headers}\r\n`),
    jpeg,
  ]);
const MULTIPART = 'HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cam\r\n\r\n';
const part = (jpeg: Buffer, type = 'image/jpeg'): Buffer =>
  Buffer.concat([
    Buffer.from(`--cam\r\nContent-Type: ${type}\r\nContent-Length: ${jpeg.byteLength}\r\n\r\n`),
    jpeg,
    Buffer.from('\r\n'),
  ]);

describe('parseMjpeg', () => {
  it.each([
    'mjpeg:',
    'mjpeg:cam/x',
    'mjpeg:rtsp://cam/',
    'mjpeg:http://cam/?fps=0',
    'mjpeg:http://cam/?fps=241',
    'mjpeg:http://cam/?certificate=none',
    'mjpeg:http://cam:99999/',
    'mjpeg:http://cam/?fps=1&rate=2',
  ])('refuses %j', (url) => {
    expect(() => parseMjpeg(parseSourceUrl(url, MJPEG_OPTIONS))).toThrow(coded('source-invalid'));
  });

  it("distinguishes the camera's query from its own options", () => {
    expect(
      parseMjpeg(parseSourceUrl('mjpeg:http://cam/cgi?user=a&pwd=b?fps=2&check=false', MJPEG_OPTIONS)),
    ).toMatchObject({
      framesPerSecond: 2,
      isChecked: false,
      acceptsAnyCertificate: false,
      address: { path: '/cgi?user=a&pwd=b' },
    });
  });
});

describe('a stream', () => {
  it('is shown unmodified, each picture with its last byte', async () => {
    let socket: RawRequest['socket'] | null = null;
    await using server = await RawServer.start((request) => {
      socket = request.socket;
      socket.write(MULTIPART);
    });
    const { sink, source } = await record(server);
    await expect.poll(() => socket).not.toBeNull();
    for (const [index, jpeg] of JPEGS.entries()) {
      const whole = part(jpeg);
      socket!.write(whole.subarray(0, -2));
      await sink.until(() => sink.frames.length === index + 1);
      socket!.write(whole.subarray(-2));
    }
    expect(payloads(sink)).toEqual(JPEGS);
    expect(source.state()).toBe('running');
    expect(source.stallMs).toBe(5000);
    expect(server.requests).toHaveLength(1);
  });

  it('fails when it ends, and counts damaged pictures', async () => {
    await using server = await RawServer.start(({ socket }) => {
      socket.end(
        Buffer.concat([
          Buffer.from(MULTIPART),
          part(JPEG),
          part(JPEG.subarray(0, 60)),
          part(Buffer.from('{"motion": 1}'), 'application/json'),
          part(JPEGS[1]!),
          part(Buffer.from('no picture'), 'image/jpeg'),
        ]),
      );
    });
    const { sink } = await record(server);
    await sink.until(() => sink.failed.length > 0);
    expect(payloads(sink)).toEqual([JPEG, JPEGS[1]]);
    expect(sink.rejected).toEqual([coded('jpeg-invalid'), coded('jpeg-invalid')]);
    expect(sink.failed).toEqual([failed(/^the stream has ended/)]);
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['without pictures', `${MULTIPART}--cam\r\n\r\nhello\r\n--cam--\r\n`, /ended without a picture/],
    ['of nothing', MULTIPART, /ended without a picture: it is empty/],
    ['of half a picture', Buffer.concat([Buffer.from(MULTIPART), part(JPEG).subarray(0, -20)]), /no end marker/],
    [
      'of text',
      `${MULTIPART}${'x'.repeat(20_000)}`,
      /not MJPEG: no part begins within 16384 bytes.*neither a JPEG nor the boundary "cam"/,
    ],
    [
      'that is an HTML page',
      'HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html>',
      /responds with a page \(text\/html\)/,
    ],
    ['of tiny parts', `${MULTIPART}${'--cam\r\n\r\n'.repeat(2000)}`, /more than 500 parts per second/],
    [
      'of beginnings only',
      Buffer.concat([Buffer.from(MULTIPART), Buffer.alloc(300_000, JPEG.subarray(0, 3))]),
      /all pictures of the source are damaged|more than 500 parts per second/,
    ],
    [
      'of damaged pictures only',
      Buffer.concat([Buffer.from(MULTIPART), ...Array.from({ length: 11 }, () => part(JPEG.subarray(0, 50)))]),
      /^all pictures of the source are damaged$/,
    ],
  ])('%s reports the problem', async (_name, text, sentence) => {
    await using server = await RawServer.start(({ socket }) => socket.end(text));
    const { sink } = await record(server);
    await sink.until(() => sink.failed.length > 0);
    expect(sink.failed[0]).toEqual(failed(sentence));
    expect(sink.frames).toEqual([]);
  });

  it.each<[string, string, (jpeg: Buffer) => Buffer]>([
    ['of parts without a type of multipart', 'Content-Type: application/octet-stream', part],
    ['of consecutive JPEGs', 'Content-Type: video/x-motion-jpeg', (jpeg) => jpeg],
    ['of JPEGs with a length', 'Content-Type: image/jpeg\r\nContent-Length: 2147483647', (jpeg) => jpeg],
    ['of multipart with a length', 'Content-Type: multipart/x-mixed-replace;boundary=cam\r\nContent-Length: 10', part],
  ])('%s is shown', async (_name, headers, partOf) => {
    await using server = await RawServer.start(
      ({ socket }) =>
        void socket.write(Buffer.concat([Buffer.from(`HTTP/1.0 200 OK\r\n${headers}\r\n\r\n`), ...JPEGS.map(partOf)])),
    );
    const { sink } = await record(server);
    await sink.until(() => sink.frames.length === JPEGS.length);
    expect(payloads(sink)).toEqual(JPEGS);
    expect(server.requests).toHaveLength(1);
  });

  it('delivers no more pictures than fps=', async () => {
    await using server = await RawServer.start(({ socket }) => {
      socket.write(MULTIPART);
      const timer = setInterval(() => socket.write(part(JPEG)), 5);
      socket.on('close', () => clearInterval(timer));
    });
    const { sink } = await record(server, '?fps=20');
    const startMs = performance.now();
    await sink.until(() => sink.frames.length === 11);
    expect(performance.now() - startMs).toBeGreaterThan(450);
  });

  it('closes immediately', async () => {
    await using server = await RawServer.start(({ socket }) => void socket.write(MULTIPART));
    const { source, sink } = await record(server);
    await expect.poll(() => server.requests.length).toBe(1);
    await source.close();
    await source.close();
    expect(sink.failed).toEqual([]);
    await source.open(sink);
    await expect.poll(() => server.requests.length).toBe(2);
  });

  it('reveals no password', async () => {
    await using server = await RawServer.start(({ socket }) =>
      socket.end('HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm="x", nonce="y"\r\n\r\n'),
    );
    const sink = new RecordingSink();
    await create(server.url.replace('//', '//admin:Hunt3r@')).open(sink);
    await sink.until(() => sink.failed.length > 0);
    expect(String(sink.failed[0])).toMatch(/wrong or missing user name/);
    expect(String(sink.failed[0])).not.toContain('Hunt3r');
  });
});

describe('a still picture', () => {
  it('is requested repeatedly at its rate, one request at a time', async () => {
    let unanswered = 0;
    let mostUnanswered = 0;
    await using server = await RawServer.start(({ socket, index }) => {
      unanswered += 1;
      mostUnanswered = Math.max(mostUnanswered, unanswered);
      setTimeout(() => {
        unanswered -= 1;
        socket.end(still(JPEGS[index % 6]!));
      }, 30);
    });
    const { sink, source } = await record(server, '?fps=50');
    await sink.until(() => sink.frames.length === 6);
    expect(payloads(sink)).toEqual(JPEGS);
    expect(mostUnanswered).toBe(1);
    expect(source.stallMs).toBeNull();
    expect(sink.failed).toEqual([]);
  });

  it('is requested in full only if it has changed', async () => {
    const asked: (string | undefined)[] = [];
    await using server = await RawServer.start(({ socket, headers, index }) => {
      const tag = `"${Math.floor(index / 3)}"`;
      asked.push(headers.get('if-none-match'));
      socket.end(
        headers.get('if-none-match') === tag
          ? 'HTTP/1.1 304 Not Modified\r\n\r\n'
          : still(
              JPEGS[Math.floor(index / 3)]!,
              `ETag: ${tag}\r\nLast-Modified: Sat, 29 Nov 2026 0${index}:00:00 GMT\r\n`,
            ),
      );
    });
    const { sink } = await record(server, '?fps=50');
    await sink.until(() => sink.frames.length === 3);
    expect(payloads(sink)).toEqual(JPEGS.slice(0, 3));
    expect(asked.slice(0, 5)).toEqual([undefined, '"0"', '"0"', '"0"', '"1"']);
    expect(server.requests[1]!.headers.get('if-modified-since')).toBe('Sat, 29 Nov 2026 00:00:00 GMT');
  });

  it.each<[string, (socket: RawRequest['socket']) => void]>([
    ['without a length', (socket) => socket.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), JPEG]))],
    [
      'whose connection stays open',
      (socket) =>
        socket.write(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n'), JPEG])),
    ],
    [
      'whose length is too long',
      (socket) => socket.write(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n'), JPEG])),
    ],
    [
      'whose length is too short',
      (socket) => socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n'), JPEG])),
    ],
    [
      'in chunks',
      (socket) =>
        socket.write(
          Buffer.concat([
            Buffer.from(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${JPEG.byteLength.toString(16)}\r\n`),
            JPEG,
            Buffer.from('\r\n0\r\n\r\n'),
          ]),
        ),
    ],
    [
      'with a text type',
      (socket) => socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n'), JPEG])),
    ],
    ['followed by a preview', (socket) => socket.end(still(Buffer.concat([JPEG, JPEGS[1]!])))],
    ['whose connection is reset', (socket) => socket.write(still(JPEG), () => socket.resetAndDestroy())],
  ])('%s is shown', async (_name, answer) => {
    await using server = await RawServer.start(({ socket }) => answer(socket));
    const { sink } = await record(server, '?fps=20');
    await sink.until(() => sink.frames.length === 2);
    expect(payloads(sink)).toEqual([JPEG, JPEG]);
    expect(sink.failed).toEqual([]);
  });

  it('of another format is decoded', async () => {
    const png = await sharp(Buffer.from([10, 20, 30, 40, 50, 60]), { raw: { width: 2, height: 1, channels: 3 } })
      .png()
      .toBuffer();
    await using server = await RawServer.start(({ socket }) =>
      socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n'), png])),
    );
    const { sink } = await record(server, '?fps=50');
    await sink.until(() => sink.frames.length === 2);
    expect(sink.frames[1]).toMatchObject({
      width: 2,
      height: 1,
      encoding: { kind: 'raw', dtype: 'uint8' },
      payload: Buffer.from([30, 20, 10, 60, 50, 40]),
    });
  });

  it.each<[string, Buffer | string, RegExp]>([
    ['that is refused', 'HTTP/1.1 500 Internal Server Error\r\n\r\n', /^the server refuses the request/],
    ['that is interrupted', still(JPEG).subarray(0, -5), /no end marker/],
  ])('%s fails, and is retried later', async (_name, answer, sentence) => {
    await using server = await RawServer.start(({ socket, index }) => socket.end(index === 0 ? still(JPEG) : answer));
    const { sink } = await record(server, '?fps=50');
    await sink.until(() => sink.failed.length > 0);
    expect(sink.failed).toEqual([failed(sentence)]);
    expect(payloads(sink)).toEqual([JPEG]);
    expect(server.requests).toHaveLength(2);
  });

  it('is shown again after a failure, although it has not changed', async () => {
    await using server = await RawServer.start(({ socket, index, headers }) => {
      if (index === 1) socket.destroy();
      else
        socket.end(
          headers.has('if-none-match') ? 'HTTP/1.1 304 Not Modified\r\n\r\n' : still(JPEG, 'ETag: "same"\r\n'),
        );
    });
    const { sink, source } = await record(server, '?fps=50');
    await sink.until(() => sink.failed.length > 0);
    await source.close();
    await source.open(sink);
    await sink.until(() => sink.frames.length === 2);
  });
});
