import { once } from 'node:events';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createGateway, type Gateway, type GatewayOptions } from '../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../gateway/jpeg.ts';
import { decodeGatewayMessage, encodeMessage, encodeReturn, type GatewayMessage, type ReturnBody } from '../../shared/protocol.ts';
import { freePorts } from '../helpers/free-port.ts';
import { PythonPeer } from '../helpers/peers.ts';

interface Served extends Gateway {
  url: string;
  clients: string;
}

async function start(options: GatewayOptions = {}): Promise<Served> {
  const gateway = await createGateway({ port: 0, ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1), clients: `${url}api/streams/${gateway.stream.name}/clients` });
}

/** A viewer on a port, which returns what it is told. */
class Viewer implements AsyncDisposable {
  readonly #socket: WebSocket;
  #asked = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async seat(gateway: Served, hello: { spectate?: boolean; token?: string } = {}): Promise<Viewer> {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/streams/${gateway.stream.name}/ws`, 'gearway.v1');
    await once(socket, 'open');
    const viewer = new Viewer(socket);
    const welcome = viewer.#next('welcome');
    socket.send(encodeMessage({ type: 'hello', ...hello }));
    await welcome;
    return viewer;
  }

  async returns(body: ReturnBody): Promise<void> {
    this.#asked += 1;
    const returned = this.#next('returned');
    const { head, payload } = encodeReturn({ type: 'return', id: this.#asked, mode: 'sticky', body });
    this.#socket.send(Buffer.concat([head, payload]));
    expect(await returned).toMatchObject({ accepted: true });
  }

  #next(type: GatewayMessage['type']): Promise<GatewayMessage> {
    return new Promise((resolve) => {
      const heard = (data: Buffer): void => {
        const message = decodeGatewayMessage(data);
        if (message?.type !== type) return;
        this.#socket.off('message', heard);
        resolve(message);
      };
      this.#socket.on('message', heard);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await once(this.#socket, 'close');
  }
}

const post = (url: string, address: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, { method: 'POST', body: JSON.stringify({ address }), headers: { 'content-type': 'application/json', ...headers } });

const array = (dtype: string, shape: number[], data: Uint8Array): ReturnBody => ({ kind: 'array', array: { dtype, shape, data } });

/** The samples of a PNG, 8 bits each, and its size. */
async function decode(response: Response): Promise<{ width: number; height: number; channels: number; samples: number[] }> {
  const image = sharp(await response.arrayBuffer());
  const { space } = await image.metadata();
  const { data, info } = await image.toColourspace(space).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, samples: [...data] };
}

describe('POST /api/streams/NAME/clients', () => {
  it('lists a native client, which DELETE takes off the list', async () => {
    await using gateway = await start();
    const [port] = (await freePorts(1)) as [number];
    const response = await post(gateway.clients, `tcp://127.0.0.1:${port}?pattern=0`);
    expect(response.status).toBe(201);
    const status = { id: `native-${port}`, port, kind: 'native', address: `tcp://127.0.0.1:${port}`, state: 'connecting', returnData: null };
    expect(await response.json()).toMatchObject(status);
    expect(gateway.stream.clients).toMatchObject([status]);
    const gone = await fetch(`${gateway.clients}/native-${port}`, { method: 'DELETE' });
    expect(await gone.json()).toMatchObject({ id: `native-${port}` });
    expect(gateway.stream.clients).toEqual([]);
    expect((await fetch(`${gateway.clients}/native-${port}`, { method: 'DELETE' })).status).toBe(404);
  });

  it.each([
    ['no address', undefined, 400, 'address-invalid'],
    ['a number', 5567, 400, 'address-invalid'],
    ['an address of no form', '127.0.0.1:5567', 400, 'address-invalid'],
    ['an unknown option', 'tcp://127.0.0.1:5567?patern=1', 400, 'address-invalid'],
    ['an unknown pattern', 'tcp://127.0.0.1:5567?pattern=3', 400, 'pattern-unknown'],
    ['another stream', 'side=tcp://127.0.0.1:5567', 400, 'option-invalid'],
    ['a folder of this machine', 'tcp://127.0.0.1:5567?secure=1&keys=/nowhere', 400, 'option-invalid'],
    ['the same behind another ?', 'tcp://127.0.0.1:5567?pace=auto?&secure=1&keys=/nowhere', 400, 'option-invalid'],
    ['the same, written otherwise', 'tcp://127.0.0.1:5567?secure=1&%6beys=/nowhere', 400, 'option-invalid'],
    ['a listed port', 'tcp://127.0.0.1:65530', 409, 'port-taken'],
    ['a reserved port', 'tcp://127.0.0.1:65529?id=6001', 409, 'port-taken'],
  ])('refuses %s with a sentence', async (_what, address, status, code) => {
    await using gateway = await start({ clients: ['tcp://127.0.0.1:65530'], reservedPorts: { 6001: 'arm' } });
    const response = await post(gateway.clients, address);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code, message: expect.stringMatching(/\w+ \w+/) });
    expect(gateway.stream.clients).toHaveLength(1);
  });

  it("refuses a viewer's port", async () => {
    await using gateway = await start();
    await using viewer = await Viewer.seat(gateway);
    await viewer.returns({ kind: 'value', value: 1 });
    const response = await post(gateway.clients, 'tcp://127.0.0.1:65530?id=6000');
    expect([response.status, await response.json()]).toMatchObject([409, { code: 'port-taken' }]);
    expect(gateway.stream.clients).toMatchObject([{ port: 6000, kind: 'web', returnData: 1 }]);
  });

  it('takes an address of 1024 characters and no longer one', async () => {
    await using gateway = await start();
    const address = (length: number): string => `tcp://127.0.0.1:65530?id=${'0'.repeat(length - 30)}65530`.padEnd(length, '0').slice(0, length);
    expect(address(1024)).toHaveLength(1024);
    expect(await (await post(gateway.clients, address(1024))).json()).toMatchObject({ code: 'option-invalid' });
    expect(await (await post(gateway.clients, address(1025))).json()).toMatchObject({ code: 'address-invalid', message: expect.stringContaining('at most 1024') });
  });

  it('lists 256 native clients and no more', async () => {
    await using gateway = await start();
    for (let port = 20_000; port < 20_255; port += 1) gateway.stream.addClient(`tcp://127.0.0.1:${port}`);
    expect((await post(gateway.clients, 'tcp://127.0.0.1:20255')).status).toBe(201);
    const response = await post(gateway.clients, 'tcp://127.0.0.1:20256');
    expect([response.status, await response.json()]).toMatchObject([409, { code: 'too-many' }]);
  });

  it('refuses a body that is no JSON, and one that is too long', async () => {
    await using gateway = await start();
    const send = async (body: string, type: string): Promise<unknown[]> => {
      const response = await fetch(gateway.clients, { method: 'POST', body, headers: { 'content-type': type } });
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect(await send('{"address":', 'application/json')).toEqual([400, 'request-invalid']);
    expect(await send('address=tcp', 'application/x-www-form-urlencoded')).toEqual([415, 'request-invalid']);
    expect(await send(`"${'x'.repeat(1 << 20)}"`, 'application/json')).toEqual([413, 'request-invalid']);
    expect(await send('null', 'application/json')).toEqual([400, 'address-invalid']);
  });

  it('needs the right to administer, and a stream that is there', async () => {
    await using gateway = await start({ token: 's3cret', viewToken: 'look', reservedPorts: { 6000: 'arm' } });
    const status = async (token: string, url = gateway.clients): Promise<number> => (await post(url, 'tcp://127.0.0.1:65530', { authorization: `Bearer ${token}` })).status;
    expect([await status('look'), await status('arm'), await status('wrong')]).toEqual([403, 403, 401]);
    expect(gateway.stream.clients).toEqual([]);
    expect(await status('s3cret', gateway.clients.replace('main', 'nope'))).toBe(404);
    expect(await status('s3cret')).toBe(201);
  });

  it('is open to pages of listed origins, and to no others', async () => {
    await using gateway = await start({ allowOrigins: ['https://good.example'] });
    const preflight = await fetch(gateway.clients, { method: 'OPTIONS', headers: { origin: 'https://good.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization, content-type' } });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('content-type');
    const listed = await post(gateway.clients, 'tcp://127.0.0.1:65530', { origin: 'https://good.example' });
    expect([listed.status, listed.headers.get('access-control-allow-origin')]).toEqual([201, 'https://good.example']);
    expect((await post(gateway.clients, 'tcp://127.0.0.1:65531', { origin: 'https://evil.example' })).status).toBe(403);
    expect(gateway.stream.clients).toHaveLength(1);
  });
});

describe('GET /api/streams/NAME/clients/ID/return', () => {
  it('gives a value as its sender wrote it, until there is none', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.seat(gateway);
    const url = `${gateway.clients}/web-1/return`;
    const none = await fetch(url);
    expect([none.status, await none.json()]).toEqual([404, { code: 'no-return-data', message: 'port 6000 returns nothing now' }]);
    await viewer.returns({ kind: 'value', value: { speed: 0.5, gripper: 'close' } });
    const response = await fetch(url);
    expect([response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual(['application/json; charset=utf-8', 'no-store']);
    expect(await response.json()).toEqual({ speed: 0.5, gripper: 'close' });
    await viewer.returns({ kind: 'value', value: Number.NaN });
    const python = await fetch(url);
    expect([python.headers.get('content-type'), await python.text()]).toEqual(['text/plain; charset=utf-8', 'NaN']);
    await viewer.returns({ kind: 'value', value: null });
    expect((await fetch(url)).status).toBe(404);
  });

  it('gives a JPEG byte for byte, and smaller where a width is asked for', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.seat(gateway);
    const jpeg = await encodeJpeg({ data: new Uint8Array(64 * 48 * 3).map((_, at) => at % 251), width: 64, height: 48, channels: 3 });
    await viewer.returns({ kind: 'jpeg', data: jpeg });
    const url = `${gateway.clients}/web-1/return`;
    for (const same of [url, `${url}?width=64`, `${url}?width=16384`]) {
      const response = await fetch(same);
      expect(response.headers.get('content-type')).toBe('image/jpeg');
      expect(Buffer.from(await response.arrayBuffer()).equals(jpeg)).toBe(true);
    }
    expect(await sharp(await (await fetch(`${url}?width=16`)).arrayBuffer()).metadata()).toMatchObject({ format: 'jpeg', width: 16, height: 12 });
    expect(gateway.stream.clients[0]!.returnData).toEqual({ jpeg: true, width: 64, height: 48, bytes: jpeg.byteLength, version: 1 });
  });

  it('gives an array of image shape as a PNG with its colours', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.seat(gateway);
    // Blue and green, as OpenCV has them.
    await viewer.returns(array('uint8', [1, 2, 3], Uint8Array.of(250, 1, 2, 3, 240, 4)));
    const response = await fetch(`${gateway.clients}/web-1/return`);
    expect([response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual(['image/png', 'no-store']);
    expect(await decode(response)).toEqual({ width: 2, height: 1, channels: 3, samples: [2, 1, 250, 4, 240, 3] });
    expect(gateway.stream.clients[0]!.returnData).toEqual({ dtype: 'uint8', shape: [1, 2, 3], bytes: 6, version: 1 });
    expect((await fetch(`${gateway.clients}/web-1/return`, { method: 'HEAD' })).status).toBe(200);
  });

  it('refuses an array that is no picture, whose description stays in the status', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.seat(gateway);
    for (const shape of [[6], [0, 6], [1, 3, 2], [1, 2, 3, 1], [16_385, 1]]) {
      const count = shape.reduce((product, size) => product * size, 1);
      await viewer.returns(array('uint8', shape, new Uint8Array(count)));
      const response = await fetch(`${gateway.clients}/web-1/return`);
      expect([response.status, await response.json()], shape.join()).toMatchObject([409, { code: 'no-picture', message: expect.stringContaining(`[${shape.join(', ')}]`) }]);
      expect(gateway.stream.clients[0]!.returnData).toMatchObject({ dtype: 'uint8', shape });
    }
    await viewer.returns(array('uint8', [16_384, 1], new Uint8Array(16_384)));
    expect((await fetch(`${gateway.clients}/web-1/return`)).status).toBe(200);
  });

  it('counts a version that changes with the data, and not when the same is returned again', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.seat(gateway);
    const version = (): number => (gateway.stream.clients[0]!.returnData as { version: number }).version;
    await viewer.returns(array('uint8', [1, 2], Uint8Array.of(1, 2)));
    const first = version();
    await viewer.returns(array('uint8', [1, 2], Uint8Array.of(1, 2)));
    expect(version()).toBe(first);
    await viewer.returns(array('uint8', [1, 2], Uint8Array.of(1, 3)));
    expect(version()).toBeGreaterThan(first);
    await viewer.returns(array('uint8', [2, 1], Uint8Array.of(1, 3)));
    expect((await decode(await fetch(`${gateway.clients}/web-1/return`))).height).toBe(2);
  });

  it('says what is not there', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.seat(gateway, { spectate: true });
    expect(viewer).toBeDefined();
    const code = async (path: string): Promise<unknown[]> => {
      const response = await fetch(`${gateway.url}/api/streams/${path}`);
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect(await code('nope/clients/web-1/return')).toEqual([404, 'stream-unknown']);
    expect(await code('main/clients/web-2/return')).toEqual([404, 'client-unknown']);
    expect(await code('main/clients/web-1/return')).toEqual([404, 'no-return-data']);
    for (const width of ['0', '16385', '-1', '1.5', 'x', '1&width=2']) expect(await code(`main/clients/web-1/return?width=${width}`), width).toEqual([400, 'query-invalid']);
  });

  it('needs the right to view, and the token as all of the API', async () => {
    await using gateway = await start({ token: 's3cret', viewToken: 'look' });
    await using viewer = await Viewer.seat(gateway, { token: 's3cret' });
    await viewer.returns({ kind: 'value', value: 1 });
    const status = async (headers: Record<string, string>): Promise<number> => (await fetch(`${gateway.clients}/web-1/return`, { headers })).status;
    expect([await status({}), await status({ authorization: 'Bearer wrong' }), await status({ authorization: 'Bearer look' }), await status({ authorization: 'Bearer s3cret' })]).toEqual([401, 401, 200, 200]);
  });

  it('is open to pages of listed origins, and to no others', async () => {
    await using gateway = await start({ allowOrigins: ['https://good.example'] });
    await using viewer = await Viewer.seat(gateway);
    await viewer.returns({ kind: 'value', value: 1 });
    const get = (headers: Record<string, string>): Promise<Response> => fetch(`${gateway.clients}/web-1/return`, { headers });
    expect((await get({ origin: 'https://good.example' })).headers.get('access-control-allow-origin')).toBe('https://good.example');
    expect((await get({ origin: 'https://evil.example' })).status).toBe(403);
  });

  it.each([['the samples', true, 'image/png'], ['a JPEG', false, 'image/jpeg']])('gives what a real client returns: %s', async (_what, raw, type) => {
    await using gateway = await start();
    const [port] = (await freePorts(1)) as [number];
    await using peer = new PythonPeer('client.py', { port, bidirectional: true, returns: { $array: 'uint8', shape: [48, 64, 3] }, raw_returns: raw });
    await peer.waitFor('ready');
    const returned = gateway.stream.returns();
    gateway.stream.addClient(`tcp://127.0.0.1:${port}`);
    await returned.next();
    const response = await fetch(`${gateway.clients}/native-${port}/return`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
    const { width, height, samples } = await decode(response);
    expect([width, height]).toEqual([64, 48]);
    // numpy.arange, blue first.
    if (raw) expect(samples.slice(0, 6)).toEqual([2, 1, 0, 5, 4, 3]);
  });
});
