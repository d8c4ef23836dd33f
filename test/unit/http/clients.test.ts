import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import type { ReturnBody } from '../../../shared/protocol.ts';
import type { GatewayEvent, StreamStatus } from '../../../shared/status.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { WebViewer } from '../../helpers/web-viewer.ts';

interface Served extends Gateway {
  url: string;
  clients: string;
}

async function start(options: GatewayOptions = {}): Promise<Served> {
  const gateway = await createGateway({ port: 0, ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1), clients: `${url}api/streams/${gateway.stream.name}/clients` });
}

const connect = (gateway: Served, hello: { spectate?: boolean; token?: string } = {}): Promise<WebViewer> =>
  WebViewer.open(`${gateway.url}/streams/${gateway.stream.name}`, hello);

const administer = ({ administratorKey }: Gateway): Record<string, string> => ({
  authorization: `Bearer ${administratorKey}`,
});

const post = (url: string, address: unknown, headers: Record<string, string>): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    body: JSON.stringify({ address }),
    headers: { 'content-type': 'application/json', ...headers },
  });

const array = (dtype: string, shape: number[], data: Uint8Array): ReturnBody => ({
  kind: 'array',
  array: { dtype, shape, data },
});

/** The samples of a PNG, 8 bits each, and its size. */
async function decode(
  response: Response,
): Promise<{ width: number; height: number; channels: number; samples: number[] }> {
  const image = sharp(await response.arrayBuffer());
  const { space } = await image.metadata();
  const { data, info } = await image.toColourspace(space).raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, samples: [...data] };
}

describe('POST /api/streams/NAME/clients', () => {
  it('lists a native client, which DELETE removes', async () => {
    await using gateway = await start();
    const [port] = (await freePorts(1)) as [number];
    const response = await post(gateway.clients, `tcp://127.0.0.1:${port}?pattern=0`, administer(gateway));
    expect(response.status).toBe(201);
    const status = {
      id: `native-${port}`,
      port,
      kind: 'native',
      address: `tcp://127.0.0.1:${port}`,
      state: 'connecting',
      returnData: null,
    };
    expect(await response.json()).toMatchObject(status);
    expect(gateway.stream.clients).toMatchObject([status]);
    const gone = await fetch(`${gateway.clients}/native-${port}`, { method: 'DELETE', headers: administer(gateway) });
    expect(await gone.json()).toMatchObject({ id: `native-${port}` });
    expect(gateway.stream.clients).toEqual([]);
    expect(
      (await fetch(`${gateway.clients}/native-${port}`, { method: 'DELETE', headers: administer(gateway) })).status,
    ).toBe(404);
  });

  it.each([
    ['no address', undefined, 400, 'address-invalid'],
    ['a number', 5567, 400, 'address-invalid'],
    ['a malformed address', '127.0.0.1:5567', 400, 'address-invalid'],
    ['an unknown option', 'tcp://127.0.0.1:5567?patern=1', 400, 'address-invalid'],
    ['an address to listen on', 'tcp://*:5567', 400, 'address-invalid'],
    ['an impossible IP address', 'tcp://192.168.1.300:5567', 400, 'address-invalid'],
    ['an IPv6 address with too many colons', 'tcp://[::1::1]:5567', 400, 'address-invalid'],
    ['an unknown pattern', 'tcp://127.0.0.1:5567?pattern=3', 400, 'pattern-unknown'],
    ['another stream', 'side=tcp://127.0.0.1:5567', 400, 'option-invalid'],
    ['a folder on this machine', 'tcp://127.0.0.1:5567?secure=1&keys=/nowhere', 400, 'option-invalid'],
    ['a folder after another ?', 'tcp://127.0.0.1:5567?pace=auto?&secure=1&keys=/nowhere', 400, 'option-invalid'],
    ['a folder in another encoding', 'tcp://127.0.0.1:5567?secure=1&%6beys=/nowhere', 400, 'option-invalid'],
    ['a listed port', 'tcp://127.0.0.1:65530', 409, 'port-taken'],
    ['a reserved port', 'tcp://127.0.0.1:65529?id=6001', 409, 'port-taken'],
  ])('refuses %s with a message', async (_what, address, status, code) => {
    await using gateway = await start({ clients: ['tcp://127.0.0.1:65530'], reservedPorts: { 6001: 'arm' } });
    const response = await post(gateway.clients, address, administer(gateway));
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ code, message: expect.stringMatching(/\w+ \w+/) });
    expect(gateway.stream.clients).toHaveLength(1);
  });

  it("refuses a viewer's port", async () => {
    await using gateway = await start();
    await using viewer = await connect(gateway);
    await viewer.return({ kind: 'value', value: 1 });
    const response = await post(gateway.clients, 'tcp://127.0.0.1:65530?id=6000', administer(gateway));
    expect([response.status, await response.json()]).toMatchObject([409, { code: 'port-taken' }]);
    expect(gateway.stream.clients).toMatchObject([{ port: 6000, kind: 'web', returnData: 1 }]);
  });

  it('accepts an address of 1024 characters, and none that is longer', async () => {
    await using gateway = await start();
    const address = (length: number): string =>
      `tcp://127.0.0.1:65530?id=${'0'.repeat(length - 30)}65530`.padEnd(length, '0').slice(0, length);
    expect(address(1024)).toHaveLength(1024);
    expect(await (await post(gateway.clients, address(1024), administer(gateway))).json()).toMatchObject({
      code: 'option-invalid',
    });
    expect(await (await post(gateway.clients, address(1025), administer(gateway))).json()).toMatchObject({
      code: 'address-invalid',
      message: expect.stringContaining('at most 1024'),
    });
  });

  it('lists at most 256 native clients', async () => {
    await using gateway = await start();
    for (let port = 20_000; port < 20_255; port += 1) gateway.stream.addClient(`tcp://127.0.0.1:${port}`);
    expect((await post(gateway.clients, 'tcp://127.0.0.1:20255', administer(gateway))).status).toBe(201);
    const response = await post(gateway.clients, 'tcp://127.0.0.1:20256', administer(gateway));
    expect([response.status, await response.json()]).toMatchObject([409, { code: 'too-many' }]);
  });

  it('refuses a body that is not JSON or too long', async () => {
    await using gateway = await start();
    const send = async (body: string, type: string): Promise<unknown[]> => {
      const response = await fetch(gateway.clients, {
        method: 'POST',
        body,
        headers: { 'content-type': type, ...administer(gateway) },
      });
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect(await send('{"address":', 'application/json')).toEqual([400, 'request-invalid']);
    expect(await send('address=tcp', 'application/x-www-form-urlencoded')).toEqual([415, 'request-invalid']);
    expect(await send(`"${'x'.repeat(1 << 20)}"`, 'application/json')).toEqual([413, 'request-invalid']);
    expect(await send('null', 'application/json')).toEqual([400, 'address-invalid']);
  });

  it('requires the right to administer, and an existing stream', async () => {
    await using gateway = await start({ token: 's3cret', viewToken: 'look', reservedPorts: { 6000: 'arm' } });
    const status = async (token: string, url = gateway.clients): Promise<number> =>
      (await post(url, 'tcp://127.0.0.1:65530', { authorization: `Bearer ${token}` })).status;
    expect([await status('look'), await status('arm'), await status('wrong')]).toEqual([403, 403, 401]);
    expect(gateway.stream.clients).toEqual([]);
    expect(await status('s3cret', gateway.clients.replace('main', 'nope'))).toBe(404);
    expect(await status('s3cret')).toBe(201);
  });

  it('is accessible to pages of listed origins only', async () => {
    await using gateway = await start({ allowOrigins: ['http://localhost:3000'] });
    const preflight = await fetch(gateway.clients, {
      method: 'OPTIONS',
      headers: {
        origin: 'http://localhost:3000',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    expect(preflight.headers.get('access-control-allow-headers')).toContain('content-type');
    const listed = await post(gateway.clients, 'tcp://127.0.0.1:65530', {
      origin: 'http://localhost:3000',
      ...administer(gateway),
    });
    expect([listed.status, listed.headers.get('access-control-allow-origin')]).toEqual([201, 'http://localhost:3000']);
    expect(
      (await post(gateway.clients, 'tcp://127.0.0.1:65531', { origin: 'https://evil.example', ...administer(gateway) }))
        .status,
    ).toBe(403);
    expect(gateway.stream.clients).toHaveLength(1);
  });
});

describe('DELETE /api/streams/NAME/control', () => {
  it('takes control away, and reports the former holder', async () => {
    await using gateway = await start({ control: 'exclusive' });
    const url = gateway.clients.replace('clients', 'control');
    const free = await fetch(url, { method: 'DELETE', headers: administer(gateway) });
    expect([free.status, await free.json()]).toMatchObject([200, { port: null, client: null }]);
    await using viewer = await connect(gateway);
    await viewer.control('take');
    await viewer.return({ kind: 'value', value: 1 });
    const status = (await (await fetch(`${gateway.url}/api/streams/main`)).json()) as StreamStatus;
    expect(status).toMatchObject({
      control: { port: 6000, client: 'web-1', since: expect.any(String), requests: [], refused: 0 },
      clients: [{ returnData: 1 }],
    });
    const taken = await fetch(url, { method: 'DELETE', headers: administer(gateway) });
    expect([taken.status, await taken.json()]).toMatchObject([200, { port: null, client: null }]);
    expect(gateway.stream.clients).toMatchObject([{ port: 6000, returnData: null }]);
    await expect(viewer.return({ kind: 'value', value: 2 })).rejects.toThrow('no-control');
    const seen: GatewayEvent[] = [];
    for await (const event of gateway.events()) {
      if (event.kind === 'control') seen.push(event);
      if (event.by !== undefined) break;
    }
    expect(seen).toMatchObject([
      { client: 'web-1', port: 6000, reason: 'took control' },
      { client: 'web-1', port: 6000, by: { principal: 'administrator key' } },
    ]);
    const audit = await fetch(`${gateway.url}/api/audit`, { headers: administer(gateway) });
    expect(await audit.json()).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({ request: 'DELETE /api/streams/:name/control', stream: 'main', status: 200 }),
      ]),
    );
  });

  it('needs the right to administer, an existing stream, and exclusive control', async () => {
    await using gateway = await start({ streams: { main: { source: 'push:' } }, token: 's3cret', viewToken: 'look' });
    const remove = async (token: string, stream = 'main'): Promise<unknown[]> => {
      const response = await fetch(`${gateway.url}/api/streams/${stream}/control`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
      });
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect(await remove('look')).toEqual([403, 'not-allowed']);
    expect(await remove('s3cret', 'nope')).toEqual([404, 'stream-unknown']);
    expect(await remove('s3cret')).toEqual([409, 'control-shared']);
  });
});

describe('GET /api/streams/NAME/clients/ID/return', () => {
  it('returns a value as its sender wrote it, while there is one', async () => {
    await using gateway = await start();
    await using viewer = await connect(gateway);
    const url = `${gateway.clients}/web-1/return`;
    const none = await fetch(url);
    expect([none.status, await none.json()]).toEqual([
      404,
      { code: 'no-return-data', message: 'port 6000 has no return data' },
    ]);
    await viewer.return({ kind: 'value', value: { speed: 0.5, gripper: 'close' } });
    const response = await fetch(url);
    expect([response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      'application/json; charset=utf-8',
      'no-store',
    ]);
    expect(await response.json()).toEqual({ speed: 0.5, gripper: 'close' });
    await viewer.return({ kind: 'value', value: Number.NaN });
    const python = await fetch(url);
    expect([python.headers.get('content-type'), await python.text()]).toEqual(['text/plain; charset=utf-8', 'NaN']);
    await viewer.return({ kind: 'value', value: null });
    expect((await fetch(url)).status).toBe(404);
  });

  it('returns a JPEG unmodified, or scaled to the requested width', async () => {
    await using gateway = await start();
    await using viewer = await connect(gateway);
    const jpeg = await encodeJpeg({
      data: new Uint8Array(64 * 48 * 3).map((_, at) => at % 251),
      width: 64,
      height: 48,
      channels: 3,
    });
    await viewer.return({ kind: 'jpeg', data: jpeg });
    const url = `${gateway.clients}/web-1/return`;
    for (const same of [url, `${url}?width=64`, `${url}?width=16384`]) {
      const response = await fetch(same);
      expect(response.headers.get('content-type')).toBe('image/jpeg');
      expect(Buffer.from(await response.arrayBuffer()).equals(jpeg)).toBe(true);
    }
    expect(await sharp(await (await fetch(`${url}?width=16`)).arrayBuffer()).metadata()).toMatchObject({
      format: 'jpeg',
      width: 16,
      height: 12,
    });
    expect(gateway.stream.clients[0]!.returnData).toEqual({
      jpeg: true,
      width: 64,
      height: 48,
      bytes: jpeg.byteLength,
      version: 1,
    });
  });

  it('returns an array with the shape of an image as a PNG with its colours', async () => {
    await using gateway = await start();
    await using viewer = await connect(gateway);
    // Blue and green, in OpenCV's order.
    await viewer.return(array('uint8', [1, 2, 3], Uint8Array.of(250, 1, 2, 3, 240, 4)));
    const response = await fetch(`${gateway.clients}/web-1/return`);
    expect([response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      'image/png',
      'no-store',
    ]);
    expect(await decode(response)).toEqual({ width: 2, height: 1, channels: 3, samples: [2, 1, 250, 4, 240, 3] });
    expect(gateway.stream.clients[0]!.returnData).toEqual({ dtype: 'uint8', shape: [1, 2, 3], bytes: 6, version: 1 });
    expect((await fetch(`${gateway.clients}/web-1/return`, { method: 'HEAD' })).status).toBe(200);
  });

  it('refuses an array that is not a picture; its description stays in the status', async () => {
    await using gateway = await start();
    await using viewer = await connect(gateway);
    for (const shape of [[6], [0, 6], [1, 3, 2], [1, 2, 3, 1], [16_385, 1]]) {
      const count = shape.reduce((product, size) => product * size, 1);
      await viewer.return(array('uint8', shape, new Uint8Array(count)));
      const response = await fetch(`${gateway.clients}/web-1/return`);
      expect([response.status, await response.json()], shape.join()).toMatchObject([
        409,
        { code: 'no-picture', message: expect.stringContaining(`[${shape.join(', ')}]`) },
      ]);
      expect(gateway.stream.clients[0]!.returnData).toMatchObject({ dtype: 'uint8', shape });
    }
    await viewer.return(array('uint8', [16_384, 1], new Uint8Array(16_384)));
    expect((await fetch(`${gateway.clients}/web-1/return`)).status).toBe(200);
  });

  it('has a version that changes with the data, but not when the same data is returned again', async () => {
    await using gateway = await start();
    await using viewer = await connect(gateway);
    const version = (): number => (gateway.stream.clients[0]!.returnData as { version: number }).version;
    await viewer.return(array('uint8', [1, 2], Uint8Array.of(1, 2)));
    const first = version();
    await viewer.return(array('uint8', [1, 2], Uint8Array.of(1, 2)));
    expect(version()).toBe(first);
    await viewer.return(array('uint8', [1, 2], Uint8Array.of(1, 3)));
    expect(version()).toBeGreaterThan(first);
    await viewer.return(array('uint8', [2, 1], Uint8Array.of(1, 3)));
    expect((await decode(await fetch(`${gateway.clients}/web-1/return`))).height).toBe(2);
  });

  it('reports what does not exist', async () => {
    await using gateway = await start();
    await using viewer = await connect(gateway, { spectate: true });
    expect(viewer).toBeDefined();
    const code = async (path: string): Promise<unknown[]> => {
      const response = await fetch(`${gateway.url}/api/streams/${path}`);
      return [response.status, ((await response.json()) as { code: string }).code];
    };
    expect(await code('nope/clients/web-1/return')).toEqual([404, 'stream-unknown']);
    expect(await code('main/clients/web-2/return')).toEqual([404, 'client-unknown']);
    expect(await code('main/clients/web-1/return')).toEqual([404, 'no-return-data']);
    for (const width of ['0', '16385', '-1', '1.5', 'x', '1&width=2'])
      expect(await code(`main/clients/web-1/return?width=${width}`), width).toEqual([400, 'query-invalid']);
  });

  it('requires the right to view, and the same token as the rest of the API', async () => {
    await using gateway = await start({ token: 's3cret', viewToken: 'look' });
    await using viewer = await connect(gateway, { token: 's3cret' });
    await viewer.return({ kind: 'value', value: 1 });
    const status = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${gateway.clients}/web-1/return`, { headers })).status;
    expect([
      await status({}),
      await status({ authorization: 'Bearer wrong' }),
      await status({ authorization: 'Bearer look' }),
      await status({ authorization: 'Bearer s3cret' }),
    ]).toEqual([401, 401, 200, 200]);
  });

  it('is accessible to pages of listed origins only', async () => {
    await using gateway = await start({ allowOrigins: ['http://localhost:3000'] });
    await using viewer = await connect(gateway);
    await viewer.return({ kind: 'value', value: 1 });
    const get = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${gateway.clients}/web-1/return`, { headers });
    expect((await get({ origin: 'http://localhost:3000' })).headers.get('access-control-allow-origin')).toBe(
      'http://localhost:3000',
    );
    expect((await get({ origin: 'https://evil.example' })).status).toBe(403);
  });
});
