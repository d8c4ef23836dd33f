import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NDArray } from '../../gateway/netgear/index.ts';
import { Child } from '../helpers/child.ts';
import { blocks } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { type ClientReport, peers, PythonPeer, VGA } from '../helpers/peers.ts';
import { JPEG } from '../helpers/viewer.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

interface AnswerEvent {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const DOCS = readFileSync(new URL('../../docs/publishing.md', import.meta.url), 'utf8');
const QUIET = { env: { ...process.env, PYTHONWARNINGS: 'ignore' } };

let folder: string;
/** A JPEG like that of a camera program. */
let picture: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway push ')); // With a space, to test the quoting of shell commands.
  picture = join(folder, 'picture.jpg');
  writeFileSync(picture, JPEG);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The numbers in the messages, in order of arrival. */
const numbersOf = (viewer: WebViewer): unknown[] => viewer.messages.map((message) => (message as { n: number }).n);

const stream = async (gateway: GatewayProcess | LocalGateway): Promise<string> => `${await gateway.url}/streams/main`;

/** Runs a shell command in the folder with picture.jpg and depth.npy. @returns its output. */
function shell(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('sh', ['-c', line], { cwd: folder, timeout: 20_000 }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${line}: ${error.message}\n${stdout}${stderr}`)),
    );
  });
}

describe('one picture per request, or several in a running request', () => {
  it('is live again when a publisher that was killed within a picture is restarted', async () => {
    const [a] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', 'push:', '--client', `tcp://127.0.0.1:${a}`);
    await using client = new PythonPeer('client.py', { port: a, bidirectional: true, awaited: 1059, ...VGA });
    await using viewer = await WebViewer.open(await stream(gateway));
    {
      await using publisher = new PythonPeer('push_requests.py', {
        url: await stream(gateway),
        frames: 10_000,
        how: 'running',
        npy: true,
        fps: 200,
      });
      await gateway.statusWhere('some frames', ({ counters }) => counters.received > 30);
      publisher.signal('SIGKILL');
      await publisher.exited;
    }
    const { reason } = await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    expect(reason).toBe('127.0.0.1 has left; waiting for a publisher');
    await using again = new PythonPeer('push_requests.py', {
      url: await stream(gateway),
      frames: 60,
      first: 1000,
      how: 'running',
    });
    await again.waitFor('done');
    expect(again.events<AnswerEvent>('answer')).toMatchObject([{ status: 200, body: { frames: 60 } }]);
    await gateway.statusWhere("the client's last frame", ({ clients }) =>
      clients.every(({ state }) => state === 'live'),
    );
    expect(await client.waitFor<ClientReport>('progress', ({ last }) => last === 1059)).toMatchObject({
      mismatched: 0,
      disordered: 0,
    });
    await expect.poll(() => numbersOf(viewer).at(-1)).toBe(1059);
    expect((await gateway.status()).counters).toMatchObject({ rejected: 0 });
  });

  it('is one publisher at a time: the second is refused, or takes over', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    const url = await stream(gateway);
    await using first = new PythonPeer('push_requests.py', { url, frames: 10_000, query: { publisher: 'first' } });
    await gateway.statusWhere('frames', ({ counters }) => counters.received > 3);
    await using refused = new PythonPeer('push_requests.py', { url, frames: 10, query: { publisher: 'second' } });
    expect(await refused.waitFor<AnswerEvent>('refused')).toMatchObject({
      n: 0,
      status: 409,
      body: { code: 'publisher-present', message: expect.stringContaining('first (127.0.0.1)') as string },
    });
    await using second = new PythonPeer('push_requests.py', {
      url,
      frames: 10_000,
      how: 'running',
      query: { publisher: 'second', takeOver: 'true' },
    });
    expect(await first.waitFor<AnswerEvent>('refused')).toMatchObject({
      status: 409,
      body: { code: 'taken-over', message: expect.stringContaining('second (127.0.0.1)') as string },
    });
    expect((await gateway.status()).source.state).toBe('second (127.0.0.1)');
    // A running request gets its response early, and is disconnected.
    await using third = new PythonPeer('push_requests.py', {
      url,
      frames: 30,
      query: { publisher: 'third', takeOver: 'true' },
    });
    await third.waitFor('done');
    expect(third.events('refused')).toEqual([]);
    expect(await second.exited).not.toBeNull();
  });
});

describe('protocol_publisher.py, written from docs/protocol.md alone', () => {
  const address = async (gateway: GatewayProcess | LocalGateway): Promise<string> =>
    `${(await stream(gateway)).replace('http', 'ws')}/publish`;

  it('publishes to a real client and a viewer, and gets their return data', async () => {
    const [a] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', 'push:', '--client', `tcp://127.0.0.1:${a}`);
    await using client = new PythonPeer('client.py', {
      port: a,
      bidirectional: true,
      returns: { from: 'a', list: [1, 2.5, null, 'é'] },
    });
    await using viewer = await WebViewer.open(await stream(gateway));
    const { port } = await viewer.welcome;
    await gateway.statusWhere('a live client', ({ clients }) =>
      clients.some(({ kind, state }) => kind === 'native' && state === 'live'),
    );
    await using publisher = new PythonPeer('protocol_publisher.py', {
      url: await address(gateway),
      hello: { name: 'camera' },
      picture,
      frames: 90,
      capturedAtUs: 1_766_400_000_000_000,
      stay: true,
    });
    expect(await publisher.waitFor('welcome')).toMatchObject({
      stream: 'main',
      port: null,
      leaseKey: null,
      rights: expect.arrayContaining(['publish']) as string[],
      limits: { messageBytes: 68_157_448 },
    });
    expect(await publisher.waitFor('taken')).toEqual({ event: 'taken', sequence: 90, clients: 2 });
    await publisher.waitFor<{ port: number; value: unknown }>(
      'data',
      (data) =>
        data.port === a && JSON.stringify(data.value) === JSON.stringify({ from: 'a', list: [1, 2.5, null, 'é'] }),
    );
    await viewer.return({ kind: 'value', value: 'once' }, 'once');
    const array: NDArray = { dtype: 'uint8', shape: [2], data: Uint8Array.of(7, 8) };
    await viewer.return({ kind: 'array', array });
    expect(await publisher.waitFor('data', ({ mode }: { mode: string }) => mode === 'once')).toEqual({
      event: 'data',
      port,
      mode: 'once',
      kind: 'value',
      value: 'once',
    });
    expect(await publisher.waitFor('data', ({ kind }: { kind: string }) => kind === 'array')).toEqual({
      event: 'data',
      port,
      mode: 'sticky',
      kind: 'array',
      dtype: 'uint8',
      shape: [2],
      payload: 'Bwg=',
    });
    expect(viewer.capturedAtUs).toBe(1_766_400_000_000_000);
    await viewer[Symbol.asyncDispose]();
    await publisher.waitFor(
      'data',
      (data: { port: number; value?: unknown }) => data.port === port && data.value === null,
    );
    expect(client.isRunning).toBe(true);
    expect((await gateway.status()).counters).toMatchObject({ received: 90, rejected: 0 });
  });

  it('publishes samples, is refused while another is active, takes over, and ends with the gateway', async () => {
    await using gateway = await GatewayProcess.start('--source', 'push:');
    const raw = { encoding: 'raw', dtype: 'uint16', shape: [2, 3], payload: Buffer.alloc(12, 1).toString('base64') };
    await using first = new PythonPeer('protocol_publisher.py', {
      url: await address(gateway),
      hello: { name: 'first' },
      raw,
    });
    expect((await gateway.statusWhere('frames', ({ frame }) => frame !== null)).frame).toMatchObject({
      width: 3,
      height: 2,
      encoding: 'uint16',
    });
    await using refused = new PythonPeer('protocol_publisher.py', { url: await address(gateway), picture });
    expect(await refused.waitFor('closed')).toMatchObject({
      code: 4010,
      reason: expect.stringContaining('first (127.0.0.1)') as string,
    });
    await using second = new PythonPeer('protocol_publisher.py', {
      url: await address(gateway),
      hello: { takeOver: true },
      raw: { ...raw, shape: [2, 4] },
    });
    expect(await first.waitFor('closed')).toMatchObject({ code: 4003 });
    expect(await second.waitFor('taken')).toMatchObject({ code: 'array-misfit', reason: expect.any(String) as string });
    gateway.signal('SIGTERM');
    expect(await second.waitFor('closed')).toMatchObject({ code: 1001 });
    expect(await gateway.exited).toBe(0);
  });
});

describe('examples', () => {
  it('push-curl.sh sends a picture twice', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    await using viewer = await WebViewer.open(await stream(gateway));
    const printed = await shell(`sh ${EXAMPLES}push-curl.sh picture.jpg ${await stream(gateway)}`);
    expect(printed).toBe('{"sequence":1}\n{"sequence":2}\n');
    await expect.poll(() => viewer.messages).toEqual([{ number: 1 }, { number: 2 }]);
    expect(Math.abs(viewer.capturedAtUs! / 1000 - Date.now())).toBeLessThan(60_000);
  });

  it('push-opencv.py sends 30 pictures per second, with a token', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:', '--publish-token', 'camera');
    await using viewer = await WebViewer.open(await stream(gateway));
    await using unknown = new Child(peers().python, ['push-opencv.py', await stream(gateway), '', '60'], {
      cwd: EXAMPLES,
      ...QUIET,
    });
    expect(await unknown.exited).toBe(1);
    await using program = new Child(peers().python, ['push-opencv.py', await stream(gateway), '', '60'], {
      cwd: EXAMPLES,
      env: { ...QUIET.env, GEARWAY_TOKEN: 'camera' },
    });
    expect(await program.exited).toBe(0);
    expect(program.stdout.all).toEqual(['sent: 30 sequence: 30', 'sent: 60 sequence: 60']);
    await expect.poll(() => viewer.messages.at(-1)).toEqual({ number: 60 });
    expect((await gateway.status()).frame).toMatchObject({ width: 640, height: 480, encoding: 'jpeg' });
  });

  it('push-multipart.py sends a running request, and prints the result', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    await using program = new Child(peers().python, ['push-multipart.py', await stream(gateway), '', '60'], {
      cwd: EXAMPLES,
      ...QUIET,
    });
    expect(await program.exited).toBe(0);
    expect(program.stdout.all).toEqual(['200 {"sequence":60,"frames":60,"rejected":0}']);
  });

  it('push-node.mjs sends one picture per request', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    await using program = new Child(process.execPath, ['push-node.mjs', picture, await stream(gateway), '5'], {
      cwd: EXAMPLES,
    });
    expect(await program.exited).toBe(0);
    expect(program.stdout.all.at(-1)).toBe('sent 5 sequence 5');
    await using other = new Child(
      process.execPath,
      ['push-node.mjs', picture, (await stream(gateway)).replace('main', 'other'), '5'],
      { cwd: EXAMPLES },
    );
    expect(await other.exited).toBe(1);
    expect(other.stderr.all.join('\n')).toContain('404: stream is "other", expected one of main');
  });
});

describe('docs: push', () => {
  const BLOCKS = [...DOCS.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language, text]) => ({
    language,
    text: text ?? '',
  }));

  it('has working curl commands', async () => {
    writeFileSync(
      join(folder, 'save.py'),
      'import numpy as np\nnp.save("depth.npy", np.arange(480 * 640, dtype=np.uint16).reshape(480, 640))\n',
    );
    await shell(`${peers().python} save.py`);
    await using gateway = await LocalGateway.start('--source', 'push:');
    const lines = BLOCKS.filter(({ language, text }) => language === 'sh' && text.startsWith('curl')).flatMap(
      ({ text }) => text.trim().split('\n'),
    );
    expect(lines).toHaveLength(4);
    for (const [index, line] of lines.entries())
      expect(await shell(line.replace('http://127.0.0.1:8080', gateway.url)), line).toBe(`{"sequence":${index + 1}}`);
    expect((await gateway.status()).frame).toMatchObject({ width: 640, height: 480, encoding: 'uint16' });
  });

  it('has a working program with OpenCV', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    const program = BLOCKS.find(({ language, text }) => language === 'python' && text.startsWith('# push.py\n'))!;
    writeFileSync(join(folder, 'push.py'), program.text.replace('http://127.0.0.1:8080', gateway.url));
    await using child = new Child(peers().python, [join(folder, 'push.py')], QUIET);
    expect(await child.exited).toBe(0);
    expect(child.stdout.all.at(-1)).toBe("200 {'sequence': 90}");
  });

  it('has a long request in the documented form', async () => {
    await using gateway = await GatewayProcess.start('--source', 'push:');
    const [text = ''] = blocks('publishing.md', '');
    const [head = '', body = ''] = text.split('\n\n--frame\n');
    const [partHead = ''] = body.split('\n\n');
    const lines = (each: string): string => each.trim().replaceAll('\n', '\r\n');
    const socket = connect(Number(new URL(await gateway.url).port), '127.0.0.1');
    socket.write(`${lines(head)}\r\nHost: 127.0.0.1\r\n\r\n`);
    for (let n = 0; n < 2; n += 1) {
      const part = Buffer.concat([
        Buffer.from(`--frame\r\n${lines(partHead).replace(/Length: \d+/, `Length: ${JPEG.length}`)}\r\n\r\n`),
        JPEG,
        Buffer.from('\r\n'),
      ]);
      socket.write(Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]));
    }
    await gateway.statusWhere('two frames', ({ counters }) => counters.received === 2 && counters.rejected === 0);
    socket.destroy();
  });

  it('has a working FFmpeg command', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    const line = BLOCKS.find(({ text }) => text.startsWith('ffmpeg '))!
      .text.trim()
      .replace('http://127.0.0.1:8080', gateway.url);
    {
      await using _ = new Child('sh', ['-c', `exec ${line}`]);
      const { frame, counters } = await gateway.statusWhere('frames', ({ counters: { received } }) => received > 15);
      expect(frame).toMatchObject({ width: 640, height: 480, encoding: 'jpeg' });
      expect(counters.rejected).toBe(0);
    }
    await gateway.statusWhere(
      'the end of the publication',
      ({ state, counters }) => state === 'stale' && counters.rejected === 0,
    );
  });
});
