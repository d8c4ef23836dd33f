import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { PushSource } from '../../../gateway/sources/push/push-source.ts';
import { SourceRun } from '../../../gateway/sources/source-run.ts';
import type { FrameMessage } from '../../../shared/protocol.ts';
import { forwardedFrom, TRUST_FORWARDED } from '../../helpers/from-address.ts';
import { createHttpApp } from '../../helpers/http-app.ts';
import { jpegOf, jpegSized, npyOf } from '../../helpers/pictures.ts';
import { type Answer, RunningRequest } from '../../helpers/running-request.ts';
import { JPEG, Viewer } from '../../helpers/viewer.ts';

const MAX_BYTES = 64 << 20;
const MAX_NPY_HEAD = 10_012;

async function start(
  options: GatewayOptions = {},
): Promise<Gateway & { readonly url: string; readonly frames: string }> {
  const gateway = await createGateway({ port: 0, source: 'push:', ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1), frames: `${url}streams/main/frames` });
}

type Body = NonNullable<RequestInit['body']>;

async function post(url: string, body: Body, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', body, headers });
  return { status: response.status, body: await response.json() };
}

const JPEG_TYPE = { 'content-type': 'image/jpeg' };

/** Requests through a proxy need a token. */
const BEHIND_PROXY = { ...TRUST_FORWARDED, publishToken: 'publish-secret' };
const AUTHORIZED_JPEG = { ...JPEG_TYPE, authorization: 'Bearer publish-secret' };
const jpegBlob = (): Blob => new Blob([JPEG], { type: 'image/jpeg' });

/** A hand-written form: name, rest of the field's header, and the field's bytes. */
function form(...fields: readonly (readonly [name: string, more: string, bytes: string | Uint8Array])[]): {
  readonly body: Buffer;
  readonly headers: Record<string, string>;
} {
  const parts = fields.flatMap(([name, more, bytes]) => [
    Buffer.from(`--xyz\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`),
    Buffer.from(bytes),
    Buffer.from('\r\n'),
  ]);
  return {
    body: Buffer.concat([...parts, Buffer.from('--xyz--\r\n')]),
    headers: { 'content-type': 'multipart/form-data; boundary=xyz' },
  };
}

/** A viewer with a port, which waits for the next frame. */
async function watch(gateway: { readonly url: string }): Promise<Viewer & { frame(): Promise<FrameMessage> }> {
  const viewer = await Viewer.connect(gateway.url);
  await viewer.hello();
  const frame = async (): Promise<FrameMessage> => {
    for (;;) {
      const message = await viewer.take();
      if (message.type !== 'frame') continue;
      viewer.ack(message.sequence);
      return message;
    }
  };
  return Object.assign(viewer, { frame });
}

describe('POST /streams/NAME/frames: one picture', () => {
  it('publishes an unmodified JPEG with its message and time', async () => {
    await using gateway = await start();
    await using viewer = await watch(gateway);
    const headers = {
      ...JPEG_TYPE,
      'gearway-message': Buffer.from('{"n": 1, "s": "é📷"}').toString('latin1'),
      'gearway-captured-at': '2026-01-31T13:00:00.123456+01:00',
    };
    expect(await post(gateway.frames, JPEG, headers)).toEqual({ status: 200, body: { sequence: 1 } });
    expect(await viewer.frame()).toMatchObject({
      sequence: 1,
      width: 8,
      height: 8,
      encoding: { kind: 'jpeg' },
      message: { n: 1, s: 'é📷' },
      capturedAtUs: Date.UTC(2026, 0, 31, 12) * 1000 + 123_456,
      payload: Buffer.from(JPEG),
    });
    expect(await post(gateway.frames, JPEG, JPEG_TYPE)).toEqual({ status: 200, body: { sequence: 2 } });
    expect(await viewer.frame()).toMatchObject({ sequence: 2, message: null });
  });

  it('publishes an array', async () => {
    await using gateway = await start();
    const array = npyOf('<u2', [2, 3], 12);
    array.writeUInt16LE(500, array.byteLength - 2);
    expect(await post(gateway.frames, array, { 'content-type': 'application/x-npy' })).toEqual({
      status: 200,
      body: { sequence: 1 },
    });
    expect(gateway.stream.status().frame).toMatchObject({ width: 3, height: 2, encoding: 'uint16' });
  });

  it.each(['application/octet-stream', undefined])('detects a picture of type %s by its first bytes', async (type) => {
    await using gateway = await start();
    for (const body of [jpegOf(2000), npyOf('|u1', [4, 4, 3], 48)]) {
      await using request = new RunningRequest(gateway.frames, {
        'content-length': String(body.byteLength),
        ...(type === undefined ? {} : { 'content-type': type }),
      });
      await request.write(body);
      expect(await request.answer).toMatchObject({ status: 200 });
    }
    expect(gateway.stream.status()).toMatchObject({
      frame: { sequence: 2, encoding: 'uint8' },
      counters: { rejected: 0 },
    });
  });

  it('reads a chunked body', async () => {
    await using gateway = await start();
    await using request = new RunningRequest(gateway.frames, JPEG_TYPE);
    const jpeg = jpegOf(200_000);
    for (let at = 0; at < jpeg.byteLength; at += 70_000) await request.write(jpeg.subarray(at, at + 70_000));
    expect(gateway.stream.status().frame).toBeNull();
    expect(await request.end()).toEqual({ status: 200, body: { sequence: 1 } });
    expect(
      Buffer.from(await (await fetch(`${gateway.url}/streams/main/snapshot.jpg`)).arrayBuffer()).equals(jpeg),
    ).toBe(true);
  });

  it.each(['frame first', 'message first'])('reads a form, %s', async (order) => {
    await using gateway = await start();
    await using viewer = await watch(gateway);
    const fields: [string, string | Blob][] = [
      ['frame', jpegBlob()],
      ['message', '{"n": 1}'],
      ['another', 'field'],
    ];
    const data = new FormData();
    for (const [name, value] of order === 'frame first' ? fields : fields.reverse()) data.append(name, value);
    expect(await post(gateway.frames, data)).toEqual({ status: 200, body: { sequence: 1 } });
    expect(await viewer.frame()).toMatchObject({ message: { n: 1 }, payload: Buffer.from(JPEG) });
  });

  it.each([
    ['without a type', form(['frame', '', JPEG]), null],
    [
      'as curl sends an .npy',
      form(['frame', '; filename="a.npy"\r\nContent-Type: application/octet-stream', npyOf('|u1', [4, 4], 16)]),
      null,
    ],
    [
      'with the message in the header',
      {
        ...form(['frame', '; filename="frame; name=\\"message\\""', JPEG]),
        headers: { ...form().headers, 'gearway-message': '"here"' },
      },
      'here',
    ],
    [
      'with an unquoted name',
      {
        ...form(),
        body: Buffer.concat([
          Buffer.from('--xyz\r\nContent-Disposition: form-data; name=frame\r\n\r\n'),
          JPEG,
          Buffer.from('\r\n--xyz--'),
        ]),
      },
      null,
    ],
  ])('accepts a form %s', async (_name, { body, headers }, message) => {
    await using gateway = await start();
    await using viewer = await watch(gateway);
    expect(await post(gateway.frames, body, headers)).toEqual({ status: 200, body: { sequence: 1 } });
    expect(await viewer.frame()).toMatchObject({ message });
  });

  it.each<[string, number, string, Body, Record<string, string>]>([
    ['half a JPEG', 400, 'jpeg-invalid', JPEG.subarray(0, 100), JPEG_TYPE],
    ['nothing', 400, 'jpeg-invalid', '', JPEG_TYPE],
    ['no JPEG', 400, 'jpeg-invalid', 'hello', { 'content-type': 'application/octet-stream' }],
    ['no .npy', 400, 'npy-invalid', JPEG, { 'content-type': 'application/x-npy' }],
    [
      'a .npy with too few samples',
      400,
      'array-misfit',
      npyOf('|u1', [4, 4], 15),
      { 'content-type': 'application/x-npy' },
    ],
    [
      'a .npy with too many samples',
      400,
      'array-misfit',
      npyOf('|u1', [4, 4], 17),
      { 'content-type': 'application/x-npy' },
    ],
    [
      'a .npy of complex numbers',
      400,
      'dtype-unknown',
      npyOf('<c8', [4, 4], 128),
      { 'content-type': 'application/x-npy' },
    ],
    ['a .npy of one dimension', 400, 'shape-invalid', npyOf('|u1', [4], 4), { 'content-type': 'application/x-npy' }],
    ['a message that is not JSON', 400, 'value-invalid', JPEG, { ...JPEG_TYPE, 'gearway-message': '{n: 1}' }],
    ['a message that is not UTF-8', 400, 'value-invalid', JPEG, { ...JPEG_TYPE, 'gearway-message': '"\xe9"' }],
    [
      '65 nested lists',
      400,
      'value-invalid',
      JPEG,
      { ...JPEG_TYPE, 'gearway-message': '['.repeat(65) + ']'.repeat(65) },
    ],
    ['an integer of 4301 digits', 400, 'value-invalid', JPEG, { ...JPEG_TYPE, 'gearway-message': '9'.repeat(4301) }],
    [
      'a time without a zone',
      400,
      'value-invalid',
      JPEG,
      { ...JPEG_TYPE, 'gearway-captured-at': '2026-01-31T12:00:00' },
    ],
    ['a time in microseconds', 400, 'value-invalid', JPEG, { ...JPEG_TYPE, 'gearway-captured-at': '1766400000000000' }],
    ['JSON', 415, 'type-unknown', '{}', { 'content-type': 'application/json' }],
    ["curl's default type", 415, 'type-unknown', JPEG, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a PNG', 415, 'type-unknown', JPEG, { 'content-type': 'image/png' }],
    ['a form without a boundary', 400, 'multipart-invalid', JPEG, { 'content-type': 'multipart/form-data' }],
    [
      'a form with a boundary of 71 characters',
      400,
      'multipart-invalid',
      JPEG,
      { 'content-type': `multipart/form-data; boundary=${'x'.repeat(71)}` },
    ],
    ['a form without a frame', 400, 'multipart-invalid', form(['picture', '', JPEG]).body, form().headers],
    [
      'a form with two frames',
      400,
      'multipart-invalid',
      form(['frame', '', JPEG], ['frame', '', JPEG]).body,
      form().headers,
    ],
    [
      'a form without its end',
      400,
      'multipart-invalid',
      form(['frame', '', JPEG]).body.subarray(0, -9),
      form().headers,
    ],
    [
      'a form with a PNG',
      415,
      'type-unknown',
      form(['frame', '\r\nContent-Type: image/png', '\x89PNG']).body,
      form().headers,
    ],
    [
      'a form whose message is not JSON',
      400,
      'value-invalid',
      form(['frame', '', JPEG], ['message', '', 'n=1']).body,
      form().headers,
    ],
    [
      'a message in the form and in the header',
      400,
      'value-invalid',
      form(['frame', '', JPEG], ['message', '', '1']).body,
      { ...form().headers, 'gearway-message': '1' },
    ],
  ])('refuses %s with %i %s', async (_name, status, code, body, headers) => {
    await using gateway = await start();
    expect(await post(gateway.frames, body, headers)).toEqual({
      status,
      body: { code, message: expect.stringMatching(/^.{20,}$/) as string },
    });
    expect(gateway.stream.status().frame).toBeNull();
    expect(await post(gateway.frames, JPEG, JPEG_TYPE)).toEqual({ status: 200, body: { sequence: 1 } });
  });

  it('counts refused pictures with the reason', async () => {
    await using gateway = await start();
    await post(gateway.frames, JPEG.subarray(1), JPEG_TYPE);
    expect(gateway.stream.status().counters).toMatchObject({
      received: 0,
      rejected: 1,
      lastRejections: [expect.stringMatching(/^jpeg-invalid: /) as string],
    });
  });

  it('requires a body (411)', async () => {
    await using gateway = await start();
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.end('POST /streams/main/frames HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 411 [\s\S]*"code":"length-required"/);
  });

  it.each([
    ['', 404],
    ['/streams/other', 404],
  ])('finds no stream at %j', async (path, status) => {
    await using gateway = await start();
    expect(await post(`${gateway.url}${path}/frames`, JPEG, JPEG_TYPE)).toMatchObject({ status });
  });

  it('refuses a stream with another source (409)', async () => {
    await using gateway = await start({ source: ['door=push:', 'yard=test-pattern:?fps=1'] });
    expect(await post(`${gateway.url}/streams/yard/frames`, JPEG, JPEG_TYPE)).toMatchObject({
      status: 409,
      body: { code: 'source-busy' },
    });
    expect(await post(`${gateway.url}/streams/door/frames`, JPEG, JPEG_TYPE)).toMatchObject({ status: 200 });
  });
});

describe('POST /streams/NAME/frames: limits', () => {
  it('accepts 64 MiB, and no more', async () => {
    await using gateway = await start();
    // fetch() would copy the bodies several times.
    const postLarge = async (body: Buffer, type: Record<string, string>): Promise<Answer> => {
      await using request = new RunningRequest(gateway.frames, { ...type, 'content-length': String(body.byteLength) });
      void request.write(body);
      return await request.answer;
    };
    const npy = { 'content-type': 'application/x-npy' };
    expect(await postLarge(jpegOf(MAX_BYTES), JPEG_TYPE)).toMatchObject({ status: 200 });
    expect(await postLarge(jpegOf(MAX_BYTES + 1), JPEG_TYPE)).toMatchObject({
      status: 413,
      body: { code: 'too-large' },
    });
    expect(await postLarge(npyOf('|u1', [16_384, 4096], MAX_BYTES), npy)).toMatchObject({ status: 200 });
    expect(await postLarge(npyOf('|u1', [16_384, 4097], 16_384 * 4097), npy)).toMatchObject({
      status: 413,
      body: { code: 'too-large' },
    });
  });

  it.each([
    ['a picture', JPEG_TYPE, MAX_BYTES + MAX_NPY_HEAD],
    ['a form', form().headers, MAX_BYTES + MAX_NPY_HEAD + (1 << 20) + (64 << 10)],
  ])('refuses %s by its Content-Length, before it arrives', async (_name, headers, most) => {
    await using gateway = await start();
    await using allowed = new RunningRequest(gateway.frames, { ...headers, 'content-length': String(most) });
    await using refused = new RunningRequest(gateway.frames, { ...headers, 'content-length': String(most + 1) });
    expect(await refused.answer).toMatchObject({ status: 413, body: { code: 'too-large' } });
    // There is no response yet, because the body is incomplete.
    await expect(Promise.race([allowed.answer, refused.closed])).resolves.toBeUndefined();
  });

  it('refuses a chunked body as soon as it is too long', async () => {
    await using gateway = await start();
    for (const [headers, begin] of [
      [JPEG_TYPE, ''],
      [form().headers, '--xyz\r\nContent-Disposition: form-data; name="x"\r\n\r\n'],
    ] as const) {
      await using request = new RunningRequest(gateway.frames, headers);
      // Much is in transit when the response is sent, and must not reset the connection.
      const chunk = Buffer.alloc(4 << 20);
      await request.write(begin);
      let isAnswered = false;
      const answered = request.answer.finally(() => (isAnswered = true));
      for (let sent = 0; !isAnswered && sent < 40; sent += 1) await Promise.race([request.write(chunk), answered]);
      expect(await answered).toMatchObject({ status: 413, body: { code: 'too-large' } });
    }
  });

  it.each([
    [jpegSized(16_384, 4096), 200],
    [jpegSized(16_385, 1), 413],
    [jpegSized(1, 16_385), 413],
    [jpegSized(8192, 8192), 200],
    [jpegSized(8192, 8193), 413],
  ])('checks the size of the picture, %#', async (jpeg, status) => {
    await using gateway = await start();
    expect(await post(gateway.frames, jpeg, JPEG_TYPE)).toMatchObject({ status });
  });

  it('accepts 64 nested lists, an integer of 4300 digits, and a boundary of 70 characters', async () => {
    await using gateway = await start();
    expect(
      await post(gateway.frames, JPEG, { ...JPEG_TYPE, 'gearway-message': '['.repeat(64) + ']'.repeat(64) }),
    ).toMatchObject({ status: 200 });
    expect(await post(gateway.frames, JPEG, { ...JPEG_TYPE, 'gearway-message': '9'.repeat(4300) })).toMatchObject({
      status: 200,
    });
    const boundary = 'x'.repeat(70);
    const body = Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="frame"\r\n\r\n`),
      JPEG,
      Buffer.from(`\r\n--${boundary}--`),
    ]);
    for (const written of [boundary, `"${boundary}"`])
      expect(
        await post(gateway.frames, body, { 'content-type': `Multipart/Form-Data; charset=utf-8; Boundary=${written}` }),
      ).toMatchObject({ status: 200 });
  });

  it('accepts a message of 1 MiB as a field, and of about 16 KiB as a header', async () => {
    await using gateway = await start();
    const text = (bytes: number): string => JSON.stringify('x'.repeat(bytes - 2));
    const fields = (message: string): ReturnType<typeof form> => form(['message', '', message], ['frame', '', JPEG]);
    for (const [bytes, status] of [
      [1 << 20, 200],
      [(1 << 20) + 1, 413],
    ] as const) {
      const { body, headers } = fields(text(bytes));
      expect(await post(gateway.frames, body, headers)).toMatchObject({ status });
    }
    expect(await post(gateway.frames, JPEG, { ...JPEG_TYPE, 'gearway-message': text(15_000) })).toMatchObject({
      status: 200,
    });
    expect(await post(gateway.frames, JPEG, { ...JPEG_TYPE, 'gearway-message': text(17_000) })).toMatchObject({
      status: 431,
      body: { code: 'too-large' },
    });
  });

  it('reads 8 pictures of one address concurrently, refuses one more with 429, and accepts another one when one is complete', async () => {
    await using gateway = await start();
    const headers = { ...JPEG_TYPE, 'content-length': String(JPEG.byteLength) };
    // They end with the gateway.
    const requests = Array.from({ length: 8 }, () => new RunningRequest(gateway.frames, headers));
    for (const request of requests) await request.write(JPEG.subarray(0, 1));
    await expect.poll(async () => (await post(gateway.frames, JPEG, JPEG_TYPE)).status).toBe(429);
    const refused = await fetch(gateway.frames, { method: 'POST', body: JPEG, headers: JPEG_TYPE });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await refused.json()).toMatchObject({ code: 'address-limit' });
    await requests[0]!.write(JPEG.subarray(1));
    expect(await requests[0]!.answer).toMatchObject({ status: 200 });
    expect(await post(gateway.frames, JPEG, JPEG_TYPE)).toMatchObject({ status: 200 });
    await requests[1]!.cut();
    await requests[2]!.write(JPEG.subarray(1));
    expect(await requests[2]!.answer).toMatchObject({ status: 200 });
  });

  it('reads 16 pictures in total, and refuses one more with 503', async () => {
    await using gateway = await start(BEHIND_PROXY);
    const headers = { ...AUTHORIZED_JPEG, 'content-length': String(JPEG.byteLength) };
    for (const address of ['192.0.2.2', '192.0.2.3']) {
      for (let index = 0; index < 8; index += 1)
        await new RunningRequest(`${gateway.frames}?publisher=same`, { ...headers, ...forwardedFrom(address) }).write(
          JPEG.subarray(0, 1),
        );
    }
    await expect.poll(async () => (await post(gateway.frames, JPEG, AUTHORIZED_JPEG)).status).toBe(503);
    expect(await post(gateway.frames, JPEG, AUTHORIZED_JPEG)).toMatchObject({ body: { code: 'too-many' } });
  });

  it('refuses a message with too many elements, even if its text is short', async () => {
    await using gateway = await start();
    const { body, headers } = form(['message', '', `[${'0,'.repeat(131_071)}0]`], ['frame', '', JPEG]);
    expect(await post(gateway.frames, body, headers)).toMatchObject({ status: 400, body: { code: 'value-invalid' } });
    const fits = form(['message', '', `[${'0,'.repeat(131_000)}0]`], ['frame', '', JPEG]);
    expect(await post(gateway.frames, fits.body, fits.headers)).toMatchObject({ status: 200 });
  });

  it('accepts at most 512 MiB of pictures in transit', async () => {
    await using gateway = await start(BEHIND_PROXY);
    const headers = { ...AUTHORIZED_JPEG, 'content-length': String(64 << 20) };
    for (const address of ['192.0.2.2', '192.0.2.3']) {
      for (let index = 0; index < 4; index += 1)
        await new RunningRequest(gateway.frames, { ...headers, ...forwardedFrom(address) }).write(JPEG.subarray(0, 1));
    }
    await expect
      .poll(async () => await post(gateway.frames, JPEG, AUTHORIZED_JPEG))
      .toMatchObject({ status: 503, body: { code: 'busy' } });
  });

  it('never publishes an incomplete picture', async () => {
    await using gateway = await start();
    const { body, headers } = form(['frame', '', JPEG]);
    for (const [type, bytes] of [
      [JPEG_TYPE, Buffer.from(JPEG)],
      [headers, body],
    ] as const) {
      for (const announced of [{ 'content-length': String(bytes.byteLength) }, {}]) {
        await using request = new RunningRequest(gateway.frames, { ...type, ...announced });
        // All of the chunked body, except its end.
        await request.write('content-length' in announced ? bytes.subarray(0, -1) : bytes);
        await request.cut();
      }
    }
    await expect.poll(() => gateway.stream.status().counters.rejected).toBe(4);
    expect(gateway.stream.status()).toMatchObject({
      frame: null,
      counters: { received: 0 },
      source: { state: 'waiting for a publisher' },
    });
  });
});

describe('POST /streams/NAME/frames: the publisher', () => {
  it('is shown in the API, by address and name', async () => {
    await using gateway = await start();
    await post(gateway.frames, JPEG, JPEG_TYPE);
    expect(gateway.stream.status().source).toMatchObject({ kind: 'push', state: '127.0.0.1' });
    await using other = await start();
    await post(`${other.frames}?publisher=door%20%C3%A9`, JPEG, JPEG_TYPE);
    expect(other.stream.status().source.state).toBe('door é (127.0.0.1)');
  });

  it('causes the next publisher to be refused with 409 before its picture has arrived, with the name of the first', async () => {
    await using gateway = await start();
    await post(`${gateway.frames}?publisher=door`, JPEG, JPEG_TYPE);
    await using request = new RunningRequest(`${gateway.frames}?publisher=yard`, {
      ...JPEG_TYPE,
      'content-length': '5000000',
    });
    expect(await request.answer).toEqual({
      status: 409,
      body: { code: 'publisher-present', message: expect.stringContaining('door (127.0.0.1)') as string },
    });
    expect(() => gateway.stream.push(JPEG)).toThrow(expect.objectContaining({ code: 'publisher-present' }));
    expect(gateway.stream.push(JPEG, { takeOver: true })).toBe(2);
    expect(await post(`${gateway.frames}?publisher=door`, JPEG, JPEG_TYPE)).toMatchObject({
      status: 409,
      body: { code: 'taken-over', message: expect.stringContaining('this program') as string },
    });
    expect(gateway.stream.status().counters.rejected).toBe(0);
  });

  it('is replaced by the next publisher if that publisher or the source requests it', async () => {
    await using gateway = await start({ source: ['main=push:', 'newest=push:?takeOver=true'] });
    await post(gateway.frames, JPEG, JPEG_TYPE);
    expect(await post(`${gateway.frames}?publisher=yard&takeOver=false`, JPEG, JPEG_TYPE)).toMatchObject({
      status: 409,
    });
    expect(await post(`${gateway.frames}?publisher=yard&takeOver=true`, JPEG, JPEG_TYPE)).toMatchObject({
      status: 200,
    });
    const newest = `${gateway.url}/streams/newest/frames`;
    for (const name of ['a', 'b', 'c'])
      expect(await post(`${newest}?publisher=${name}`, JPEG, JPEG_TYPE)).toMatchObject({ status: 200 });
    expect(gateway.streams.get('newest')!.status().source.state).toBe('c (127.0.0.1)');
  });

  it.each([
    ['publisher', `publisher=${'n'.repeat(65)}`],
    ['publisher', 'publisher=a&publisher=b'],
    ['takeOver', 'takeOver'],
    ['takeOver', 'takeOver=1'],
  ])('refuses a query with another %s', async (_name, query) => {
    await using gateway = await start();
    expect(await post(`${gateway.frames}?${query}`, JPEG, JPEG_TYPE)).toMatchObject({
      status: 400,
      body: { code: 'query-invalid' },
    });
    expect(await post(`${gateway.frames}?publisher=${'n'.repeat(64)}`, JPEG, JPEG_TYPE)).toMatchObject({ status: 200 });
  });
});

describe('POST /streams/NAME/frames: rights', () => {
  const bearer = (token: string): Record<string, string> => ({ ...JPEG_TYPE, authorization: `Bearer ${token}` });
  const basic = (token: string): Record<string, string> => ({
    ...JPEG_TYPE,
    authorization: `Basic ${Buffer.from(`:${token}`).toString('base64')}`,
  });

  it('grants publishing only to the token and the publish token', async () => {
    await using gateway = await start({
      token: 's3cret',
      viewToken: 'look',
      publishToken: 'camera',
      reservedPorts: { 6000: 'arm' },
    });
    for (const headers of [JPEG_TYPE, bearer('wrong'), basic('')]) {
      const response = await fetch(gateway.frames, { method: 'POST', body: JPEG, headers });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Basic realm="Gearway"');
      expect(await response.json()).toMatchObject({ code: 'token-required' });
    }
    for (const token of ['look', 'arm'])
      expect(await post(gateway.frames, JPEG, bearer(token))).toMatchObject({
        status: 403,
        body: { code: 'not-allowed' },
      });
    for (const headers of [bearer('s3cret'), bearer('camera'), basic('s3cret'), basic('camera')])
      expect(await post(gateway.frames, JPEG, headers)).toMatchObject({ status: 200 });
    // Without a token, the names of streams are not revealed.
    expect(await post(`${gateway.url}/streams/other/frames`, JPEG, JPEG_TYPE)).toMatchObject({ status: 401 });
  });

  it('grants publishing to anyone on this machine only while there is no token for it', async () => {
    await using open = await start();
    expect(await post(open.frames, JPEG, JPEG_TYPE)).toMatchObject({ status: 200 });
    await using closed = await start({ publishToken: 'camera' });
    expect(await post(closed.frames, JPEG, JPEG_TYPE)).toMatchObject({ status: 401 });
    expect(await post(closed.frames, JPEG, bearer('camera'))).toMatchObject({ status: 200 });
    expect((await fetch(`${closed.url}/api/streams/main`)).status).toBe(200);
  });

  it('requires a token for publishing if other machines can reach the gateway', async () => {
    await using gateway = await start({ host: '0.0.0.0', insecure: true, publishToken: 'camera' });
    const frames = gateway.frames.replace('0.0.0.0', '127.0.0.1');
    expect(await post(frames, JPEG, JPEG_TYPE)).toMatchObject({ status: 401 });
    expect(await post(frames, JPEG, bearer('camera'))).toMatchObject({ status: 200 });
  });

  it('grants the holder of the publish token nothing else', async () => {
    await using gateway = await start({ token: 's3cret', publishToken: 'camera' });
    gateway.stream.push(JPEG);
    const headers = bearer('camera');
    for (const path of ['/api/streams/main', '/api/events', '/streams/main/mjpeg', '/streams/main/snapshot.jpg']) {
      const response = await fetch(gateway.url + path, { headers });
      expect(response.status, path).toBe(403);
      expect(await response.json()).toMatchObject({ code: 'not-allowed' });
    }
    expect(
      await post(`${gateway.url}/api/streams/main/clients`, '{}', { ...headers, 'content-type': 'application/json' }),
    ).toMatchObject({ status: 403 });
    for (const spectate of [true, false]) {
      await using viewer = await Viewer.connect(gateway.url);
      viewer.sendHello({ token: 'camera', spectate });
      expect(await viewer.closed).toMatchObject({ code: 4005 });
    }
  });

  it('refuses pages of other origins, and allows listed ones to send a message', async () => {
    await using gateway = await start({ allowOrigins: ['http://localhost:3000'] });
    expect(await post(gateway.frames, JPEG, { ...JPEG_TYPE, origin: 'https://evil.example' })).toMatchObject({
      status: 403,
      body: { code: 'origin-not-allowed' },
    });
    const preflight = await fetch(gateway.frames, { method: 'OPTIONS', headers: { origin: 'http://localhost:3000' } });
    expect(preflight.headers.get('access-control-allow-headers')).toContain('gearway-message');
    expect(await post(gateway.frames, JPEG, { ...JPEG_TYPE, origin: 'http://localhost:3000' })).toMatchObject({
      status: 200,
    });
  });
});

describe('POST /streams/NAME/frames: a running request', () => {
  const RUNNING = { 'content-type': 'multipart/x-mixed-replace; boundary=frame' };
  const part = (bytes: Uint8Array, headers = ''): Buffer =>
    Buffer.concat([
      Buffer.from(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${bytes.byteLength}\r\n${headers}\r\n`),
      bytes,
      Buffer.from('\r\n'),
    ]);

  it('publishes each part with its last byte', async () => {
    await using gateway = await start();
    await using viewer = await watch(gateway);
    await using request = new RunningRequest(`${gateway.frames}?publisher=phone`, RUNNING);
    for (let n = 1; n <= 3; n += 1) {
      const whole = part(
        jpegOf(100_000 + n),
        `Gearway-Message: {"n": ${n}}\r\nGearway-Captured-At: 2026-01-31T12:00:0${n}Z\r\n`,
      );
      await request.write(whole.subarray(0, -2));
      const { payload, ...frame } = await viewer.frame();
      expect(frame).toMatchObject({
        sequence: n,
        message: { n },
        capturedAtUs: Date.UTC(2026, 0, 31, 12, 0, n) * 1000,
      });
      expect(jpegOf(100_000 + n).equals(payload)).toBe(true);
      await request.write('\r\n');
    }
    expect(gateway.stream.status().source.state).toBe('phone (127.0.0.1)');
    await request.write('--frame--\r\n');
    expect(await request.end()).toEqual({ status: 200, body: { sequence: 3, frames: 3, rejected: 0 } });
    expect(gateway.stream.status()).toMatchObject({
      state: 'stale',
      reason: 'phone (127.0.0.1) has left; waiting for a publisher',
      source: { state: 'waiting for a publisher' },
    });
  });

  it('publishes a part without a length when the boundary after it has arrived', async () => {
    await using gateway = await start();
    await using viewer = await watch(gateway);
    await using request = new RunningRequest(gateway.frames, RUNNING);
    await request.write('--frame\r\nContent-Type: image/jpeg\r\n\r\n', JPEG, '\r\n--frame');
    expect(await viewer.frame()).toMatchObject({ sequence: 1, payload: Buffer.from(JPEG) });
    const array = npyOf('|u1', [2, 2], 4);
    await request.write('\r\nContent-Type: application/x-npy\r\n\r\n', array, '\r\n--frame--');
    expect(await viewer.frame()).toMatchObject({ sequence: 2, encoding: { kind: 'jpeg' } });
    expect(gateway.stream.status().frame?.encoding).toBe('uint8');
    expect(await request.end()).toEqual({ status: 200, body: { sequence: 2, frames: 2, rejected: 0 } });
  });

  it.each<[string, string, (jpeg: Uint8Array) => (string | Uint8Array)[], number]>([
    [
      'parts of type image/jpg and image/pjpeg',
      'multipart/x-mixed-replace; boundary=cam',
      (jpeg) => [
        '--cam\r\nContent-Type: image/jpg\r\n\r\n',
        jpeg,
        '\r\n--cam\r\nContent-Type: image/pjpeg\r\nContent-Length: 5\r\n\r\n',
        jpeg,
        '\r\n--cam--\r\n',
      ],
      0,
    ],
    [
      'a boundary that is announced with its dashes',
      'multipart/x-mixed-replace; boundary=--cam',
      (jpeg) => ['--cam\r\nContent-Type: image/jpeg\r\n\r\n', jpeg, '\r\n--cam\r\n\r\n', jpeg, '\r\n--cam--'],
      0,
    ],
    [
      'line breaks of LF only',
      'multipart/x-mixed-replace;boundary=cam',
      (jpeg) => [
        '--cam\nContent-Type: image/jpeg\n\n',
        jpeg,
        '\n--cam\nContent-Type: image/jpeg\n\n',
        jpeg,
        '\n--cam--\n',
      ],
      0,
    ],
    [
      'a space before the equals sign',
      'multipart/x-mixed-replace; boundary =cam',
      (jpeg) => ['--cam\r\n\r\n', jpeg, '\r\n--cam\r\n\r\n', jpeg, '\r\n--cam--\r\n'],
      0,
    ],
    [
      'multipart/mixed',
      'multipart/mixed; boundary="cam"',
      (jpeg) => ['--cam\r\n\r\n', jpeg, '\r\n--cam\r\n\r\n', jpeg, '\r\n--cam--\r\n'],
      0,
    ],
    [
      'no boundary in the type',
      'multipart/x-mixed-replace',
      (jpeg) => ['--cam\r\n\r\n', jpeg, '\r\n--cam\r\n\r\n', jpeg, '\r\n'],
      0,
    ],
    [
      'no boundaries at all',
      'multipart/x-mixed-replace; boundary=cam',
      (jpeg) => ['Content-Type: image/jpeg\r\n\r\n', jpeg, 'Content-Type: image/jpeg\r\n\r\n', jpeg],
      0,
    ],
    [
      'an invalid length',
      'multipart/x-mixed-replace; boundary=cam',
      (jpeg) => ['--cam\r\nContent-Length: -1\r\n\r\n', jpeg, '\r\n--cam\r\nContent-Length: x\r\n\r\n', jpeg],
      0,
    ],
    [
      'a text between the pictures',
      'multipart/x-mixed-replace; boundary=cam',
      (jpeg) => [
        '--cam\r\n\r\n',
        jpeg,
        '\r\n--cam\r\nContent-Type: text/plain\r\n\r\nmotion\r\n--cam\r\n\r\n',
        jpeg,
        '\r\n--cam--',
      ],
      1,
    ],
    [
      'an array with line breaks of LF',
      'multipart/x-mixed-replace; boundary=--cam',
      (jpeg) => [
        '--cam\nContent-Type: application/x-npy\n\n',
        npyOf('|u1', [2, 2], 4),
        '\n--cam\n\n\n',
        jpeg,
        '\n--cam--\n',
      ],
      0,
    ],
  ])('accepts %s', async (_name, type, bodyOf, rejected) => {
    await using gateway = await start();
    await using request = new RunningRequest(gateway.frames, { 'content-type': type });
    await request.write(
      ...bodyOf(JPEG).map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)),
    );
    expect(await request.end()).toEqual({ status: 200, body: { sequence: 2, frames: 2, rejected } });
  });

  it.each([
    [
      'a boundary that never arrives',
      '--other; it is not',
      /neither a JPEG nor the boundary "frame"; its first line is "--other; it is not"/,
    ],
    [
      'headers without an end',
      '--frame\r\nContent-Type: image/jpeg\r\n',
      /headers of its part do not end with an empty line/,
    ],
    ['a JPEG without an end', Buffer.concat([Buffer.from('--frame\r\n\r\n'), JPEG.subarray(0, -2)]), /no end marker/],
    [
      'an array without an end',
      Buffer.concat([Buffer.from('--frame\r\n\r\n'), npyOf('|u1', [2, 2], 4)]),
      /neither a Content-Length nor the boundary "--frame" after it/,
    ],
    ['nothing', '', /it is empty/],
  ])('reports what is missing for %s', async (_name, body, sentence) => {
    await using gateway = await start();
    await using request = new RunningRequest(gateway.frames, RUNNING);
    await request.write(body);
    expect(await request.end()).toMatchObject({
      status: 400,
      body: { code: 'multipart-invalid', message: expect.stringMatching(sentence) as string },
    });
  });

  it.each(['image/jpg', 'image/pjpeg', 'IMAGE/JPEG; x=y'])('accepts a single picture of type %s', async (type) => {
    await using gateway = await start();
    expect(await post(gateway.frames, JPEG, { 'content-type': type })).toMatchObject({ status: 200 });
  });

  it('skips a malformed frame, counts it, and continues', async () => {
    await using gateway = await start();
    await using request = new RunningRequest(gateway.frames, RUNNING);
    await request.write(
      part(JPEG.subarray(0, 50)),
      part(JPEG),
      part(JPEG, 'Gearway-Message: nothing\r\n'),
      part(jpegSized(16_385, 1)),
      part(JPEG),
      '--frame--',
    );
    expect(await request.end()).toEqual({ status: 200, body: { sequence: 2, frames: 2, rejected: 3 } });
    expect(gateway.stream.status().counters).toMatchObject({
      received: 2,
      rejected: 3,
      lastRejections: [/^too-large/, /^value-invalid/, /^jpeg-invalid/].map(
        (code) => expect.stringMatching(code) as string,
      ),
    });
  });

  it.each([
    ['nothing', '--frame--\r\n', 'multipart-invalid'],
    ['no valid frame', part(JPEG.subarray(1)), 'jpeg-invalid'],
  ])('answers with 400 to %s', async (_name, body, code) => {
    await using gateway = await start();
    await using request = new RunningRequest(gateway.frames, RUNNING);
    await request.write(body);
    expect(await request.end()).toMatchObject({ status: 400, body: { code } });
  });

  it.each<[string, string | Buffer, number, string]>([
    ['no multipart', 'x'.repeat(20_000), 400, 'multipart-invalid'],
    [
      'parts of another type alone',
      Buffer.concat(
        Array.from({ length: 10 }, () =>
          Buffer.from('--frame\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\nabc'),
        ),
      ),
      415,
      'type-unknown',
    ],
    [
      'a part over 64 MiB',
      `--frame\r\nContent-Type: application/x-npy\r\nContent-Length: ${MAX_BYTES + MAX_NPY_HEAD + 1}\r\n\r\n\x93NUMPY`,
      413,
      'too-large',
    ],
  ])('ends with a response for %s', async (_name, body, status, code) => {
    await using gateway = await start();
    await using request = new RunningRequest(`${gateway.frames}?publisher=phone`, RUNNING);
    await request.write(body);
    expect(await request.answer).toMatchObject({ status, body: { code } });
    expect(gateway.stream.status()).toMatchObject({
      state: 'waiting',
      reason: expect.stringContaining('phone (127.0.0.1) was cut off: ') as string,
      source: { state: 'waiting for a publisher' },
    });
    await request.closed;
  });

  it.each([
    [
      'a running request that was ended',
      'Content-Type: multipart/x-mixed-replace; boundary=frame\r\nTransfer-Encoding: chunked',
      'multipart-invalid',
    ],
    ['a body that is too large', 'Content-Type: image/jpeg\r\nContent-Length: 100000000', 'too-large'],
    ['a sender without a token', 'Authorization: Bearer wrong\r\nTransfer-Encoding: chunked', 'token-required'],
  ])('responds to %s, and disconnects it a second later', async (_name, headers, code) => {
    await using gateway = await start({ publishToken: 'camera' });
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    // It never ends on its own, and reads all data.
    const authorization = headers.includes('Authorization') ? '' : 'Authorization: Bearer camera\r\n';
    socket.write(
      `POST /streams/main/frames HTTP/1.1\r\nHost: 127.0.0.1\r\n${authorization}${headers}\r\n\r\n4e20\r\n${'x'.repeat(20_000)}\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain(`"code":"${code}"`);
    await closed;
  });

  it('never publishes an incomplete picture when the connection ends, and admits the next publisher', async () => {
    await using gateway = await start();
    await using viewer = await watch(gateway);
    await using request = new RunningRequest(gateway.frames, RUNNING);
    await request.write(part(JPEG), part(jpegOf(50_000)).subarray(0, 40_000));
    expect(await viewer.frame()).toMatchObject({ sequence: 1 });
    await request.cut();
    await expect
      .poll(() => gateway.stream.status())
      .toMatchObject({
        state: 'stale',
        reason: '127.0.0.1 has left; waiting for a publisher',
        counters: { received: 1, rejected: 0 },
      });
    await using again = new RunningRequest(gateway.frames, RUNNING);
    await again.write(part(JPEG));
    expect(await viewer.frame()).toMatchObject({ sequence: 2 });
    expect(gateway.stream.status().state).toBe('live');
  });

  it('refuses the next publisher, and notifies the previous one of a take-over', async () => {
    await using gateway = await start();
    await using viewer = await watch(gateway);
    await using first = new RunningRequest(`${gateway.frames}?publisher=first`, RUNNING);
    await first.write(part(JPEG));
    await viewer.frame();
    await using refused = new RunningRequest(`${gateway.frames}?publisher=second`, RUNNING);
    expect(await refused.answer).toMatchObject({
      status: 409,
      body: { code: 'publisher-present', message: expect.stringContaining('first (127.0.0.1)') as string },
    });
    expect(await post(gateway.frames, JPEG, JPEG_TYPE)).toMatchObject({
      status: 409,
      body: { code: 'publisher-present' },
    });
    await using second = new RunningRequest(`${gateway.frames}?publisher=second&takeOver=true`, RUNNING);
    expect(await first.answer).toMatchObject({
      status: 409,
      body: { code: 'taken-over', message: expect.stringContaining('second (127.0.0.1)') as string },
    });
    await first.closed;
    await second.write(part(JPEG));
    expect(await viewer.frame()).toMatchObject({ sequence: 2 });
    expect(gateway.stream.status()).toMatchObject({ state: 'live', source: { state: 'second (127.0.0.1)' } });
  });

  it('is recorded in the events', async () => {
    await using gateway = await start();
    const events = gateway.events();
    await using request = new RunningRequest(`${gateway.frames}?publisher=phone`, RUNNING);
    await request.write(part(JPEG), '--frame--');
    await request.end();
    const kinds: unknown[] = [];
    for await (const { kind, address, reason } of events) {
      if (kind !== 'state') kinds.push([kind, address, reason]);
      if (kind === 'disconnect') break;
    }
    expect(kinds).toEqual([
      ['connect', 'phone (127.0.0.1)', 'publishes'],
      ['disconnect', 'phone (127.0.0.1)', 'has left'],
    ]);
  });

  it('ends with the gateway, which does not wait for it', async () => {
    const gateway = await start();
    await using request = new RunningRequest(gateway.frames, RUNNING);
    await request.write(part(JPEG));
    await expect.poll(() => gateway.stream.status().state).toBe('live');
    await gateway.close();
    await request.closed;
  });

  it('is not limited by the timeout of other requests', async () => {
    const source = new PushSource({ takeOver: false, isChecked: true });
    await using http = await createHttpApp({ publishing: source.publishing });
    const { app, stream } = http;
    const run = new SourceRun({ stream, stallMs: null, isOnDemand: false });
    await source.open(run);
    Object.assign(app.server, { headersTimeout: 200, requestTimeout: 200, connectionsCheckingInterval: 20 });
    const frames = `${await http.listen()}/streams/main/frames`;
    await using request = new RunningRequest(frames, RUNNING);
    await request.write(part(JPEG));
    await expect.poll(() => stream.latest?.sequence).toBe(1);
    // A later request has timed out by now, so the running one would have timed out too.
    await using slow = new RunningRequest(`${frames}?takeOver=true`, { ...JPEG_TYPE, 'content-length': '1000' });
    expect(await slow.answer).toMatchObject({ status: 408, body: { code: 'request-timeout' } });
    await request.write(part(JPEG), '--frame--');
    expect(await request.end()).toMatchObject({ status: 200, body: { frames: 2 } });
    run.close();
    await source.close();
  });
});

describe('malformed requests', () => {
  it('get a response with a message', async () => {
    await using gateway = await start();
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.write('hello\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"request-invalid"/);
    socket.destroy();
  });
});
