import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { encodeMessage } from '../../shared/protocol.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { readCertificate } from '../helpers/certificate.ts';
import { Child } from '../helpers/child.ts';
import { Viewer } from '../helpers/viewer.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const [CERT_FILE = '', KEY_FILE = ''] = ['cert', 'key'].map((name) =>
  fileURLToPath(new URL(`../helpers/certificate/${name}.pem`, import.meta.url)),
);
const COMMAND = ['dist/gateway/main.js'];

/** Runs the command to its end. */
function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [...COMMAND, ...args], { cwd: ROOT, timeout: 9000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** A running gateway. */
async function serve(...args: string[]): Promise<{ gateway: Child; url: string }> {
  const gateway = new Child(process.execPath, [...COMMAND, '--port', '0', ...args], { cwd: ROOT });
  const url = await gateway.stdout.waitFor(
    'the ready line',
    (line) => /^Gearway is serving on (https?:\S+)$/.exec(line)?.[1],
  );
  return { gateway, url };
}

/** Invalid configuration files, with the position of their fault and its description. */
const BROKEN: readonly (readonly [text: string, fault: string])[] = [
  ['streams:\n  main:\n    sorce: "push:"\n', ':3:5: streams.main has the unknown key "sorce"; did you mean source?'],
  ['streams: {main: {source: "push:"}}\nprot: 80\n', ':2:1: the file has the unknown key "prot"; did you mean port?'],
  ['idle: crad\n', ':1:7: idle is "crad", expected card or silence; did you mean card?'],
  ['port: "80"\n', ':1:7: port is "80", expected a whole number from 0 to 65535; write it without quotes'],
  ['streams:\n  main:\n    start: any\n', ':2:3: streams.main has no source, which is required'],
  ['streams:\n\tmain:\n', ':2:1: there is a tab in the indentation, expected spaces'],
  ['streams: {main: {source: "test-p', ':1:33: a quote, bracket or colon is missing'],
  [
    'host: ${NOTHING}\n',
    ':1:7: host: the environment variable NOTHING is not set; set it, or write ${NOTHING:-DEFAULT}',
  ],
  ['token: file:nothing\n', ':1:8: token: nothing cannot be read: there is no such file or folder'],
  ['port: 1\nhost: a\nport: 2\n', ':3:1: the key "port" occurs twice in the file, first in line 1'],
  [
    'streams:\n  main:\n    source: push:\n',
    ':3:13: there are two values in one line; write text that ends with ":" or contains ": " in quotes, such as "push:"',
  ],
  ['port: 1\n---\nport: 2\n', ':2:1: there is a second document (---), expected one'],
  ['- port: 80\n', ':1:1: the file is a list, expected a map of keys, indented below it'],
  ['port: 1\n\0', ':2:1: there is a NUL character, expected text'],
  [
    'host: 0.0.0.0\n',
    ':1:1: host 0.0.0.0 can be reached from other machines: add --token SECRET, or --insecure to let anyone watch and return data',
  ],
];

describe('gearway', () => {
  it.each([
    ['an unknown flag', ['--bogus']],
    ['an argument', ['stream']],
    ['a flag without its value', ['--port']],
    ['a flag that is followed by another', ['--source', '--insecure']],
    ['a port that is not a number', ['--port', 'http']],
    ['a port beyond 65535', ['--port', '65536']],
    ['two sources of one stream', ['--source', 'push:', '--source', 'test-pattern:']],
    ['a client of an unknown stream', ['--source', 'door=push:', '--client', 'yard=tcp://127.0.0.1:5567']],
    ['a certificate without its key', ['--tls-cert', CERT_FILE]],
    ['a missing certificate', ['--tls-cert', '/nowhere/cert.pem', '--tls-key', KEY_FILE]],
    ['a key file without a key', ['--tls-cert', CERT_FILE, '--tls-key', CERT_FILE]],
    ['an unknown source', ['--source', 'ftp://camera']],
    ['a client in multi-servers mode with pattern 0', ['--client', 'tcp://127.0.0.1:5567?pattern=0&serverPort=5566']],
    ['two clients of one port', ['--client', 'tcp://127.0.0.1:5567', '--client', 'tcp://127.0.0.2:5567']],
    [
      'two clients of one port, while no source runs',
      ['--source', 'push:', '--client', 'tcp://127.0.0.1:5567', '--client', 'tcp://127.0.0.2:5567'],
    ],
    ['an unknown word', ['--on-close', 'maybe']],
    ['a host beyond this machine without a token', ['--host', '0.0.0.0']],
  ])('exits with 2 and one sentence for %s', async (_name, args) => {
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(/^gearway: [^\n]+\n$/);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it.each([
    ['a source without its kind', ['--source', 'rtsp://admin:Hunt3r#Green@cam/live']],
    ['a password with an unquoted space', ['--source', 'ffmpeg:rtsp://admin:Hunt3r', 'Green@cam/live']],
    ['an option with an unknown value', ['--source', 'ffmpeg:rtsp://admin:Hunt3r?fps=Green@cam/live']],
  ])('reports the problem without the password: %s', async (_name, args) => {
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(/^gearway: [^\n]+\n$/);
    expect(stdout + stderr).not.toMatch(/Hunt3r|Green/);
    expect(code).toBe(2);
  });

  it('explains its flags', async () => {
    const { code, stdout, stderr } = await run('--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const flag of [
      'host',
      'port',
      'source',
      'client',
      'virtual-ports',
      'token',
      'view-token',
      'publish-token',
      'insecure',
      'allow-origin',
      'public-url',
      'allow-host',
      'trust-proxy',
      'on-close',
      'idle',
      'help',
      'version',
    ])
      expect(stdout).toContain(`--${flag}`);
  });

  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await run('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('serves the test pattern', async () => {
    const { gateway, url } = await serve();
    await using _ = gateway;
    expect((await fetch(`${url}healthz`)).status).toBe(200);
    expect(await (await fetch(`${url}api/streams/main`)).json()).toMatchObject({ source: { kind: 'test-pattern' } });
  });

  it('serves several sources, each as a stream with its own ports', async () => {
    const { gateway, url } = await serve(
      '--source',
      'door=test-pattern:?size=160x120&fps=5',
      '--source',
      'yard=push:',
      '--virtual-ports',
      'yard=7000-7001',
    );
    await using _ = gateway;
    expect(await (await fetch(`${url}api/streams`)).json()).toMatchObject([
      {
        name: 'door',
        source: { kind: 'test-pattern', address: '160x120, 5 fps' },
        ports: { ranges: [{ from: 6000, to: 6063 }] },
      },
      { name: 'yard', source: { kind: 'push' }, ports: { ranges: [{ from: 7000, to: 7001 }] } },
    ]);
    await using viewer = await Viewer.connect(url, 'yard');
    expect(await viewer.hello()).toMatchObject({ stream: 'yard', port: 7000 });
  });

  describe('with a configuration file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gearway-main-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const write = (name: string, text: string): string => {
      const path = join(folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };

    it('serves its streams; flags and variables take precedence', async () => {
      const file = write(
        'two.yaml',
        'streams:\n  door: {source: "test-pattern:?size=160x120&fps=5"}\n  yard: {source: "push:", virtualPorts: 7000}\nport: 1\ntoken: file:token\n',
      );
      write('token', 'abc\n');
      const { gateway, url } = await serve('--config', file, '--virtual-ports', 'door=8000');
      await using _ = gateway;
      expect((await fetch(`${url}api/streams`)).status).toBe(401);
      expect(
        await (await fetch(`${url}api/streams`, { headers: { authorization: 'Bearer abc' } })).json(),
      ).toMatchObject([
        { name: 'door', ports: { ranges: [{ from: 8000, to: 8000 }] } },
        { name: 'yard', ports: { ranges: [{ from: 7000, to: 7000 }] } },
      ]);
    });

    it('reads gateway.yaml in the current folder, and variables', async () => {
      write('gateway.yaml', 'streams: {door: {source: "push:"}}\n');
      const gateway = new Child(process.execPath, [join(ROOT, 'dist/gateway/main.js')], {
        cwd: folder,
        env: { ...process.env, GEARWAY_PORT: '0', GEARWAY_VIRTUAL_PORTS: '9000' },
      });
      await using _ = gateway;
      const url = await gateway.stdout.waitFor(
        'the ready line',
        (line) => /^Gearway is serving on (https?:\S+)$/.exec(line)?.[1],
      );
      expect(await (await fetch(`${url}api/streams`)).json()).toMatchObject([
        { name: 'door', ports: { ranges: [{ from: 9000, to: 9000 }] } },
      ]);
    });

    it('exits with 2 and the position of the first problem', async () => {
      const file = write('bad.yaml', 'prot: 80\nhots: a\n');
      expect(await run('--config', file)).toEqual({
        code: 2,
        stdout: '',
        stderr: `gearway: ${file}:1:1: the file has the unknown key "prot"; did you mean port? (and 1 more: gearway check-config ${file})\n`,
      });
    });

    it('applies the file again when it changes and on SIGHUP, and ignores an invalid file', async () => {
      const stream = (size: string): string => `streams: {door: {source: "test-pattern:?size=${size}&fps=5"}}\n`;
      const file = write('changing.yaml', stream('160x120'));
      const { gateway, url } = await serve('--config', file);
      await using _ = gateway;
      const address = async (): Promise<string> =>
        ((await (await fetch(`${url}api/streams/door`)).json()) as { source: { address: string } }).source.address;
      const reported = (text: string): Promise<string> =>
        gateway.stderr.waitFor(text, (line) => (line.includes(`configuration: ${file}${text}`) ? line : undefined));
      expect(await address()).toBe('160x120, 5 fps');
      write('changing.yaml', stream('320x240'));
      await reported(': changed door');
      expect(await address()).toBe('320x240, 5 fps');
      write('changing.yaml', 'prot: 1\n');
      await reported(':1:1: the file has the unknown key "prot"; did you mean port?; nothing was changed');
      expect(await address()).toBe('320x240, 5 fps');
      write('changing.yaml', stream('320x240'));
      await reported(': nothing has changed');
      gateway.signal('SIGHUP');
      await expect
        .poll(() => gateway.stderr.all.filter((line) => line.endsWith(': nothing has changed')).length, {
          timeout: 10_000,
        })
        .toBe(2);
      expect(await (await fetch(`${url}healthz`)).json()).toEqual({ status: 'ok' });
    });

    it('names the fault of every kind of invalid file, and changes nothing: a viewer loses no frame', async () => {
      // On a busy machine, a viewer that acknowledges a frame later than the next one skips frames.
      const good = 'streams:\n  main:\n    source: "test-pattern:?size=160x120&fps=4"\n';
      const file = write('broken.yaml', good);
      const { gateway, url } = await serve('--config', file);
      await using _ = gateway;
      await using viewer = await Viewer.connect(url);
      await viewer.hello();
      const sequences: number[] = [];
      const watching = (async () => {
        for (;;) {
          const { sequence } = await viewer.until('frame');
          viewer.ack(sequence);
          sequences.push(sequence);
        }
      })().catch(() => undefined);
      const status = async (): Promise<StreamStatus> =>
        (await (await fetch(`${url}api/streams/main`)).json()) as StreamStatus;
      const before = (await status()).source;
      for (const [text, fault] of BROKEN) {
        write('broken.yaml', text);
        const line = `configuration: ${file}${fault}; nothing was changed`;
        await gateway.stderr.waitFor(line, (each) => (each.endsWith(` warning: ${line}`) ? line : undefined));
        expect(await status()).toMatchObject({ name: 'main', source: before });
      }
      // A file that disappears, as while an editor replaces it.
      rmSync(file);
      await gateway.stderr.waitFor('the missing file', (each) =>
        /configuration: .*broken\.yaml.*no such file.*; nothing was changed$/.test(each) ? each : undefined,
      );
      write('broken.yaml', good);
      await gateway.stderr.waitFor('the old file', (each) =>
        each.endsWith(`${file}: nothing has changed`) ? each : undefined,
      );
      const count = sequences.length;
      await expect.poll(() => sequences.length).toBeGreaterThan(count);
      await viewer[Symbol.asyncDispose]();
      await watching;
      expect(sequences).toEqual(sequences.map((_sequence, index) => sequences[0]! + index));
      expect(await status()).toMatchObject({ source: { restarts: 0 } });
    });

    it.skipIf(process.platform === 'win32')(
      'continues to serve while it waits for a pipe in the file, and ends on SIGTERM',
      async () => {
        const stream = 'streams: {main: {source: "test-pattern:?size=160x120&fps=20"}}\n';
        const file = write('pipe.yaml', stream);
        const pipe = join(folder, 'pipe');
        execFileSync('mkfifo', [pipe]);
        const { gateway, url } = await serve('--config', file);
        await using viewer = await Viewer.connect(url);
        await viewer.hello();
        write('pipe.yaml', `${stream}viewToken: file:pipe\n`);
        // Resolves when the gateway has opened the other end.
        await using writer = await open(pipe, 'w');
        for (let frames = 0; frames < 5; frames += 1) viewer.ack((await viewer.until('frame')).sequence);
        gateway.signal('SIGTERM');
        expect(await gateway.exited).toBe(0);
        expect((await viewer.closed).code).toBe(1001);
        expect(writer.fd).toBeGreaterThan(0);
      },
    );

    it('checks a file', async () => {
      const file = write(
        'wrong.yaml',
        'prot: 80\nstreams:\n  a: {source: "ffmpeg:rtsp://admin:Hunt3r@cam", clients: [tcp]}\n',
      );
      const { code, stdout, stderr } = await run('check-config', file);
      expect(stdout.split('\n').map((line) => line.slice(file.length, file.length + 6))).toEqual([
        ':1:1: ',
        expect.stringMatching(/^:3:\d+/),
        '',
      ]);
      expect(stdout).not.toContain('Hunt3r');
      expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
      expect(await run('check-config', 'gateway.example.yaml')).toMatchObject({
        code: 0,
        stdout: 'gateway.example.yaml is valid: 3 streams, robot, door, phone\n',
      });
      expect(JSON.parse((await run('check-config', '--schema')).stdout)).toMatchObject({ title: 'gateway.yaml' });
    });
  });

  it('serves pages and viewers over TLS', async () => {
    const { gateway, url } = await serve('--tls-cert', CERT_FILE, '--tls-key', KEY_FILE);
    await using _ = gateway;
    expect(url).toMatch(/^https:/);
    const { cert: ca } = readCertificate();
    const [response] = (await once(get(`${url}healthz`, { ca }), 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(200);
    await using viewer = await Viewer.connect(url, 'main', { ca });
    expect(await viewer.hello()).toMatchObject({ port: 6000 });
    expect(await viewer.next('frame')).toMatchObject({ width: 1280 });
  });

  it('serves other machines with a token, and requires it', async () => {
    const { gateway, url } = await serve('--host', '0.0.0.0', '--token', 'secret', '--source', 'push:');
    await using _ = gateway;
    const api = `${url.replace('0.0.0.0', '127.0.0.1')}api/streams/main`;
    expect((await fetch(api)).status).toBe(401);
    expect((await fetch(api, { headers: { authorization: 'Bearer secret' } })).status).toBe(200);
  });

  it('exits with 1 and one sentence if its port is taken', async () => {
    const { gateway, url } = await serve('--source', 'push:');
    await using _ = gateway;
    const { code, stderr } = await run('--source', 'push:', '--port', new URL(url).port);
    expect(stderr).toMatch(/^gearway: [^\n]+\n$/);
    expect(code).toBe(1);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 within 2 s of %s, regardless of its peers', async (signal) => {
    // Nothing is listening at the client's address; port 1 refuses.
    const { gateway, url } = await serve('--client', 'tcp://127.0.0.1:1');
    await using _ = gateway;
    const { hostname, port } = new URL(url);
    // A viewer that stops reading and never closes, and a silent connection.
    const viewer = new WebSocket(`ws://${hostname}:${port}/streams/main/ws`, 'gearway.v1');
    viewer.on('error', () => undefined);
    await once(viewer, 'open');
    viewer.send(encodeMessage({ type: 'hello' }));
    await once(viewer, 'message');
    viewer.pause();
    const silent = connect(Number(port), hostname);
    silent.on('error', () => undefined);
    await once(silent, 'connect');

    const from = performance.now();
    gateway.signal(signal);
    expect(await gateway.exited).toBe(0);
    expect(performance.now() - from).toBeLessThan(2000);
    viewer.terminate();
    silent.destroy();
  });
});
