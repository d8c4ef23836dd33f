import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { StreamStatus } from '../../shared/status.ts';
import { Child } from '../helpers/child.ts';
import { blocks, commandLines, docBlocks, ROOT } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Folder } from '../helpers/media.ts';
import { peers, PythonPeer } from '../helpers/peers.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

const run = promisify(execFile);

const BLOCKS = docBlocks('docs/http-api.md');

/** The block of this language below a heading. */
function block(heading: string, language: string): string {
  const found = BLOCKS.find((each) => each.heading === heading && each.language === language);
  if (found === undefined) throw new Error(`docs/http-api.md has no ${language} block below ${heading}`);
  return found.code;
}

/** Types of a JSON value, with those of all keys. Null fits everything. */
function typesOf(value: unknown): unknown {
  if (Array.isArray(value)) return 'array';
  if (value === null || typeof value !== 'object') return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, typesOf(each)]));
}

/** A documented JSON text, in which `, …` represents further keys. */
function shown(heading: string): { readonly types: unknown; readonly hasMore: boolean } {
  const text = block(heading, 'json');
  const whole = text.replace(', …}', '}');
  return { types: typesOf(JSON.parse(whole)), hasMore: whole !== text };
}

/** Replaces null, whose type is unknown, with the other side's type. */
function withoutNulls(a: unknown, b: unknown): unknown {
  if (a === null || b === null) return null;
  if (typeof a !== 'object' || typeof b !== 'object') return a;
  return Object.fromEntries(
    Object.entries(a).map(([key, value]) => [key, withoutNulls(value, (b as Record<string, unknown>)[key])]),
  );
}

function expectShape(output: string, heading: string): void {
  const actual = typesOf(JSON.parse(output));
  const { types, hasMore } = shown(heading);
  const [got, wanted] = [withoutNulls(actual, types), withoutNulls(types, actual)];
  if (hasMore) expect(got).toMatchObject(wanted as object);
  else expect(got).toEqual(wanted);
}

describe('docs/http-api.md', () => {
  let folder: Folder;
  let gateway: Child;
  let withToken: GatewayProcess;
  let port: string;
  let natives: readonly [string, string];
  let peersOfGateway: AsyncDisposable[] = [];

  const here = (text: string): string =>
    text
      .replaceAll('s3cret@127.0.0.1:8080', `s3cret@127.0.0.1:${tokenPort}`)
      .replaceAll(/\b8080\b/g, port)
      .replaceAll(/\b5567\b/g, natives[0])
      .replaceAll(/\b5577\b/g, natives[1]);
  let tokenPort: string;

  /** Runs a line in bash; `$key` is the administrator key. */
  async function shell(line: string): Promise<string> {
    const { stdout } = await run('bash', ['-c', `set -o pipefail; key=$(cat ~/.gearway/${port}.key); ${here(line)}`], {
      cwd: folder.path,
      env: { ...process.env, HOME: folder.path },
      encoding: 'latin1',
    });
    return Buffer.from(stdout, 'latin1').toString();
  }

  const status = async (): Promise<StreamStatus> =>
    (await (await fetch(`http://127.0.0.1:${port}/api/streams/main`)).json()) as StreamStatus;

  beforeAll(async () => {
    folder = await Folder.create();
    natives = (await freePorts(2)).map(String) as [string, string];
    const config = await folder.write(
      'gateway.yaml',
      `streams:\n  main:\n    source: test-pattern:?size=320x180&fps=15\n    clients: ["tcp://127.0.0.1:${natives[1]}?pattern=1"]\n`,
    );
    const { XDG_RUNTIME_DIR: _, ...env } = process.env;
    gateway = new Child(process.execPath, ['dist/gateway/main.js', '--port', '0', '--config', config], {
      cwd: ROOT,
      env: { ...env, HOME: folder.path },
    });
    port = await gateway.stdout.waitFor(
      'the ready line',
      (line) => /^Gearway is serving on http:\/\/127\.0\.0\.1:(\d+)\/$/.exec(line)?.[1],
    );
    withToken = await GatewayProcess.start('--token', 's3cret');
    tokenPort = new URL(await withToken.url).port;
    peersOfGateway = [
      new PythonPeer('client.py', {
        port: Number(natives[1]),
        pattern: 1,
        bidirectional: true,
        raw_returns: true,
        returns: { $array: 'uint8', shape: [480, 640, 3] },
        // Skips the check of the pictures' numbers, because those of the test pattern have none.
        height: 1,
      }),
    ];
    await vi.waitFor(async () => expect((await status()).state).toBe('live'), { timeout: 20_000 });
  });

  afterAll(async () => {
    for (const peer of peersOfGateway) await peer[Symbol.asyncDispose]();
    await withToken[Symbol.asyncDispose]();
    await gateway[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  it('prints the address of the gateway, and its key', () => {
    const [serving = '', administer = '', file = ''] = block('Administrator key', '').split('\n');
    const shape = (line: string): string => line.replace(/key=\S+/, 'key=…').replace(/in \S+$/, 'in …');
    expect(gateway.stdout.all.map(shape)).toEqual(
      expect.arrayContaining([serving, administer, file].map(here).map(shape)),
    );
  });

  it('describes itself, its health and its state', async () => {
    expect(JSON.parse(await shell(block('HTTP API', 'sh').trim()))).toMatchObject({ openapi: '3.1.0' });
    const [health = '', state = ''] = commandLines(block('State', 'sh'));
    expect(await shell(health)).toBe('{"status":"ok"}');
    expectShape(await shell(state), 'State');
  });

  it('sends events in the documented form', async () => {
    await using _viewer = await WebViewer.open(`http://127.0.0.1:${port}/streams/main`);
    const line = commandLines(block('Events', 'sh'))[0]!;
    // The response is endless.
    const output = await shell(`timeout 2 ${line} || [ $? = 124 ]`);
    const shape = (text: string): string[] =>
      [...text.matchAll(/^(?:id: |event: connect$|data: )|"\w+":/gm)].map(([each]) => each).toSorted();
    const found = output.split('\n\n').find((each) => each.includes('event: connect'))!;
    expect(shape(found)).toEqual(shape(block('Events', '')));
  });

  it('creates, changes and removes a stream', async () => {
    const [put = '', patch = '', settings = '', remove = ''] = commandLines(
      block('Create, change and remove streams', 'sh'),
    );
    expectShape(await shell(put), 'Create, change and remove streams');
    expect(JSON.parse(await shell(patch))).toMatchObject({ isNew: false, settings: { start: 'all' } });
    expect(JSON.parse(await shell(settings))).toMatchObject({ source: 'push:' });
    await shell(remove);
    expect((await fetch(`http://127.0.0.1:${port}/api/streams/phone`)).status).toBe(404);
  });

  it('lists a native client, and shows what clients return', async () => {
    expectShape(await shell(block('List a native client', 'sh').trim()), 'List a native client');
    peersOfGateway.push(
      new PythonPeer('client.py', {
        port: Number(natives[0]),
        pattern: 1,
        bidirectional: true,
        returns: 'Hi',
        height: 1,
      }),
    );
    await expect
      .poll(async () => (await status()).clients.map(({ returnData }) => returnData !== null))
      .toEqual([true, true]);
    const [value = '', picture = ''] = commandLines(block('Return data of a client', 'sh'));
    expect(await shell(value)).toBe('"Hi"');
    await shell(picture);
    expect((await readFile(folder.file('returned.png'))).subarray(1, 4).toString()).toBe('PNG');
  });

  it.each(['Disconnect a client', 'Administrator key'])('disconnects a client: %s', async (heading) => {
    await using viewer = await WebViewer.open(`http://127.0.0.1:${port}/streams/main`);
    const id = (await status()).clients.find(({ kind }) => kind === 'web')!.id;
    // Includes the line that reads the key.
    const script = block(heading, 'sh').replaceAll('web-1', id);
    expect(JSON.parse(await shell(script))).toMatchObject({ id });
    await expect.poll(() => viewer.isOpen).toBe(false);
  });

  it('takes control back', async () => {
    await using exclusive = await LocalGateway.start('--control', 'exclusive');
    await using viewer = await WebViewer.open(`${exclusive.url}/streams/main`, { features: ['control'] });
    await viewer.control('take');
    expect((await exclusive.status()).control).toMatchObject({ port: (await viewer.welcome).port });
    const line = block('Take control back', 'sh').trim().replace('8080', new URL(exclusive.url).port);
    expect(JSON.parse(await shell(`key=${exclusive.key}; ${line}`))).toMatchObject({ port: null });
  });

  it('makes, lists and revokes share links', async () => {
    const [create = '', list = '', revoke = ''] = commandLines(block('Share links', 'sh'));
    const output = await shell(create);
    expectShape(output, 'Share links');
    const { id } = JSON.parse(output) as { id: string };
    expect(JSON.parse(await shell(list))).toMatchObject([{ id }]);
    await shell(revoke.replace('Xb3kq9Zt', id));
    expect(JSON.parse(await shell(list))).toEqual([]);
  });

  it('sends MJPEG and snapshots', async () => {
    const [head = '', record = ''] = commandLines(block('MJPEG', 'sh'));
    // head closes the pipe.
    expect(await shell(`set +o pipefail; ${head}`)).toContain('Content-Type: image/jpeg');
    await shell(record.replace('ffmpeg', 'ffmpeg -loglevel error -y'));
    expect((await readFile(folder.file('out.mp4'))).length).toBeGreaterThan(1000);
    for (const line of commandLines(block('Snapshots', 'sh'))) await shell(line);
    expect((await readFile(folder.file('frame.jpg'))).subarray(0, 2).toString('hex')).toBe('ffd8');
    expect((await readFile(folder.file('small.png'))).subarray(1, 4).toString()).toBe('PNG');
  });

  it('accepts the token in all documented ways', async () => {
    const lines = commandLines(block('Token', 'sh')).map((line) => line.replaceAll('8080', tokenPort));
    const [state = '', rights = '', snapshot = '', record = ''] = lines;
    expect(JSON.parse(await shell(state))).toMatchObject({ name: 'main' });
    expect(JSON.parse(await shell(rights))).toMatchObject({ principal: 'token' });
    await shell(snapshot);
    expect((await readFile(folder.file('frame.jpg'))).subarray(0, 2).toString('hex')).toBe('ffd8');
    await shell(record.replace('ffmpeg', 'ffmpeg -loglevel error -y'));
  });

  it('has Python programs that read MJPEG', async () => {
    const [open = '', withCredential = ''] = blocks('http-api.md', 'python');
    const reads = 'for _ in range(3):\n    grabbed, frame = capture.read()\n    assert grabbed\nprint(frame.shape)\n';
    for (const [program, shape] of [
      [open, '(180, 320, 3)'],
      [`import cv2\n${withCredential}`, '(180, 320, 3)'],
    ] as const) {
      const { stdout } = await run(peers().python, ['-c', `${here(program)}${reads}`]);
      expect(stdout).toBe(`${shape}\n`);
    }
  });
});
