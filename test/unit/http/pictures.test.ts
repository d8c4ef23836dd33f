import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type ClientRequest, get as httpGet, type IncomingMessage } from 'node:http';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';
import { hold, statusFrom, TRUST_FORWARDED } from '../../helpers/from-address.ts';

async function start(options: GatewayOptions = {}): Promise<Gateway & { url: string }> {
  const gateway = await createGateway({ port: 0, ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: `${url}streams/main` });
}

const grayJpeg = (level: number): Promise<Buffer> =>
  encodeJpeg({ data: new Uint8Array(64 * 32).fill(level), width: 64, height: 32, channels: 1 });

/** An MJPEG reader with a separate connection and minimal parsing. */
class Reader implements AsyncDisposable {
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;
  #bytes = Buffer.alloc(0);
  /** Settles when the connection has ended. */
  readonly ended: Promise<void>;

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.#response = response;
    response.on('data', (chunk: Buffer) => (this.#bytes = Buffer.concat([this.#bytes, chunk])));
    response.on('error', () => undefined);
    this.ended = new Promise((resolve) => response.on('close', resolve));
  }

  static async open(url: string, headers: Record<string, string> = {}): Promise<Reader> {
    const request = httpGet(url, { agent: false, headers });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    request.on('error', () => undefined);
    return new Reader(request, response);
  }

  get status(): number | undefined {
    return this.#response.statusCode;
  }

  get headers(): IncomingMessage['headers'] {
    return this.#response.headers;
  }

  /** Waits for all bytes of a text, in a part or in a picture. */
  async read(wanted: Uint8Array): Promise<void> {
    while (this.#bytes.byteLength < wanted.byteLength) await once(this.#response, 'data');
    const came = this.#bytes.subarray(0, wanted.byteLength);
    this.#bytes = this.#bytes.subarray(wanted.byteLength);
    if (Buffer.compare(came, wanted) !== 0)
      throw new Error(
        `${JSON.stringify(came.toString('latin1', 0, 200))} received, expected ${JSON.stringify(Buffer.from(wanted).toString('latin1', 0, 200))}`,
      );
  }

  pause(): void {
    this.#response.pause();
  }

  /** Reads until the received data ends with this text; resolves with all data. */
  async readUntil(end: Uint8Array): Promise<Buffer> {
    this.#response.resume();
    while (Buffer.compare(this.#bytes.subarray(-end.byteLength), end) !== 0) await once(this.#response, 'data');
    return this.#bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#request.destroy();
    await this.ended;
  }
}

describe('GET /streams/NAME/mjpeg', () => {
  it('is an endless multipart response of unmodified pictures, without lengths for a browser', async () => {
    await using gateway = await start();
    const pictures = await Promise.all([10, 20, 30].map(grayJpeg));
    gateway.stream.push(pictures[0]!);
    await using reader = await Reader.open(`${gateway.url}/mjpeg`, { 'sec-fetch-dest': 'image' });
    expect(reader.status).toBe(200);
    expect(reader.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      connection: 'close',
    });
    expect(reader.headers).not.toHaveProperty('transfer-encoding');
    expect(reader.headers).not.toHaveProperty('content-length');
    const boundary = /^multipart\/x-mixed-replace; boundary=(gearway-[0-9a-f]{32})$/.exec(
      reader.headers['content-type']!,
    )![1]!;
    const partHead = `--${boundary}\r\nContent-Type: image/jpeg\r\n\r\n`;
    await reader.read(Buffer.from(partHead));
    for (const picture of pictures) {
      if (picture !== pictures[0]) gateway.stream.push(picture);
      // Nothing more is pushed: the header of the next part is sent with this picture, so that browsers show it.
      await reader.read(Buffer.concat([picture, Buffer.from(`\r\n${partHead}`)]));
    }
    expect(gateway.stream.clients).toMatchObject([
      { port: null, kind: 'spectator', address: 'img (127.0.0.1)', state: 'live', delivered: 3 },
    ]);
  });

  it('sends the length of each part to a program, and the boundary together with the picture', async () => {
    await using gateway = await start();
    const pictures = await Promise.all([10, 20, 30].map(grayJpeg));
    gateway.stream.push(pictures[0]!);
    await using reader = await Reader.open(`${gateway.url}/mjpeg`);
    const boundary = reader.headers['content-type']!.split('boundary=')[1]!;
    const partHead = `--${boundary}\r\nContent-Type: image/jpeg\r\n`;
    await reader.read(Buffer.from(partHead));
    for (const picture of pictures) {
      if (picture !== pictures[0]) gateway.stream.push(picture);
      await reader.read(
        Buffer.concat([
          Buffer.from(`Content-Length: ${picture.byteLength}\r\n\r\n`),
          picture,
          Buffer.from(`\r\n${partHead}`),
        ]),
      );
    }
  });

  // Headers of browsers and programs of 2026; Sec-Fetch-Dest is sent only to secure origins and localhost.
  it.each<[name: string, headers: Record<string, string>, hasLengths: boolean, query?: string]>([
    [
      'an <img> of Chromium',
      { accept: 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8', 'sec-fetch-dest': 'image' },
      false,
    ],
    [
      'an <img> of Chromium over plain HTTP',
      { accept: 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8' },
      false,
    ],
    [
      'an <img> of Firefox over plain HTTP',
      { accept: 'image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5' },
      false,
    ],
    [
      'an <img> of old Safari',
      { accept: 'image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5' },
      false,
    ],
    [
      'a tab',
      { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'sec-fetch-dest': 'document' },
      false,
    ],
    ['a tab over plain HTTP', { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' }, false],
    ['a frame', { accept: '*/*', 'sec-fetch-dest': 'iframe' }, false],
    ['fetch() of a page', { accept: '*/*', 'sec-fetch-dest': 'empty' }, true],
    ['FFmpeg, OpenCV, curl, aiohttp', { accept: '*/*' }, true],
    ['Go, VLC, GStreamer', {}, true],
    ['a program that accepts multipart', { accept: 'multipart/x-mixed-replace' }, true],
    ['an <img> that requests lengths', { accept: 'image/*', 'sec-fetch-dest': 'image' }, true, '?length=true'],
    ['a program that requests no lengths', { accept: '*/*' }, false, '?length=false'],
  ])('has lengths for %s: %j, %j', async (_name, headers, hasLengths, query = '') => {
    await using gateway = await start();
    gateway.stream.push(await grayJpeg(10));
    await using reader = await Reader.open(`${gateway.url}/mjpeg${query}`, headers);
    const boundary = reader.headers['content-type']!.split('boundary=')[1]!;
    await reader.read(
      Buffer.from(`--${boundary}\r\nContent-Type: image/jpeg\r\n${hasLengths ? 'Content-Length: ' : '\r\n'}`),
    );
  });

  it.each(['', '1', 'yes', 'true&length=true'])('refuses length=%s with 400', async (length) => {
    await using gateway = await start();
    const response = await fetch(`${gateway.url}/mjpeg?length=${length}`);
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'query-invalid']);
  });

  it('sends only the newest picture to a reader that continues, not all that it missed', async () => {
    await using gateway = await start();
    const small = await grayJpeg(10);
    // A JPEG of 1 MiB, filled with comments, which decoders ignore.
    const comments = Buffer.concat(
      Array.from({ length: 16 }, () => Buffer.concat([Buffer.from([0xff, 0xfe, 0xff, 0xff]), Buffer.alloc(65_533)])),
    );
    const numbered = (number: number): Buffer =>
      Buffer.concat([
        small.subarray(0, 2),
        Buffer.from([0xff, 0xfe, 0, 6]),
        Buffer.from(String(number).padStart(4, '0')),
        comments,
        small.subarray(2),
      ]);
    await using reader = await Reader.open(`${gateway.url}/mjpeg?length=false`);
    reader.pause();
    for (let number = 1; number <= 100; number += 1) {
      gateway.stream.push(numbered(number));
      await new Promise(setImmediate);
    }
    expect(gateway.stream.clients).toMatchObject([{ kind: 'spectator' }]);
    const boundary = reader.headers['content-type']!.split('boundary=')[1]!;
    const separator = `\r\n--${boundary}\r\nContent-Type: image/jpeg\r\n\r\n`;
    const all = await reader.readUntil(Buffer.concat([numbered(100), Buffer.from(separator)]));
    const [{ delivered, dropped } = { delivered: 0, dropped: 0 }] = gateway.stream.clients;
    expect(delivered + dropped).toBe(100);
    expect(dropped).toBeGreaterThan(50);
    const numbers = all
      .toString('latin1')
      .split(separator)
      .slice(0, -1)
      .map((part) => Number(/\xff\xfe\0\x06(\d{4})/.exec(part)?.[1] ?? 0))
      .filter((number) => number > 0);
    expect(numbers).toHaveLength(delivered);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  });

  it('shows a placeholder before the first frame', async () => {
    await using gateway = await start();
    await using reader = await Reader.open(`${gateway.url}/mjpeg?length=false`);
    const boundary = reader.headers['content-type']!.split('boundary=')[1]!;
    await reader.read(
      Buffer.concat([
        Buffer.from(`--${boundary}\r\nContent-Type: image/jpeg\r\n\r\n`),
        Buffer.from([0xff, 0xd8, 0xff]),
      ]),
    );
  });

  it('ends with the gateway', async () => {
    const gateway = await start();
    await using reader = await Reader.open(`${gateway.url}/mjpeg`);
    await gateway.close();
    await reader.ended;
  });

  it('releases clients that have left', async () => {
    await using gateway = await start();
    {
      await using _reader = await Reader.open(`${gateway.url}/mjpeg`);
      expect(gateway.stream.clients).toHaveLength(1);
    }
    await expect.poll(() => gateway.stream.clients).toEqual([]);
  });

  it('answers HEAD without a body', async () => {
    await using gateway = await start();
    const response = await fetch(`${gateway.url}/mjpeg`, { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('multipart/x-mixed-replace');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(gateway.stream.clients).toEqual([]);
  });

  it.each(['0.1', '5', '29.97', '120'])('accepts fps=%s', async (fps) => {
    await using gateway = await start();
    await using reader = await Reader.open(`${gateway.url}/mjpeg?fps=${fps}`);
    expect(reader.status).toBe(200);
  });

  it.each(['0', '0.09', '120.1', '121', '-5', '1e1', 'NaN', '', '5&fps=6'])('refuses fps=%s with 400', async (fps) => {
    await using gateway = await start();
    const response = await fetch(`${gateway.url}/mjpeg?fps=${fps}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'query-invalid' });
  });

  it('has the requested width and quality, made once for all clients', async () => {
    await using gateway = await start();
    gateway.stream.push(await grayJpeg(10));
    const parts = await Promise.all(
      ['width=20', 'width=20&quality=5', 'width=4096', 'quality=5'].map(async (query) => {
        await using reader = await Reader.open(`${gateway.url}/mjpeg?length=false&${query}`);
        const boundary = reader.headers['content-type']!.split('boundary=')[1]!;
        const all = await reader.readUntil(
          Buffer.from(`\xff\xd9\r\n--${boundary}\r\nContent-Type: image/jpeg\r\n\r\n`, 'latin1'),
        );
        return readJpegHeader(all.subarray(all.indexOf(Buffer.from([0xff, 0xd8]))));
      }),
    );
    expect(parts.map(({ width }) => width)).toEqual([20, 20, 64, 64]);
  });

  it.each([
    'width=0',
    'width=1.5',
    'width=',
    'width=16385',
    'quality=0',
    'quality=101',
    'quality=high',
    'quality=5&quality=6',
  ])('refuses %s with 400', async (query) => {
    await using gateway = await start();
    const response = await fetch(`${gateway.url}/mjpeg?${query}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'query-invalid' });
  });

  it('refuses a seventh size of one address with 429, and a ninth of all with 503, until one is no longer in use', async () => {
    await using gateway = await start(TRUST_FORWARDED);
    const readers = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => Reader.open(`${gateway.url}/mjpeg?width=${n}`)));
    const seventh = await fetch(`${gateway.url}/mjpeg?width=7`);
    expect(seventh.status).toBe(429);
    expect(seventh.headers.get('retry-after')).toBe('5');
    expect(await seventh.json()).toMatchObject({ code: 'address-limit' });
    for (const n of [7, 8]) await Reader.open(`${gateway.url}/mjpeg?width=${n}`, { 'X-Forwarded-For': '192.0.2.2' });
    const refused = await fetch(`${gateway.url}/mjpeg?width=9`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'too-many' });
    expect((await Reader.open(`${gateway.url}/mjpeg?width=6`)).status).toBe(200);
    expect((await Reader.open(`${gateway.url}/mjpeg`)).status).toBe(200);
    await readers[2]![Symbol.asyncDispose]();
    await expect.poll(() => gateway.stream.clients.length).toBe(9);
    expect((await Reader.open(`${gateway.url}/mjpeg?width=9`)).status).toBe(200);
  });

  it('serves 64 clients of one address, refuses one more with 429, and accepts another one when one has left', async () => {
    await using gateway = await start(TRUST_FORWARDED);
    // They end with the gateway.
    const readers = await Promise.all(Array.from({ length: 64 }, () => Reader.open(`${gateway.url}/mjpeg`)));
    expect(readers.every(({ status }) => status === 200)).toBe(true);
    const refused = await fetch(`${gateway.url}/mjpeg`);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'address-limit' });
    expect(await statusFrom(`${gateway.url}/mjpeg`, '192.0.2.2')).toBe(200);
    await readers[7]![Symbol.asyncDispose]();
    await expect.poll(() => gateway.stream.clients.length).toBe(63);
    expect((await Reader.open(`${gateway.url}/mjpeg`)).status).toBe(200);
  });

  it('serves 256 clients in total, and refuses one more with 503', async () => {
    await using gateway = await start(TRUST_FORWARDED);
    const held = await Promise.all(
      [2, 3, 4, 5].flatMap((address) =>
        Array.from({ length: 64 }, () => hold(`${gateway.url}/mjpeg`, `192.0.2.${address}`)),
      ),
    );
    expect(held.every(({ status }) => status === 200)).toBe(true);
    const refused = await fetch(`${gateway.url}/mjpeg`);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: 'too-many' });
  });
});

describe('GET /streams/NAME/snapshot', () => {
  it('is the latest frame: unmodified bytes, sequence and time', async () => {
    await using gateway = await start();
    const [first, second] = await Promise.all([grayJpeg(10), grayJpeg(20)]);
    gateway.stream.push(first);
    gateway.stream.push(second);
    const response = await fetch(`${gateway.url}/snapshot.jpg`);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'cache-control': 'no-store',
      'gearway-sequence': '2',
      'cross-origin-resource-policy': 'same-origin',
    });
    const receivedAt = response.headers.get('gearway-received-at')!;
    expect(receivedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Math.abs(Date.parse(receivedAt) - Date.now())).toBeLessThan(5000);
    expect(Buffer.compare(Buffer.from(await response.arrayBuffer()), second)).toBe(0);
  });

  it('is a PNG of the exact samples', async () => {
    await using gateway = await start();
    gateway.stream.push({ dtype: 'uint8', shape: [1, 2, 3], data: Uint8Array.of(1, 2, 3, 250, 128, 7) });
    const response = await fetch(`${gateway.url}/snapshot.png`);
    expect(response.headers.get('content-type')).toBe('image/png');
    expect([
      ...(await sharp(await response.arrayBuffer())
        .raw()
        .toBuffer()),
    ]).toEqual([3, 2, 1, 7, 128, 250]);
  });

  it.each([
    ['1', 1],
    ['32', 32],
    ['64', 64],
    ['16384', 64],
  ])('is as wide as width=%s, and never enlarged', async (asked, width) => {
    await using gateway = await start();
    gateway.stream.push(await grayJpeg(10));
    for (const format of ['jpg', 'png']) {
      const response = await fetch(`${gateway.url}/snapshot.${format}?width=${asked}&t=1`);
      expect(await sharp(await response.arrayBuffer()).metadata()).toMatchObject({
        width,
        height: Math.ceil(width / 2),
      });
    }
  });

  it.each(['0', '16385', '-1', '1.5', '1e2', 'wide', '', '1&width=2'])('refuses width=%s with 400', async (width) => {
    await using gateway = await start();
    gateway.stream.push(await grayJpeg(10));
    const response = await fetch(`${gateway.url}/snapshot.jpg?width=${width}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'query-invalid' });
  });

  it('compresses a JPEG with quality=N', async () => {
    await using gateway = await start();
    const data = new Uint8Array(64 * 64).map((_, at) => (at * 7919) % 251);
    gateway.stream.push(await encodeJpeg({ data, width: 64, height: 64, channels: 1 }));
    const sizes = await Promise.all(
      ['quality=100', 'quality=5', 'quality=5&width=32'].map(
        async (query) => (await (await fetch(`${gateway.url}/snapshot.jpg?${query}`)).arrayBuffer()).byteLength,
      ),
    );
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
    expect(new Set(sizes).size).toBe(3);
  });

  it.each(['0', '101', '1.5', 'best', '', '1&quality=2'])('refuses quality=%s with 400', async (quality) => {
    await using gateway = await start();
    gateway.stream.push(await grayJpeg(10));
    const response = await fetch(`${gateway.url}/snapshot.jpg?quality=${quality}`);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'query-invalid' });
  });

  it('reports that there is no frame yet with 503 and Retry-After', async () => {
    await using gateway = await start();
    for (const format of ['jpg', 'png']) {
      const response = await fetch(`${gateway.url}/snapshot.${format}`);
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).toBe('1');
      expect(await response.json()).toEqual({
        code: 'no-frame',
        message: 'no frame is available yet: waiting for a publisher',
      });
    }
  });

  it('responds with 503 if too many pictures are being encoded', async () => {
    await using gateway = await start();
    gateway.stream.push({
      dtype: 'uint8',
      shape: [1200, 1200, 3],
      data: new Uint8Array(4_320_000).map((_, at) => (at * 7919) % 256),
    });
    const responses = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7, 8].map((n) => fetch(`${gateway.url}/snapshot.png?width=${1190 + n}`)),
    );
    expect(responses.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(4);
    const refused = responses.find(({ status }) => status === 503)!;
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ code: 'busy' });
  });

  it('counts a picture until it has been read or the request has been aborted', async () => {
    await using gateway = await start();
    // More than the kernel buffers of a response that is not read.
    gateway.stream.push({ dtype: 'uint8', shape: [2400, 2400, 3], data: randomBytes(2400 * 2400 * 3) });
    await (await fetch(`${gateway.url}/snapshot.png`)).arrayBuffer();
    const held: Reader[] = [];
    for (let index = 0; index < 16; index += 1) {
      const reader = await Reader.open(`${gateway.url}/snapshot.png`);
      reader.pause();
      held.push(reader);
    }
    // 503 as long as one of them is being encoded.
    await expect.poll(async () => (await fetch(`${gateway.url}/snapshot.png`)).status).toBe(429);
    for (const reader of held) await reader[Symbol.asyncDispose]();
    await expect.poll(async () => (await fetch(`${gateway.url}/snapshot.png`)).status).toBe(200);
  });

  it('responds with 501 to frames that it cannot show', async () => {
    await using gateway = await start();
    gateway.stream.push({ dtype: 'int32', shape: [1, 1, 2], data: new Uint8Array(8) });
    for (const path of ['snapshot.png', 'snapshot.jpg', 'snapshot.jpg?width=1']) {
      const response = await fetch(`${gateway.url}/${path}`);
      expect(response.status, path).toBe(501);
      expect(await response.json()).toMatchObject({ code: 'channels-unsupported' });
    }
  });

  it('answers HEAD without a body', async () => {
    await using gateway = await start();
    const jpeg = await grayJpeg(10);
    gateway.stream.push(jpeg);
    const response = await fetch(`${gateway.url}/snapshot.jpg`, { method: 'HEAD' });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'content-length': String(jpeg.byteLength),
      'gearway-sequence': '1',
    });
    expect((await response.arrayBuffer()).byteLength).toBe(0);
  });
});

describe.each(['mjpeg', 'snapshot.jpg', 'snapshot.png'])('access to /streams/NAME/%s', (path) => {
  /** Only the status, without waiting for an endless body. */
  const ask = async (url: string, headers: Record<string, string> = {}): Promise<Response> => {
    const controller = new AbortController();
    const response = await fetch(url, { headers, signal: controller.signal });
    if (response.ok) controller.abort();
    return response;
  };

  it('is refused for an unknown stream with 404', async () => {
    await using gateway = await start();
    const response = await ask(gateway.url.replace('main', 'nope') + `/${path}`);
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      code: 'stream-unknown',
      message: 'stream is "nope", expected one of main',
    });
  });

  it('requires the token as Bearer or as the password of any user', async () => {
    await using gateway = await start({ token: 's3cret' });
    gateway.stream.push(await grayJpeg(10));
    const basic = (user: string, password: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    });
    for (const headers of [{}, { authorization: 'Bearer wrong' }, basic('', 'wrong'), basic('s3cret', '')]) {
      const response = await ask(`${gateway.url}/${path}?token=s3cret`, headers);
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Basic realm="Gearway"');
      expect(await response.json()).toMatchObject({ code: 'token-required' });
    }
    for (const headers of [{ authorization: 'Bearer s3cret' }, basic('', 's3cret'), basic('anyone', 's3cret')])
      expect((await ask(`${gateway.url}/${path}`, headers)).status).toBe(200);
    // Without a token, an unknown stream is not revealed.
    expect((await ask(gateway.url.replace('main', 'nope') + `/${path}`)).status).toBe(401);
  });

  it('is refused to a foreign page, whether it reveals its origin or not', async () => {
    await using gateway = await start({ allowOrigins: ['http://localhost:3000'] });
    gateway.stream.push(await grayJpeg(10));
    // fetch() sets the Sec-Fetch headers itself: a plain request carries them as a browser does.
    const status = async (headers: Record<string, string>): Promise<unknown[]> => {
      await using reader = await Reader.open(`${gateway.url}/${path}`, headers);
      return [
        reader.status,
        reader.headers['access-control-allow-origin'],
        reader.headers['cross-origin-resource-policy'],
      ];
    };
    const img = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };
    // Every page may read the reason of a refusal, which contains nothing else.
    expect(await status(img)).toEqual([403, '*', 'same-origin']);
    expect(await status({ ...img, 'sec-fetch-site': 'same-site' })).toEqual([403, '*', 'same-origin']);
    expect(await status({ ...img, 'sec-fetch-mode': 'cors', origin: 'https://evil.example' })).toEqual([
      403,
      '*',
      'same-origin',
    ]);
    expect(await status({ ...img, 'sec-fetch-mode': 'cors', origin: 'http://localhost:3000' })).toEqual([
      200,
      'http://localhost:3000',
      undefined,
    ]);
    expect(await status({ ...img, 'sec-fetch-site': 'same-origin' })).toEqual([200, undefined, 'same-origin']);
    expect(await status({ ...img, 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' })).toEqual([
      200,
      undefined,
      'same-origin',
    ]);
    expect(await status({ host: 'evil.example' })).toEqual([421, '*', 'same-origin']);
  });
});

describe('resources that a page may embed without revealing its origin', () => {
  it('are built files only', async () => {
    await using gateway = await start();
    const origin = new URL(gateway.url).origin;
    const img = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };
    for (const [path, expected] of [
      ['/healthz', 403],
      ['/api/streams', 403],
      ['/', 200],
      ['/gearway-viewer.js', 200],
    ] as const) {
      await using reader = await Reader.open(origin + path, img);
      expect(reader.status, path).toBe(expected);
      expect(reader.headers['cross-origin-resource-policy'], path).toBe(
        expected === 200 ? 'cross-origin' : 'same-origin',
      );
    }
  });
});
