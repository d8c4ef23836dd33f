import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigurationFile } from '../../../gateway/config/configuration-file.ts';
import type { GivenOptions } from '../../../gateway/config/flags.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { listStreams } from '../../../gateway/stream-editor.ts';
import type { GatewayStatus, StreamChange, StreamSettingsStatus } from '../../../shared/status.ts';
import { checkOptions, formats } from '../../helpers/config.ts';
import { fastToken } from '../../helpers/hashes.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { JPEG, Viewer } from '../../helpers/viewer.ts';

const SMALL = 'test-pattern:?size=160x120&fps=20';
const LARGE = 'test-pattern:?size=320x240&fps=20';
const TWO: GatewayOptions = { port: 0, streams: { door: { source: 'push:' }, yard: { source: SMALL } } };
const SECRET = 'mjpeg:http://viewer:s3cr3t-word@127.0.0.1:9/stream';

interface Served extends Gateway {
  readonly url: string;
  /** One request to the API, by the administrator unless another token is given. */
  send<T>(method: string, path: string, body?: unknown, token?: string | null): Promise<{ status: number; body: T }>;
}

async function start(options: GatewayOptions = TWO, store?: ConfigurationFile): Promise<Served> {
  const gateway = await createGateway(options, store);
  const { url } = await gateway.listen();
  return Object.assign(gateway, {
    url,
    async send<T>(method: string, path: string, body?: unknown, token = gateway.administratorKey) {
      const response = await fetch(`${url}api/${path}`, {
        method,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as T };
    },
  });
}

async function watch(url: string, stream: string): Promise<Viewer> {
  const viewer = await Viewer.connect(url, stream);
  viewer.sendHello();
  await viewer.until('welcome');
  return viewer;
}

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-settings-'));
  file = join(folder, 'gateway.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

const FILE = `# The house.
port: 0
streams:
  door:
    source: "push:" # phones
  yard:
    source: \${YARD}
    virtualPorts: 7000-7003
`;

/** A gateway with a configuration file. */
async function startWithFile(text = FILE, given: GivenOptions = {}): Promise<Served & { store: ConfigurationFile }> {
  writeFileSync(file, text);
  const store = new ConfigurationFile(file, {
    formats,
    variables: { YARD: SMALL },
    given: [given],
    check: checkOptions,
    streamsOf: listStreams,
  });
  const { options } = await store.load();
  store.note(null);
  return Object.assign(await start(options, store), { store });
}

describe('PUT /api/streams/NAME', () => {
  it('creates a stream that viewers can see, and replaces it within 1 s while others lose no frames', async () => {
    await using gateway = await start();
    await using door = await watch(gateway.url, 'door');
    let isDone = false;
    const pushing = (async () => {
      const seen: number[] = [];
      // Each frame is pushed when the viewer has the previous one, so that every lost frame is a gap.
      while (!isDone || seen.length < 20) {
        gateway.streams.get('door')?.push(JPEG);
        const { sequence } = await door.until('frame');
        door.ack(sequence);
        seen.push(sequence);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return seen;
    })();
    const created = await gateway.send<StreamChange>('PUT', 'streams/gate', { source: SMALL, virtualPorts: 7000 });
    expect(created).toEqual({
      status: 201,
      body: {
        name: 'gate',
        isNew: true,
        isPersisted: false,
        settings: { source: SMALL, virtualPorts: '7000' },
        problems: [],
      },
    });
    await using gate = await watch(gateway.url, 'gate');
    expect(await gate.until('frame')).toMatchObject({ width: 160 });

    const fromMs = performance.now();
    expect(await gateway.send('PATCH', 'streams/gate', { source: LARGE })).toMatchObject({
      status: 200,
      body: { isNew: false, settings: { source: LARGE, virtualPorts: '7000' } },
    });
    for (let width = 160; width !== 320;) {
      const frame = await gate.until('frame');
      gate.ack(frame.sequence);
      ({ width } = frame);
    }
    expect(performance.now() - fromMs).toBeLessThan(1000);
    expect((await gateway.send('DELETE', 'streams/gate')).status).toBe(200);
    expect((await gate.closed).code).toBe(4009);
    expect((await gateway.send('GET', 'streams/gate')).status).toBe(404);
    isDone = true;
    const seen = await pushing;
    expect(seen).toEqual(seen.map((_, index) => index + 1));
  });

  it('replaces no existing source with If-None-Match, not even one that feeds streams with other names', async () => {
    const [port] = await freePorts(1);
    const senders = `imagezmq:tcp://127.0.0.1:${port}?senders=front,back`;
    await using gateway = await start({ ...TWO, streams: { ...TWO.streams, cams: { source: senders } } });
    const names = [...gateway.streams.keys()];
    const create = async (name: string): Promise<{ status: number; text: string }> => {
      const response = await fetch(`${gateway.url}api/streams/${name}`, {
        method: 'PUT',
        headers: {
          authorization: `Bearer ${gateway.administratorKey}`,
          'content-type': 'application/json',
          'if-none-match': '*',
        },
        body: JSON.stringify({ source: 'push:' }),
      });
      return { status: response.status, text: await response.text() };
    };
    expect(await create('door')).toMatchObject({ status: 412, text: expect.stringContaining('stream-exists') });
    const refused = await create('cams');
    expect(refused.status).toBe(412);
    for (const name of names.filter((each) => !['door', 'yard', 'cams'].includes(each)))
      expect(refused.text).toContain(name);
    expect([...gateway.streams.keys()]).toEqual(names);
    expect((await create('gate')).status).toBe(201);
  });

  it('replaces all options, and with PATCH only the given ones; null removes an option', async () => {
    await using gateway = await start();
    const clients = ['tcp://127.0.0.1:1?id=5567'];
    await gateway.send('PUT', 'streams/yard', { source: SMALL, clients, start: 'all' });
    expect(gateway.streams.get('yard')?.clients).toMatchObject([{ port: 5567, kind: 'native' }]);
    await gateway.send('PATCH', 'streams/yard', { start: null, renditions: 'off' });
    expect((await gateway.send('GET', 'streams/yard/settings')).body).toEqual({
      source: SMALL,
      clients,
      renditions: 'off',
    });
    await gateway.send('PUT', 'streams/yard', { source: SMALL });
    expect((await gateway.send('GET', 'streams/yard/settings')).body).toEqual({ source: SMALL });
    expect(gateway.streams.get('yard')?.clients).toEqual([]);
  });

  it('changes streams that were given as a list of sources', async () => {
    await using gateway = await start({
      port: 0,
      source: ['door=push:', `yard=${SMALL}`],
      clients: ['tcp://127.0.0.1:1?id=5567'],
    });
    await gateway.send('PATCH', 'streams/yard', { virtualPorts: '7000' });
    expect((await gateway.send('GET', 'streams/door/settings')).body).toEqual({
      source: 'push:',
      clients: ['tcp://127.0.0.1:1?id=5567'],
    });
    expect((await gateway.send<{ ports: unknown }>('GET', 'streams/yard')).body.ports).toMatchObject({
      ranges: [{ from: 7000, to: 7000 }],
    });
    expect([...gateway.streams.keys()]).toEqual(['door', 'yard']);
  });

  it.each<[string, string, string, unknown, number, string]>([
    ['an unknown option', 'PUT', 'streams/gate', { source: 'push:', port: 1 }, 400, 'config-invalid'],
    ['an unknown source', 'PUT', 'streams/gate', { source: 'ftp://camera' }, 400, 'config-invalid'],
    ['an invalid name', 'PUT', 'streams/front%20gate', { source: 'push:' }, 400, 'config-invalid'],
    ['no body', 'PUT', 'streams/gate', undefined, 400, 'config-invalid'],
    ['a list', 'PATCH', 'streams/yard', [], 400, 'config-invalid'],
    [
      'a body that is too large',
      'PUT',
      'streams/gate',
      { source: `image:${'x'.repeat(70_000)}` },
      413,
      'request-invalid',
    ],
    ['an unknown stream', 'PATCH', 'streams/gate', { source: 'push:' }, 404, 'stream-unknown'],
    ['an unknown stream in a removal', 'DELETE', 'streams/gate', undefined, 404, 'stream-unknown'],
    ['an unknown stream in a reading request', 'GET', 'streams/gate/settings', undefined, 404, 'stream-unknown'],
    ['no configuration file', 'PUT', 'streams/gate?persist=true', { source: 'push:' }, 409, 'config-missing'],
    [
      'a value that is neither true nor false',
      'PUT',
      'streams/gate?persist=1',
      { source: 'push:' },
      400,
      'query-invalid',
    ],
    [
      'a folder for keys',
      'PUT',
      'streams/gate',
      { source: 'push:', clients: ['tcp://127.0.0.1:1?keys=/tmp'] },
      400,
      'option-invalid',
    ],
    [
      'arguments of FFmpeg',
      'PUT',
      'streams/gate',
      { source: 'ffmpeg:a.mp4?outputArgs=-y%20/tmp/a' },
      400,
      'option-invalid',
    ],
    [
      'arguments of FFmpeg in another spelling',
      'PUT',
      'streams/gate',
      { source: 'FFMPEG:a.mp4?%6futputArgs=-y' },
      400,
      'option-invalid',
    ],
    [
      'a graph whose second filter writes a file',
      'PUT',
      'streams/gate',
      { source: 'ffmpeg:lavfi:testsrc,metadata=mode=print:file=/tmp/a' },
      400,
      'option-invalid',
    ],
    [
      'a graph as the name of a screen',
      'PUT',
      'streams/gate',
      { source: 'ffmpeg:screen:testsrc,metadata=mode=print:file=/tmp/a?format=lavfi' },
      400,
      'option-invalid',
    ],
    [
      'a graph in another spelling',
      'PUT',
      'streams/gate',
      { source: 'ffmpeg:a?format=x&format=LAVFI' },
      400,
      'option-invalid',
    ],
    ['a name that every JavaScript object has', 'DELETE', 'streams/constructor', undefined, 404, 'stream-unknown'],
    ['such a name in a reading request', 'GET', 'streams/toString/settings', undefined, 404, 'stream-unknown'],
    [
      'a hidden password where there was no password',
      'PUT',
      'streams/gate',
      { source: 'mjpeg:http://a:…@b/' },
      400,
      'option-invalid',
    ],
  ])('refuses %s, and changes nothing', async (_what, method, path, body, status, code) => {
    await using gateway = await start();
    const before = [...gateway.streams.values()];
    expect(await gateway.send(method, path, body)).toMatchObject({ status, body: { code } });
    expect([...gateway.streams.values()]).toEqual(before);
  });

  it('refuses to remove the only stream', async () => {
    await using gateway = await start({ port: 0, source: 'push:' });
    expect(await gateway.send('DELETE', 'streams/main')).toMatchObject({
      status: 409,
      body: { code: 'stream-required' },
    });
    expect([...gateway.streams.keys()]).toEqual(['main']);
  });

  it('requires the right to administer, which programs on this machine do not have', async () => {
    await using gateway = await start({ ...TWO, token: 'adm1n', viewToken: 'w4tch' });
    await using local = await start();
    for (const [method, path] of [
      ['PUT', 'streams/gate'],
      ['PATCH', 'streams/yard'],
      ['DELETE', 'streams/yard'],
      ['GET', 'streams/yard/settings'],
    ] as const) {
      const body = method === 'GET' || method === 'DELETE' ? undefined : { source: 'push:' };
      expect((await gateway.send(method, path, body, 'w4tch')).status, method).toBe(403);
      expect((await gateway.send(method, path, body, null)).status, method).toBe(401);
      expect((await local.send(method, path, body, null)).status, method).toBe(401);
    }
    expect([...gateway.streams.keys(), ...local.streams.keys()]).toEqual(['door', 'yard', 'door', 'yard']);
  });

  it('hides passwords, and keeps a password that is sent back hidden', async () => {
    await using gateway = await start({ ...TWO, streams: { ...TWO.streams, camera: { source: SECRET } } });
    const shown = (await gateway.send<StreamSettingsStatus>('GET', 'streams/camera/settings')).body;
    expect(shown.source).toBe('mjpeg:http://viewer:…@127.0.0.1:9/stream');
    const answer = await gateway.send('PUT', 'streams/camera', { ...shown, virtualPorts: '7000' });
    expect(answer).toMatchObject({ status: 200, body: { settings: shown } });
    expect(JSON.stringify(answer)).not.toContain('s3cr3t');
    const refused = await gateway.send('PATCH', 'streams/camera', { source: `${shown.source}2` });
    expect(refused).toMatchObject({ status: 400, body: { code: 'option-invalid' } });
    const invalid = await gateway.send('PATCH', 'streams/camera', { source: `${SECRET}?fps=x` });
    expect(invalid.status).toBe(400);
    expect(JSON.stringify(invalid)).not.toContain('s3cr3t');
    // The source was not replaced with one without a password.
    await gateway.send('PATCH', 'streams/camera', { source: SECRET });
    expect((await gateway.send('GET', 'streams/camera/settings')).body).toEqual({ ...shown, virtualPorts: '7000' });
  });

  it('reports each change as an event with its principal', async () => {
    await using gateway = await start();
    const events = gateway.events();
    await gateway.send('PUT', 'streams/gate', { source: 'push:' });
    await gateway.send('DELETE', 'streams/gate');
    const seen = [];
    for await (const { kind, stream, by } of events) {
      if (kind === 'configure') seen.push([stream, by]);
      if (seen.length === 2) break;
    }
    const by = { principal: 'administrator key', address: '127.0.0.1' };
    expect(seen).toEqual([
      ['gate', by],
      ['gate', by],
    ]);
  });

  it('applies changes one after another', async () => {
    await using gateway = await start();
    const names = Array.from({ length: 8 }, (_, index) => `s${index}`);
    await Promise.all(names.map((name) => gateway.send('PUT', `streams/${name}`, { source: 'push:' })));
    expect([...gateway.streams.keys()].sort()).toEqual(['door', ...names, 'yard']);
  });
});

describe('a reload after a change through the API', () => {
  it('keeps the change unless the options of its stream differ', async () => {
    await using gateway = await start();
    await gateway.send('PATCH', 'streams/yard', { virtualPorts: '7000' });
    await gateway.send('PUT', 'streams/gate', { source: 'push:' });
    const settings = async (): Promise<unknown> => (await gateway.send('GET', 'streams/yard/settings')).body;

    await gateway.reconfigure({ ...TWO, streams: { ...TWO.streams, attic: { source: 'push:' } } });
    expect([...gateway.streams.keys()]).toEqual(['door', 'yard', 'attic', 'gate']);
    expect(await settings()).toEqual({ source: SMALL, virtualPorts: '7000' });

    await gateway.reconfigure({ ...TWO, streams: { ...TWO.streams, yard: { source: LARGE } } });
    expect([...gateway.streams.keys()]).toEqual(['door', 'yard', 'gate']);
    expect(await settings()).toEqual({ source: LARGE });
  });
});

describe('persist=true', () => {
  it('writes a new stream, a change and a removal to the file, and keeps comments and references', async () => {
    await using gateway = await startWithFile();
    expect(await gateway.send('PUT', 'streams/gate?persist=true', { source: 'push:' })).toMatchObject({
      status: 201,
      body: { isPersisted: true },
    });
    expect(readFileSync(file, 'utf8')).toBe(`${FILE}  gate:\n    source: "push:"\n`);
    await gateway.send('PATCH', 'streams/yard?persist=true', { virtualPorts: null, renditions: 'off' });
    await gateway.send('DELETE', 'streams/gate?persist=true');
    expect(readFileSync(file, 'utf8')).toBe(FILE.replace('virtualPorts: 7000-7003', 'renditions: off'));
    expect([...gateway.streams.keys()]).toEqual(['door', 'yard']);
    // The file matches the running configuration.
    expect(await gateway.reconfigure(async () => (await gateway.store.load()).options)).toEqual({
      added: [],
      removed: [],
      changed: [],
      rights: [],
      webhooks: [],
      needsRestart: [],
      problems: [],
    });
  });

  it('writes earlier changes of the same stream, but not those of others', async () => {
    await using gateway = await startWithFile();
    await gateway.send('PATCH', 'streams/door', { start: 'all' });
    await gateway.send('PATCH', 'streams/yard', { idle: 'silence' });
    await gateway.send('PATCH', 'streams/yard?persist=true', { start: 'all' });
    expect(readFileSync(file, 'utf8')).toBe(`${FILE}    idle: silence\n    start: all\n`);
    expect((await gateway.send('GET', 'streams/door/settings')).body).toEqual({ source: 'push:', start: 'all' });
  });

  it.each<[string, string, GivenOptions, string]>([
    ['has an error', `${FILE}prot: 1\n`, {}, 'config-invalid'],
    ['is overridden by the command line', FILE, { source: [`yard=${SMALL}`, 'door=push:'] }, 'config-overridden'],
    ['lists the clients elsewhere', `${FILE}clients: ['yard=tcp://127.0.0.1:1?id=5567']\n`, {}, 'config-overridden'],
  ])('changes nothing if the file %s', async (_what, text, given, code) => {
    await using gateway = await startWithFile(FILE, given);
    await gateway.reconfigure(async () => (await gateway.store.load()).options);
    writeFileSync(file, text);
    const answer = await gateway.send('PATCH', 'streams/yard?persist=true', { clients: ['tcp://127.0.0.1:1?id=5568'] });
    expect(answer.body).toMatchObject({ code });
    expect(readFileSync(file, 'utf8')).toBe(text);
    expect(gateway.streams.get('yard')?.clients).toEqual([]);
  });

  it('adds and removes a native client in the file, too', async () => {
    await using gateway = await startWithFile();
    const address = 'tcp://127.0.0.1:1?id=5567';
    const added = await gateway.send('POST', 'streams/yard/clients?persist=true', { address });
    expect(added).toMatchObject({ status: 201, body: { id: 'native-5567', port: 5567 } });
    expect(readFileSync(file, 'utf8')).toBe(`${FILE}    clients:\n      - ${address}\n`);
    await gateway.send('POST', 'streams/yard/clients', { address: 'tcp://127.0.0.1:1?id=5568' });
    expect(gateway.streams.get('yard')?.clients.map(({ port }) => port)).toEqual([5567, 5568]);
    // This client is not in the file.
    expect((await gateway.send('DELETE', 'streams/yard/clients/native-5568?persist=true')).status).toBe(200);
    const removed = await gateway.send('DELETE', 'streams/yard/clients/native-5567?persist=true');
    expect(removed).toMatchObject({ status: 200, body: { id: 'native-5567' } });
    expect(gateway.streams.get('yard')?.clients).toEqual([]);
    expect(readFileSync(file, 'utf8')).toBe(FILE);
    expect((await gateway.send('DELETE', 'streams/yard/clients/native-5567?persist=true')).status).toBe(404);
  });

  it('adds no native client if the file cannot be written, or its port is taken', async () => {
    await using gateway = await startWithFile();
    const post = (address: string) => gateway.send('POST', 'streams/yard/clients?persist=true', { address });
    await using _viewer = await watch(gateway.url, 'yard');
    expect(await post('tcp://127.0.0.1:1?id=7000')).toMatchObject({ status: 409, body: { code: 'port-taken' } });
    expect(readFileSync(file, 'utf8')).toBe(FILE);
    rmSync(file);
    expect(await post('tcp://127.0.0.1:1?id=5567')).toMatchObject({
      status: 507,
      body: { code: 'config-not-written' },
    });
    expect(gateway.streams.get('yard')?.clients.map(({ kind }) => kind)).toEqual(['web']);
  });

  it('lets only administrators of the gateway write native clients to the file', async () => {
    const { token, hash } = fastToken();
    const tokens = { porter: { hash, rights: ['view' as const, 'administer' as const], streams: ['yard'] } };
    await using gateway = await start({ ...TWO, tokens });
    const body = { address: 'tcp://127.0.0.1:1?id=5567' };
    expect(await gateway.send('POST', 'streams/yard/clients?persist=true', body, token)).toMatchObject({
      status: 403,
      body: { code: 'not-allowed' },
    });
    expect(gateway.streams.get('yard')?.clients).toEqual([]);
    expect((await gateway.send('POST', 'streams/yard/clients', body, token)).status).toBe(201);
    expect(
      (await gateway.send('DELETE', 'streams/yard/clients/native-5567?persist=true', undefined, token)).status,
    ).toBe(403);
  });

  it('changes nothing if the file cannot be written, and reports the reason', async () => {
    await using gateway = await startWithFile();
    rmSync(file);
    const answer = await gateway.send('PUT', 'streams/gate?persist=true', { source: 'push:' });
    expect(answer).toMatchObject({ status: 507, body: { code: 'config-not-written' } });
    expect([...gateway.streams.keys()]).toEqual(['door', 'yard']);
  });
});

describe('GET /api/gateway', () => {
  it('shows the status of the configuration file to administrators', async () => {
    await using gateway = await startWithFile();
    const status = async (token?: null): Promise<GatewayStatus['configuration']> =>
      (await gateway.send<GatewayStatus>('GET', 'gateway', undefined, token)).body.configuration;
    expect(await status(null)).toBeNull();
    const first = await status();
    expect(first).toMatchObject({ file, problem: null });
    expect(Date.parse(first?.loadedAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
    gateway.store.note('line 3 has an error');
    expect(await status()).toEqual({ file, loadedAt: first?.loadedAt, problem: 'line 3 has an error' });
  });
});
