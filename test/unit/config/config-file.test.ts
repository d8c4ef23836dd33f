import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MAX_CONFIG_BYTES, type ParsedConfig, parseConfig } from '../../../gateway/config/config-file.ts';
import { formatProblem } from '../../../gateway/config/problem.ts';
import { formats } from '../../helpers/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'gearway-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'secret'), 'hush hush\n');

const parse = async (text: string | Uint8Array, variables: Record<string, string> = {}): Promise<ParsedConfig> =>
  parseConfig(typeof text === 'string' ? Buffer.from(text) : text, formats, { variables, folder });

/** The problems of a file, as they are printed. */
const problems = async (text: string | Uint8Array, variables?: Record<string, string>): Promise<string[]> =>
  (await parse(text, variables)).problems.map((problem) => formatProblem('f', problem));

describe('parseConfig', () => {
  it('reads every kind of value', async () => {
    const { config, problems: found } = await parse(`
streams:
  door:
    source: "push:"
    clients: [tcp://127.0.0.1:5567]
    virtualPorts: 6000
  yard: {source: 'test-pattern:?size=320x240', start: all}
port: 0
insecure: true
tls: {cert: a.pem, key: b.pem}
reservedPorts: {6000: "1"}
limits: {viewers: {total: 8}}
`);
    expect(found).toEqual([]);
    expect(config).toEqual({
      streams: {
        door: { source: 'push:', clients: ['tcp://127.0.0.1:5567'], virtualPorts: '6000' },
        yard: { source: 'test-pattern:?size=320x240', start: 'all' },
      },
      port: 0,
      insecure: true,
      tls: { cert: 'a.pem', key: 'b.pem' },
      reservedPorts: { 6000: '1' },
      limits: { viewers: { total: 8 } },
    });
  });

  it.each(['', '# nothing yet\n', '{}', '---\n', '\u{feff}port: 80\r\n'])('accepts %j', async (text) => {
    expect(await problems(text)).toEqual([]);
  });

  it.each<[string, string, string]>([
    [
      'a misspelled key of a stream',
      'streams:\n  door:\n    sorce: "push:"\n',
      'f:3:5: streams.door has the unknown key "sorce"; did you mean source?',
    ],
    [
      'a name in the source of a stream',
      'streams:\n  a:\n    source: door=test-pattern:?fps=5\n',
      'f:3:13: streams.a.source: the source names a stream, expected an address only, because it already belongs to one',
    ],
    [
      'an address with a port',
      'host: 0.0.0.0:8080\n',
      'f:1:7: host: host is "0.0.0.0:8080", expected an IP address or a name, without a port; did you mean 0.0.0.0, and port 8080?',
    ],
    [
      'a URL as address',
      'host: http://box.lan\n',
      'f:1:7: host: host is "http://box.lan", expected an IP address or a name, without a port; did you mean box.lan?',
    ],
    [
      'a star as address',
      'host: "*"\n',
      'f:1:7: host: host is "*", expected an IP address or a name, without a port; 0.0.0.0 stands for all addresses',
    ],
    [
      'a number in quotes',
      'port: "80"\n',
      'f:1:7: port is "80", expected a whole number from 0 to 65535; write it without quotes',
    ],
    [
      'no space after a colon',
      'port:8080\n',
      'f:1:1: the file is "port:8080", expected a map of keys, indented below it; write a space after the colon',
    ],
    [
      'a backslash in double quotes',
      'auditLog: "C:\\new"\n',
      'f:1:11: auditLog: the path has a control character; write it in single quotes or without quotes, because in double quotes \\ has another meaning',
    ],
    [
      'a source in place of a stream',
      'streams:\n  a: rtsp://cam/\n',
      'f:2:6: streams.a is "rtsp://cam/", expected a map of keys, indented below it, with source',
    ],
    ['a misspelled option', 'prot: 8080\n', 'f:1:1: the file has the unknown key "prot"; did you mean port?'],
    ["a flag's name", 'on-close: keep\n', 'f:1:1: the file has the unknown key "on-close"; did you mean onClose?'],
    [
      'a flag with another name',
      'tls:\n  cert: a\n  key: b\nreserve: {}\n',
      'f:4:1: the file has the unknown key "reserve"; did you mean reservedPorts?',
    ],
    [
      'a key of a stream at the top',
      'source: a\n',
      'f:1:1: the file has the unknown key "source"; it belongs to a stream: streams.NAME.source',
    ],
    [
      'a top-level key in a stream',
      'streams:\n  a:\n    source: "push:"\n    trustProxies: []\n',
      'f:4:5: streams.a has the unknown key "trustProxies"; it belongs to the top level of the file, without indentation',
    ],
    [
      'a key that resembles no other',
      'limits:\n  xylophones: 1\n',
      'f:2:3: limits has the unknown key "xylophones"; expected one of viewers, publishers, mjpegClients, eventFollowers, snapshots',
    ],
    [
      'a stream without its source',
      'port: 1\nstreams:\n  door:\n    start: any\n',
      'f:3:3: streams.door has no source, which is required',
    ],
    ['a wrong word', 'idle: crad\n', 'f:1:7: idle is "crad", expected card or silence; did you mean card?'],
    ['a number that is too large', 'port: 65536\n', 'f:1:7: port is "65536", expected a whole number from 0 to 65535'],
    ['a yes', 'insecure: yes\n', 'f:1:11: insecure is "yes", expected true or false'],
    ['a number instead of a text', 'host: 1\n', 'f:1:7: host is "1", expected text; write it in quotes'],
    ['a number instead of a token', 'token: 0815\n', 'f:1:8: token is not text, expected text; write it in quotes'],
    [
      'a text instead of a list',
      'allowHosts: box.lan\n',
      'f:1:13: allowHosts is "box.lan", expected a list, each entry on its own line after "- "',
    ],
    ['a list instead of a text', 'host:\n  - a\n', 'f:2:3: host is a list, expected text'],
    ['a map instead of a text', 'host:\n  a: b\n', 'f:2:3: host is a map of keys, expected text'],
    ['no value', 'streams:\n', 'f:1:1: streams has no value, expected a map of keys, indented below it'],
    ['a null', 'host: ~\n', 'f:1:7: host is "~", expected text; write it in quotes'],
    [
      'a name with a space',
      'streams:\n  "front door": {source: "push:"}\n',
      'f:2:3: the key "front door" in streams is invalid, expected 1 to 64 letters, digits, - and _',
    ],
    ['a key twice', 'port: 1\nhost: a\nport: 2\n', 'f:3:1: the key "port" occurs twice in the file, first in line 1'],
    ['a list at the top', '- port: 80\n', 'f:1:1: the file is a list, expected a map of keys, indented below it'],
    ['text at the top', 'gateway\n', 'f:1:1: the file is "gateway", expected a map of keys, indented below it'],
    [
      'a colon at the end of a text',
      'streams:\n  a:\n    source: push:\n',
      'f:3:13: there are two values in one line; write text that ends with ":" or contains ": " in quotes, such as "push:"',
    ],
    ['a tab', 'streams:\n\ta:\n', 'f:2:1: there is a tab in the indentation, expected spaces'],
    ['a quote that does not end', 'host: "a\n', 'f:2:1: a quote, bracket or colon is missing'],
    ['two documents', 'port: 1\n---\nport: 2\n', 'f:2:1: there is a second document (---), expected one'],
    [
      'an unknown tag',
      'host: !!js/function a\n',
      'f:1:7: there is an unknown tag (!name); write text that begins with ! in quotes',
    ],
    [
      'an alias without its anchor',
      'allowHosts: [*a]\n',
      'f:1:14: aliases (*name) are not supported; write the value itself, or text that begins with * in quotes',
    ],
    [
      'an unknown source',
      'streams: {a: {source: "ftp://camera"}}\n',
      'f:1:23: streams.a.source: source is "ftp://camera", expected one of test-pattern: ffmpeg:camera mjpeg:http://HOST/PATH directory:FOLDER image:FILE netgear:tcp://HOST:PORT?pattern=1 netgear-async:tcp://HOST:PORT imagezmq:tcp://0.0.0.0:5555 push:',
    ],
    [
      'a variable that is not set',
      'host: ${NOTHING}\n',
      'f:1:7: host: the environment variable NOTHING is not set; set it, or write ${NOTHING:-DEFAULT}',
    ],
    [
      'a reference without an end',
      'host: ${NOTHING\n',
      'f:1:7: host: a reference has no end, expected ${NAME}; write $${ for the characters themselves',
    ],
    [
      'a missing secret file',
      'token: file:nothing\n',
      'f:1:8: token: nothing cannot be read: there is no such file or folder',
    ],
    [
      'a credential without systemd',
      'token: credential:a\n',
      'f:1:8: token: the credential a cannot be read because CREDENTIALS_DIRECTORY is not set; systemd sets it for services with LoadCredential=a:FILE; elsewhere, set it to the folder of these files',
    ],
    [
      'an origin with a path',
      'allowOrigins:\n  - https://example.org/a\n',
      'f:2:5: allowOrigins.0: allow-origin is "https://example.org/a", expected an origin such as https://example.org, without a path',
    ],
    [
      'a client with a name in a stream',
      'streams: {a: {source: "push:", clients: ["a=tcp://127.0.0.1:5567"]}}\n',
      'f:1:42: streams.a.clients.0: the client names a stream, expected an address only, because it already belongs to one',
    ],
  ])('reports %s', async (_what, text, message) => {
    expect(await problems(text)).toEqual([message]);
  });

  it('reports all problems, in order, and a required key that is misspelled once', async () => {
    expect(
      (await problems('streams:\n  a:\n    sorce: "push:"\nport: x\n')).map((line) => line.split(': ')[0]),
    ).toEqual(['f:3:5', 'f:4:7']);
    expect(await problems(Array.from({ length: 200 }, (_, index) => `qqq${index}: 1`).join('\n'))).toHaveLength(50);
  });

  it.each<[string, string | Uint8Array, RegExp]>([
    ['more than 256 KiB', '#'.repeat(MAX_CONFIG_BYTES + 1), /^f: the file has more than 256 KiB/],
    ['a NUL', 'port: 1\n\0', /^f:2:1: there is a NUL character/],
    ['UTF-16', Buffer.from('\u{feff}port: 1', 'utf16le'), /^f: the file is UTF-16/],
    ['no UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xff]), /^f: the file is not UTF-8/],
    [
      'an alias bomb',
      [
        'allowHosts: &a [x,x,x]',
        ...'bcdefghij'
          .split('')
          .map((name, index) => `allowHosts: &${name} [${Array(9).fill(`*${'abcdefghi'[index]}`).join(',')}]`),
      ].join('\n'),
      /^f:2:17: aliases .* are not supported/,
    ],
    [
      'twenty thousand aliases',
      `allowHosts: &a [b.lan]\nallowOrigins: [${Array(20_000).fill('*a').join(',')}]`,
      /aliases .* are not supported/,
    ],
    ['an alias that contains itself', 'allowHosts: &a [*a]\n', /aliases .* are not supported/],
    ['lists nested a hundred thousand deep', `host: ${'['.repeat(100_000)}`, /nested more than 32 deep/],
    ['entries nested a hundred thousand deep', '- '.repeat(100_000), /nested more than 32 deep/],
    [
      'ten thousand keys',
      `allowHosts: {${Array.from({ length: 10_000 }, (_, index) => `a${index}: 1`).join(',')}}`,
      /^f:1:\d+: the file has too many values/,
    ],
  ])('refuses %s quickly', async (_what, text, message) => {
    const fromMs = performance.now();
    expect((await problems(text))[0]).toMatch(message);
    expect(performance.now() - fromMs).toBeLessThan(10_000);
  });

  it('replaces references in texts, and in numbers and booleans that consist of one', async () => {
    const variables = { CAMERA: 'cam 1', PORT: '9000', YES: 'true', EMPTY: '', CREDENTIALS_DIRECTORY: folder };
    const { config, problems: found } = await parse(
      'auditLog: "${CAMERA}-${NOT_SET:-x}-$${a}-${EMPTY}-${EMPTY:-e}-${file:secret}"\nport: ${PORT}\ninsecure: ${YES}\n',
      variables,
    );
    expect(found).toEqual([]);
    expect(config).toEqual({ auditLog: 'cam 1-x-${a}--e-hush hush', port: 9000, insecure: true });
    writeFileSync(join(folder, 'token'), 'abc\n');
    expect(
      (await parse('token: credential:token\nviewToken: file:token\npublishToken: x${file:token}\n', variables)).config,
    ).toEqual({ token: 'abc', viewToken: 'abc', publishToken: 'xabc' });
  });

  it('does not let a reference change the structure', async () => {
    expect((await parse('jwt:\n  issuer: ${A}\n', { A: 'x\ninsecure: true' })).config).toEqual({
      jwt: { issuer: 'x\ninsecure: true' },
    });
  });

  it('never quotes a secret', async () => {
    const found = [
      ...(await problems('token: file:secret\nviewToken: hush hush\nport: ${A}\nidle: ${A}\n', { A: 'hush' })),
      ...(await problems(
        'streams: {a: {source: "ffmpeg:rtsp://user:hush-hush@cam?fps=x"}}\nreservedPorts: {6000: hush hush}\n',
      )),
      ...(await problems('token: 12345\n')),
    ];
    expect(found).toHaveLength(7);
    for (const line of found) expect(line).not.toMatch(/hush|12345/);
  });

  it.each([
    ['the value of a stream', 'streams:\n  door: ffmpeg:rtsp://user:hush@host/\n'],
    ['the name of a stream', 'streams:\n  ? ffmpeg:rtsp://user:hush@host/\n  : source\n'],
    ['a key', 'mjpeg:http://user:hush@host/?a: 1\n'],
    ['a word', 'idle: ffmpeg:rtsp://user:hush@host/\n'],
    ['a number', 'port: http://host/?token=hush\n'],
    ['the public address', 'publicUrl: https://user:hush@host/\n'],
  ])('hides the password of an address that is %s', async (_what, text) => {
    const [message = '', ...more] = await problems(text);
    expect(more).toEqual([]);
    expect(message).toContain('host/');
    expect(message).toContain('…');
    expect(message).not.toContain('hush');
  });

  it('detects whether the file contains a secret', async () => {
    expect((await parse('token: abc\n')).hasSecrets).toBe(true);
    expect((await parse('token: file:secret\nviewToken: ${A}\nport: 80\n', { A: 'a' })).hasSecrets).toBe(false);
  });

  it('locates options', async () => {
    const { locate } = await parse(
      'port: 1\nstreams:\n  a:\n    source: "push:"\n    clients:\n      - tcp://127.0.0.1:1\n',
    );
    expect(locate(['streams', 'a', 'source'])).toEqual({ line: 4, column: 5 });
    expect(locate(['streams', 'a', 'clients', '0'])).toEqual({ line: 6, column: 9 });
    expect(locate(['streams', 'a', 'nothing'])).toEqual({ line: 3, column: 3 });
    expect(locate(['nothing'])).toEqual({ line: 1, column: 1 });
  });
});
