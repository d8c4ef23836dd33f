import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type GivenOptions, readFlags, readVariables } from '../../../gateway/config/flags.ts';
import type { GatewayOptions } from '../../../gateway/config/gateway-options.ts';
import { type LoadedOptions, loadOptions } from '../../../gateway/config/load-config.ts';
import { ConfigError } from '../../../gateway/config/problem.ts';
import { checkOptions, formats } from '../../helpers/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'gearway-load-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text: string, mode = 0o600): string {
  files += 1;
  const path = join(folder, `gateway-${files}.yaml`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

const load = (path: string | null, ...given: GivenOptions[]): Promise<LoadedOptions> =>
  loadOptions(path, { formats, variables: {}, given, check: checkOptions });
const options = async (text: string, ...given: GivenOptions[]): Promise<GatewayOptions> =>
  (await load(file(text), ...given)).options;

/** A hash as `gearway token` prints it. */
const HASH = `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

const STREAMS = 'streams:\n  door: {source: "push:", virtualPorts: 7000}\n  yard: {source: "push:"}\n';

describe('loadOptions', () => {
  it('shows the test pattern without any stream', async () => {
    expect(await load(null)).toEqual({ options: { source: 'test-pattern:' }, files: [], isEmpty: false, warnings: [] });
    expect(await options('port: 1\n')).toEqual({ source: 'test-pattern:', port: 1 });
  });

  it('lets later options override earlier ones, and both override the file', async () => {
    expect(await options('port: 1\nhost: localhost\nidle: silence\n', { port: 2, host: '::1' }, { port: 3 })).toEqual({
      source: 'test-pattern:',
      port: 3,
      host: '::1',
      idle: 'silence',
    });
  });

  it('replaces the streams with sources, and adds clients and ports to them', async () => {
    expect(await options(STREAMS, { source: ['test-pattern:'] })).toEqual({ source: ['test-pattern:'] });
    expect(
      await options(
        `${STREAMS}virtualPorts: 6000-6001\n`,
        { clients: ['yard=tcp://127.0.0.1:1'] },
        { clients: ['tcp://127.0.0.1:2'], virtualPorts: ['door=9000'] },
      ),
    ).toEqual({
      streams: { door: { source: 'push:' }, yard: { source: 'push:' } },
      clients: ['yard=tcp://127.0.0.1:1', 'tcp://127.0.0.1:2'],
      virtualPorts: ['6000-6001', 'door=9000'],
    });
    expect(await options('virtualPorts: 6000-6001\n', { virtualPorts: ['8000'] })).toMatchObject({
      virtualPorts: ['8000'],
    });
  });

  it('reads bit rates, and renditions per stream', async () => {
    expect(
      await options(
        'viewerMaxBitrate: 500k\nstreams:\n  a: {source: "push:", renditions: off}\n',
        { renditions: ['a=auto'] },
        { viewerMaxBitrate: '4M' },
      ),
    ).toEqual({ viewerMaxBitrate: 4e6, renditions: ['a=auto'], streams: { a: { source: 'push:' } } });
    await expect(options('viewerMaxBitrate: fast\n')).rejects.toMatchObject({
      code: 'config-invalid',
      problems: [{ line: 1, column: 19 }],
    });
    await expect(options('viewerMaxBitrate: 1\n')).rejects.toMatchObject({
      code: 'config-invalid',
      problems: [{ line: 1, column: 1 }],
    });
    await expect(load(null, { viewerMaxBitrate: 'fast' })).rejects.toMatchObject({ code: 'option-invalid' });
  });

  it('reads certificates relative to the file', async () => {
    writeFileSync(join(folder, 'cert.pem'), 'no certificate');
    const problem = await load(file('tls: {cert: cert.pem, key: nothing.pem}\n')).catch((error: unknown) => error);
    expect(problem).toMatchObject({ code: 'config-invalid', problems: [{ line: 1, column: 23 }] });
  });

  it.each<[string, string, number, number]>([
    ['a host without a token', 'port: 80\nhost: 0.0.0.0\n', 2, 1],
    ['a view token without a token', 'viewToken: a\n', 1, 1],
    ['a port that is reserved outside the virtual ports', 'reservedPorts:\n  6000: a\n  7: b\n', 3, 3],
    [
      'ports for a server that has its own ports',
      'streams:\n  a:\n    source: "netgear:tcp://127.0.0.1:5567,5577?multiclient=true"\n    virtualPorts: 6000\n',
      4,
      5,
    ],
    [
      'a client of a stream that the source names',
      'streams:\n  a:\n    source: "netgear:tcp://127.0.0.1:5566,5577?multiserver=true"\n    clients:\n      - tcp://127.0.0.1:1\n',
      4,
      5,
    ],
    [
      'two clients with one port',
      'streams:\n  a:\n    source: "push:"\n    clients:\n      - tcp://10.0.0.1:5567\n      - tcp://10.0.0.2:5567\n',
      6,
      9,
    ],
    [
      'a client with the port of another one elsewhere',
      'clients: [a=tcp://10.0.0.1:5567]\nstreams:\n  a:\n    source: "push:"\n    clients: [tcp://10.0.0.2:1?id=5567]\n',
      5,
      15,
    ],
    [
      'a client of an unknown stream',
      'clients:\n  - tcp://10.0.0.1:1\n  - b=tcp://10.0.0.1:2\nstreams:\n  a: {source: "push:"}\n',
      3,
      5,
    ],
    [
      'failover of an unknown stream',
      'streams:\n  a: {source: "push:"}\ncluster: nats://127.0.0.1\nfailover: [a, b]\n',
      4,
      15,
    ],
    [
      'two sources that listen at one address',
      'streams:\n  a: {source: "netgear:tcp://127.0.0.1:5555"}\n  b:\n    source: netgear:tcp://127.0.0.1:5555\n',
      4,
      5,
    ],
    [
      'two tokens with one hash',
      `tokens:\n  s:\n    hash: ${HASH}\n    rights: [view]\n  t:\n    rights: [view]\n    hash: ${HASH}\n`,
      7,
      5,
    ],
    ['two equal tokens', 'streams:\n  a: {source: "push:"}\ntoken: x\npublishToken: x\n', 4, 1],
    [
      'a port that a token reserves and a native client has',
      `streams:\n  a: {source: "push:", clients: [tcp://10.0.0.1:6001]}\ntokens:\n  t:\n    hash: ${HASH}\n    rights: [view, return]\n    port: 6001\n`,
      7,
      5,
    ],
    [
      'one stream under two names',
      'port: 1\nstreams:\n  a-1: {source: "push:"}\n  a: {source: "netgear:tcp://127.0.0.1:1,2?multiserver=true"}\n',
      4,
      7,
    ],
  ])('locates %s', async (_what, text, line, column) => {
    const path = file(text);
    const error = await load(path).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({ code: 'config-invalid', problems: [{ line, column }] });
    expect((error as Error).message.startsWith(`${path}:${line}:${column}: `)).toBe(true);
  });

  it('warns of streams that do not exist', async () => {
    const text = `${STREAMS}webhooks:\n  ops: {url: "http://127.0.0.1:1/", streams: [gate]}\ntokens:\n  t: {hash: "${HASH}", rights: [view], streams: [door, dor]}\n`;
    expect((await load(file(text))).warnings).toEqual([
      'tokens.t.streams has dor, which is not a stream at present; did you mean door?',
      'webhooks.ops.streams has gate, which is not a stream at present',
    ]);
    expect((await load(file(`${text}cluster: nats://127.0.0.1\n`))).warnings).toEqual([]);
  });

  it('does not attribute other options to the file', async () => {
    await expect(load(file('port: 80\n'), { host: '0.0.0.0' })).rejects.toMatchObject({
      name: 'GearwayError',
      code: 'option-invalid',
    });
    await expect(load(null, { tls: { cert: 'a' } })).rejects.toMatchObject({ code: 'option-invalid' });
  });

  it.each([
    ['a missing file', () => join(folder, 'nothing.yaml')],
    ['a folder', () => folder],
  ])('refuses %s', async (_what, path) => {
    await expect(load(path())).rejects.toMatchObject({ code: 'config-invalid', problems: [{ line: null }] });
  });

  it.skipIf(process.platform === 'win32')('warns of secrets in a file that everyone can read', async () => {
    expect((await load(file('token: abc\n', 0o644))).warnings).toEqual([expect.stringContaining('chmod 600')]);
    expect((await load(file('token: abc\n', 0o640))).warnings).toEqual([]);
    expect((await load(file('token: ${X:-abc}\n', 0o644))).warnings).toEqual([]);
  });
});

describe('readVariables', () => {
  it('reads every kind of option', () => {
    const { given, warnings } = readVariables({
      GEARWAY_SOURCE: 'a=ffmpeg:camera:HD Pro\nb=push:',
      GEARWAY_CLIENT: 'a=tcp://127.0.0.1:1  tcp://127.0.0.1:2',
      GEARWAY_PORT: '0',
      GEARWAY_INSECURE: 'true',
      GEARWAY_START: 'all',
      GEARWAY_VIRTUAL_PORTS: '6000 b=7000',
      GEARWAY_TLS_CERT: 'c',
      GEARWAY_TLS_KEY: 'k',
      GEARWAY_HOST: '',
      GEARWAY_TOKEN: 'read elsewhere',
      PATH: '/bin',
    });
    expect(given).toEqual({
      source: ['a=ffmpeg:camera:HD Pro', 'b=push:'],
      clients: ['a=tcp://127.0.0.1:1', 'tcp://127.0.0.1:2'],
      port: 0,
      insecure: true,
      start: 'all',
      virtualPorts: ['6000', 'b=7000'],
      tls: { cert: 'c', key: 'k' },
    });
    expect(warnings).toEqual([]);
  });

  it.each([
    { GEARWAY_PORT: 'http' },
    { GEARWAY_PORT: '65536' },
    { GEARWAY_INSECURE: 'yes' },
    { GEARWAY_IDLE: 'blank' },
  ])('refuses %j', (variables) => {
    expect(() => readVariables(variables)).toThrow(expect.objectContaining({ code: 'option-invalid' }));
  });

  it('ignores the link to a service named gearway, and reports misspelled variables', () => {
    const { given, warnings } = readVariables({
      GEARWAY_PORT: 'tcp://10.0.0.1:8080',
      GEARWAY_PORT_8080_TCP_ADDR: '10.0.0.1',
      GEARWAY_TOKENN: 'a',
      GEARWAY_CAMERAS: '3',
    });
    expect(given).toEqual({});
    expect(warnings).toEqual([
      expect.stringContaining('GEARWAY_PORT'),
      expect.stringContaining('did you mean GEARWAY_TOKEN?'),
    ]);
  });
});

describe('readFlags', () => {
  it('omits options that are not given, and secrets', () => {
    expect(readFlags({})).toEqual({});
    expect(
      readFlags({ token: 'a', reserve: ['6000=a'], source: ['push:'], 'tls-cert': 'c', insecure: true, port: '7' }),
    ).toEqual({ source: ['push:'], tls: { cert: 'c' }, insecure: true, port: 7 });
    for (const port of ['', '-1', '1.5', '65536', '0x10'])
      expect(() => readFlags({ port })).toThrow(expect.objectContaining({ code: 'option-invalid' }));
  });
});
