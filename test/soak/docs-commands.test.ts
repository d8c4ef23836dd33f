import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { Child } from '../helpers/child.ts';
import { blocks, commandLines, DOC_PAGES, docBlocks, ROOT } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { ffmpeg } from '../helpers/media.ts';
import { NatsServer } from '../helpers/nats.ts';
import { peers, PythonPeer } from '../helpers/peers.ts';

// The commands and configuration files of all pages, as a shell runs them, in a folder with the files that they name.
// Ports and the addresses of other machines are replaced; nothing else is.

const run = promisify(execFile);

const CERTIFICATE = join(ROOT, 'test/helpers/certificate');

/** `npm start`, `gearway` and `npx gearway` run the built command; dependencies are installed already. */
const SHELL = `
gearway() { exec "${process.execPath}" "${join(ROOT, 'dist/gateway/main.js')}" "$@"; }
npm() {
  case "$1" in
    ci) ;;
    start) shift; [ "$1" = -- ] && shift; gearway "$@" ;;
    *) echo "npm $1 is not an example of this test" >&2; exit 1 ;;
  esac
}
npx() { "$@"; }
node() { shift; gearway "$@"; }
`;

/** Lines that start a gateway, of all pages. */
const STARTS = [
  ...new Set(
    DOC_PAGES.flatMap((page) => docBlocks(page))
      .filter(({ language }) => language === 'sh')
      .flatMap(({ code }) => commandLines(code))
      .filter((line) => /^(?:npm ci && )?npm start$|^(?:npm start -- |gearway )--(?!help|version)/.test(line)),
  ),
];

/** Documented ports, addresses of other machines, and folders. */
const PORT = /\b(?:5[56]\d\d|80\d\d|4222)\b/g;
const ELSEWHERE = /(?<=\/\/(?:\w+:\w+@)?)(?:10\.0\.0\.5|192\.168\.\d+\.\d+|camera\d?)(?=[:/])/g;
const FOLDERS = /\/home\/me|\/var\/www|\/var\/lib\/gearway|\/var\/log\/gearway|\/etc\/gearway/g;

let folder: string;
let nats: NatsServer;
let ports: ReadonlyMap<string, number>;

/** A text for this machine and these folders. */
function here(text: string): string {
  return text
    .replaceAll(PORT, (port) => String(ports.get(port) ?? port))
    .replaceAll(ELSEWHERE, '127.0.0.1')
    .replaceAll(/(?<=:\/\/(?:\w+:\w+@)?)127\.0\.0\.1(?=\/)/g, `127.0.0.1:${ports.get('closed')}`)
    .replaceAll(FOLDERS, folder);
}

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  GEARWAY_PORT: '0',
  DOOR_PASSWORD: 'secret',
  XDG_RUNTIME_DIR: folder,
});

/** Runs a line to its end. */
async function toEnd(line: string): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const result = await run('bash', ['-c', `${SHELL}${here(line)}`], { cwd: folder, env: environment() });
    return { code: 0, ...result };
  } catch (error) {
    return error as { code: number; stdout: string; stderr: string };
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gearway-commands-'));
  nats = await NatsServer.start();
  const documented = [
    ...new Set(DOC_PAGES.flatMap((page) => docBlocks(page)).flatMap(({ code }) => code.match(PORT) ?? [])),
  ];
  const free = await freePorts(documented.length + 1);
  ports = new Map([
    ...documented.map((port, index) => [port, free[index]!] as const),
    ['closed', free.at(-1)!],
    ['4222', nats.port],
  ]);
  await ffmpeg(
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=320x240:rate=24:duration=3',
    '-pix_fmt',
    'yuv420p',
    join(folder, 'video.mp4'),
  );
  const jpeg = await encodeJpeg({ data: Buffer.alloc(32 * 16 * 3, 9), width: 32, height: 16, channels: 3 });
  await writeFile(join(folder, 'latest.jpg'), jpeg);
  await mkdir(join(folder, 'images'));
  await writeFile(join(folder, 'images/a.jpg'), jpeg);
  await writeFile(join(folder, 'jwt-secret'), 'x'.repeat(40), { mode: 0o600 });
  await writeFile(join(folder, 'token.txt'), 'SECRET\n', { mode: 0o600 });
  await writeFile(join(folder, 'webhook-secret'), `whsec_${Buffer.alloc(32).toString('base64')}\n`, { mode: 0o600 });
  await writeFile(join(folder, 'gateway.yaml'), 'streams: {main: {source: "test-pattern:?size=320x180&fps=15"}}\n');
  await using made = new PythonPeer('make_keys.py', { folders: [join(folder, 'made')] });
  await made.waitFor('done');
  await cp(join(folder, 'made/.vidgear'), join(folder, '.vidgear'), { recursive: true });
});

afterAll(async () => {
  await nats[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** A source without its camera or network: reported, and retried. */
const fails = ({ source, state }: StreamStatus): boolean =>
  source.lastError !== null
    ? /^[^\n]{10,300}$/.test(source.lastError)
    : state === 'waiting' && source.state === 'asleep';

/** Whether a stream is in the state that it must reach on a machine without cameras and network. */
function isAsExpected(status: StreamStatus): boolean {
  const { kind, address, lastError } = status.source;
  if (['netgear', 'netgear-async', 'imagezmq', 'push'].includes(kind))
    return status.state === 'waiting' && lastError === null;
  if (['test-pattern', 'directory', 'image'].includes(kind) || address.includes('video.mp4'))
    return status.state === 'live' || status.state === 'stale';
  return fails(status);
}

describe('the commands of all pages that start a gateway', () => {
  it('are more than 20', () => {
    expect(STARTS.length).toBeGreaterThan(20);
  });

  it.each(STARTS)('%s', async (line) => {
    await using gateway = new Child('bash', ['-c', `${SHELL}${here(line)}`], { cwd: folder, env: environment() });
    const address = await gateway.stdout
      .waitFor('the ready line', (text) => /^Gearway is serving on (http:\S+)\/$/.exec(text)?.[1])
      .catch((error: unknown) => {
        throw new Error(gateway.stderr.all.join('\n'), { cause: error });
      });
    const url = address.replace('0.0.0.0', '127.0.0.1');
    const streams = async (): Promise<StreamStatus[]> =>
      (await (
        await fetch(`${url}/api/streams`, { headers: { authorization: 'Bearer SECRET' } })
      ).json()) as StreamStatus[];
    const sources = line.match(/--source /g)?.length ?? 1;
    expect((await streams()).length).toBeGreaterThanOrEqual(sources);
    await expect
      .poll(
        async () =>
          (await streams()).filter((status) => !isAsExpected(status)).map(({ state, source }) => ({ state, source })),
        { timeout: 40_000 },
      )
      .toEqual([]);
    expect(gateway.stdout.all.concat(gateway.stderr.all).join('\n')).not.toContain('password');
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toBe(0);
  });
});

describe('the commands that end', () => {
  const [help = ''] = blocks('install.md', 'sh')
    .flatMap(commandLines)
    .filter((line) => line.includes('--help'));
  const [version = ''] = blocks('install.md', 'sh')
    .flatMap(commandLines)
    .filter((line) => line.startsWith('npx'));
  const devices = blocks('cameras.md', 'sh').find((text) => text.includes('devices'))!;

  it.each<[string, RegExp, number[]]>([
    [help, /--source/, [0]],
    [version, /^\d+\.\d+\.\d+\n$/, [0]],
    // 1: there are none.
    [devices.trim(), /./, [0, 1]],
  ])('%s', async (line, output, codes) => {
    const { code, stdout, stderr } = await toEnd(line);
    expect(stdout + stderr).toMatch(output);
    expect(codes).toContain(code);
  });

  it('nats-server accepts the configuration of docs/scale-out.md', async () => {
    const configurations = blocks('scale-out.md', '');
    expect(configurations).toHaveLength(3);
    await cp(CERTIFICATE, folder, { recursive: true });
    for (const text of configurations) {
      await writeFile(
        join(folder, 'nats.conf'),
        here(text).replace('server.pem', 'cert.pem').replace('server-key.pem', 'key.pem'),
      );
      const { stderr } = await run(peers().nats, ['-t', '-c', 'nats.conf'], {
        cwd: folder,
        env: { ...process.env, GEARWAY_NATS_PASSWORD: 'secret' },
      });
      expect(stderr).toMatch(/configuration file .* is valid/i);
    }
  });

  it('the source of a stream has the fields of docs/source-urls.md', async () => {
    const [text = ''] = blocks('source-urls.md', 'json');
    await using gateway = await GatewayProcess.start();
    const { source } = JSON.parse(`{${text}}`) as Pick<StreamStatus, 'source'>;
    expect(Object.keys((await gateway.status()).source)).toEqual(Object.keys(source));
  });

  it('gearway token prints the documented lines for the configuration', async () => {
    const yaml = blocks('security.md', 'yaml').find((text) => text.startsWith('tokens:'))!;
    const lines = blocks('security.md', 'sh')
      .flatMap(commandLines)
      .filter((line) => line.startsWith('gearway token'));
    expect(lines).toHaveLength(2);
    const withoutHash = (text: string): string => text.replace(/hash: \S+/, 'hash: …');
    const { stdout } = await toEnd(lines[0]!);
    expect(withoutHash(stdout)).toContain(withoutHash(yaml));
    expect(stdout).toMatch(/\bgw_[\w-]{44}\b/);
    expect((await toEnd(lines[1]!)).stdout).toContain('lobby:');
  });

  it('gearway token makes the users of docs/deploy.md', async () => {
    const lines = blocks('deploy.md', 'sh')
      .flatMap(commandLines)
      .filter((line) => line.includes(' token '));
    expect(lines).toHaveLength(2);
    for (const line of lines) expect((await toEnd(`echo "correct horse" | ${line}`)).stdout).toContain('rights:');
  });

  it('gearway check-config names the fault of docs/configuration.md, and accepts its file', async () => {
    const [file = '', schema = ''] = blocks('configuration.md', 'yaml');
    const [command = ''] = blocks('configuration.md', 'sh');
    const [fault = ''] = blocks('configuration.md', '');
    const before = 'streams: {main: {source: "push:"}}\n';
    try {
      await writeFile(join(folder, 'gateway.yaml'), `${schema}${here(file)}`);
      expect(await toEnd(command)).toMatchObject({ code: 0 });
      await writeFile(join(folder, 'gateway.yaml'), here(file).replace('source:', 'sorce:'));
      expect(await toEnd(command)).toMatchObject({ code: 1, stdout: fault });
    } finally {
      await writeFile(join(folder, 'gateway.yaml'), before);
    }
  });

  it('gearway probe prints the output in docs/troubleshooting.md', async () => {
    const [line = ''] = blocks('troubleshooting.md', 'sh');
    const [shown = ''] = blocks('troubleshooting.md', '');
    await using client = new PythonPeer('client.py', {
      port: ports.get('5567')!,
      pattern: 0,
      bidirectional: true,
      multiclient: false,
      returns: 'Hi',
      height: 120,
      width: 400,
      frames: 3000,
    });
    await client.waitFor('ready');
    const { code, stdout } = await toEnd(line);
    const shape = (text: string): string => text.replaceAll(/[\d.]+ of [\d.]+|[\d.]+ ms|:\d{4,5}/g, '#');
    expect(shape(stdout)).toBe(shape(shown));
    expect(code).toBe(1);
  });
});

describe('the configuration of all pages', () => {
  /** Pages with YAML of other programs, and one with an option that needs another one. */
  const NOT_OURS = ['docs/deploy.md', 'docs/behind-a-proxy.md', 'docs/configuration.md'];

  it.each(
    DOC_PAGES.filter((page) => !NOT_OURS.includes(page)).flatMap((page) =>
      docBlocks(page)
        .filter(({ language }) => language === 'yaml')
        .map(({ code, heading }) => [`${page}: ${heading}`, code] as const),
    ),
  )('%s is valid', async (name, code) => {
    const file = `${name.replaceAll(/\W+/g, '-')}.yaml`;
    const streams = code.startsWith('streams:') ? '' : 'streams: {robot: {source: "push:"}}\n';
    await writeFile(join(folder, file), `${streams}${here(code)}`);
    expect(await toEnd(`gearway check-config ${file}`)).toMatchObject({ code: 0 });
  });
});

describe('docs/secure-mode.md', () => {
  it('has a server whose keys the gateway accepts', async () => {
    const [line = ''] = blocks('secure-mode.md', 'sh');
    const [program = ''] = blocks('secure-mode.md', 'python');
    await using gateway = new Child('bash', ['-c', `${SHELL}${here(line)}`], { cwd: folder, env: environment() });
    const url = await gateway.stdout.waitFor(
      'the ready line',
      (text) => /^Gearway is serving on (http:\S+)\/$/.exec(text)?.[1],
    );
    const sending =
      'import numpy as np, time\nwhile True:\n    server.send(np.zeros((120, 160, 3), np.uint8))\n    time.sleep(0.05)\n';
    await using _server = new Child(peers().python, ['-u', '-c', `${here(program)}${sending}`]);
    await expect
      .poll(async () => ((await (await fetch(`${url}/api/streams/main`)).json()) as StreamStatus).state, {
        timeout: 20_000,
      })
      .toBe('live');
  });
});
