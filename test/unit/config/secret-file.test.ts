import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readBeginning, readSecretFile } from '../../../gateway/config/secret-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-secret-'));
  path = join(folder, 'secret');
});
afterEach(() => rmSync(folder, { recursive: true }));

const makePipe = (): void => {
  execFileSync('mkfifo', [path]);
};

describe('readSecretFile', () => {
  it('reads a file without its last line break', async () => {
    writeFileSync(path, 'a\nb\r\n', { mode: 0o600 });
    expect(await readSecretFile(path)).toEqual({ text: 'a\nb', isPublic: false });
  });

  it.each<[string, () => unknown, RegExp]>([
    ['a missing file', () => undefined, /^there is no such file or folder$/],
    ['a folder', () => (path = folder), /^it is a folder, expected a file$/],
    ['a file in a file', () => writeFileSync(path, '') ?? (path = join(path, 'x')), /^a part of the path is a file/],
    ['a device without an end', () => (path = '/dev/zero'), /^it has more than 65536 bytes$/],
    ['a huge file', () => writeFileSync(path, '') ?? truncateSync(path, 2 ** 40), /^it has more than 65536 bytes$/],
  ])('refuses %s', async (_what, create, message) => {
    create();
    await expect(readSecretFile(path)).rejects.toThrow(message);
  });

  it('refuses a socket', async () => {
    const server = createServer().listen(path);
    await once(server, 'listening');
    await expect(readSecretFile(path)).rejects.toThrow(/^it is a pipe or socket/);
    server.close();
  });
});

describe.skipIf(process.platform === 'win32')('readBeginning of a pipe', () => {
  it('waits for its writer, and reads until the writer closes it', async () => {
    makePipe();
    const reading = readBeginning(path, 100);
    const writer = await open(path, 'w');
    await writer.write('se');
    await new Promise((resolve) => setTimeout(resolve, 30));
    await writer.write('cret');
    await writer.close();
    expect((await reading).bytes.toString()).toBe('secret');
  });

  it('reads a writer that opened it before', async () => {
    makePipe();
    const writing = writeFile(path, 'secret');
    expect((await readBeginning(path, 100)).bytes.toString()).toBe('secret');
    await writing;
  });

  it('fails after a timeout if nothing is written, or the writer never closes the pipe', async () => {
    makePipe();
    await expect(readBeginning(path, 100, 30)).rejects.toThrow(/^it is a pipe whose content was not complete within/);
    const reader = await open(path, 'r+');
    await reader.write('half a secret');
    await expect(readBeginning(path, 100, 30)).rejects.toThrow(/^it is a pipe/);
    await reader.close();
  });
});
