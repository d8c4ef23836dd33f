import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openReceiverKeys, openSenderKeys } from '../../../gateway/netgear/curve-keys.ts';
import { createKeys, hasKeys } from '../../../gateway/netgear/key-files.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-key-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const MODULE = new URL('../../../dist/gateway/netgear/curve-keys.js', import.meta.url).href;

/**
 * Loads the keys of a folder in another process, with the built code, which creates them if there are none.
 *
 * @param before commands that its shell runs first.
 */
async function load(keys: string, before = ''): Promise<{ readonly code: number | null; readonly output: string }> {
  const program = `const { openReceiverKeys, openSenderKeys } = await import(${JSON.stringify(MODULE)});
    try { console.log(JSON.stringify([openReceiverKeys(${JSON.stringify(keys)}), openSenderKeys(${JSON.stringify(keys)})])); }
    catch (error) { console.log(error.code + ' ' + error.message); process.exitCode = 3; }`;
  const child = spawn(
    'sh',
    ['-c', `${before} exec "$0" "$@"`, process.execPath, '--input-type=module', '-e', program],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, output: output.trim() };
}

/** All files below a folder. */
const files = (): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();

const ALL = [
  'private_keys/client.key_secret',
  'private_keys/server.key_secret',
  'public_keys/client.key',
  'public_keys/server.key',
];

describe('new keys', () => {
  it('are the same for all processes that create them concurrently', async () => {
    const loaded = await Promise.all(Array.from({ length: 6 }, () => load(folder)));
    expect(loaded.map(({ code }) => code)).toEqual(loaded.map(() => 0));
    expect(new Set(loaded.map(({ output }) => output)).size).toBe(1);
    expect(files()).toEqual(ALL);
    // The public file of each pair matches its secret one.
    const { publicKey, peerPublicKey } = openSenderKeys(folder);
    expect(readFileSync(join(folder, 'public_keys', 'client.key'), 'utf8')).toContain(publicKey);
    expect(openReceiverKeys(folder).publicKey).toBe(peerPublicKey);
  }, 60_000);

  // A limit for the size of files simulates a full disk at any byte.
  it.skipIf(process.platform === 'win32')(
    'leave no files behind when the disk is full',
    async () => {
      const { code, output } = await load(folder, "trap '' XFSZ; ulimit -f 0;");
      expect(code).toBe(3);
      expect(output).toContain('keys-missing');
      expect(output).toContain(folder);
      expect(output).toContain('keys=');
      expect(files()).toEqual([]);
      expect((await load(folder)).code).toBe(0);
    },
    60_000,
  );

  it('are refused with the path and a remedy if the folder cannot be created', () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    const below = join(file, 'keys');
    expect(() => openReceiverKeys(below)).toThrow(coded('keys-missing'));
    expect(() => openReceiverKeys(below)).toThrow(below);
    expect(() => openReceiverKeys(below)).toThrow('keys=');
  });

  it('replace the incomplete files of a process that ended while writing', () => {
    const left = join(folder, 'private_keys', '.server.key_secret.0123456789ab.tmp');
    mkdirSync(join(folder, 'private_keys'));
    writeFileSync(left, 'metadata\ncur');
    const longAgo = new Date(Date.now() - 3_600_000);
    utimesSync(left, longAgo, longAgo);
    expect(hasKeys(folder)).toBe(false);
    openReceiverKeys(folder);
    expect(files()).toEqual(ALL);
  });

  it.each([
    ['private_keys', 'client.key_secret'],
    ['public_keys', 'client.key'],
  ])('keep the old keys if %s/%s cannot be replaced', (...names) => {
    createKeys(folder);
    const before = openReceiverKeys(folder);
    const path = join(folder, ...names);
    rmSync(path);
    // A file cannot be renamed to a folder that is not empty.
    mkdirSync(join(path, 'x'), { recursive: true });
    expect(() => createKeys(folder)).toThrow(coded('keys-missing'));
    expect(openReceiverKeys(folder)).toEqual(before);
    expect(files().filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('an existing key file', () => {
  it.each([
    ['empty', ''],
    ['half', '# ZeroMQ CURVE certificate\n\nmetadata\ncurve\n    public-ke'],
  ])('that is %s is reported with a remedy', (_name, text) => {
    createKeys(folder);
    const path = join(folder, 'private_keys', 'server.key_secret');
    writeFileSync(path, text);
    expect(() => openReceiverKeys(folder)).toThrow(coded('keys-invalid'));
    expect(() => openReceiverKeys(folder)).toThrow(path);
  });
});
