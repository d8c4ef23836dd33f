import { chmodSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyFolder, writeKeyFile } from '../../../gateway/config/key-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gearway-key-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe('keyFolder', () => {
  it('is in the runtime directory of the session, or in the home directory', () => {
    expect(keyFolder({ XDG_RUNTIME_DIR: '/run/user/1000' })).toBe(join('/run/user/1000', 'gearway'));
    for (const runtime of [undefined, '', 'relative'])
      expect(keyFolder({ XDG_RUNTIME_DIR: runtime })).toBe(join(homedir(), '.gearway'));
  });
});

describe.skipIf(process.platform === 'win32')('writeKeyFile', () => {
  const mode = (path: string): number => statSync(path).mode & 0o777;

  it('writes a file readable only by this user, in a separate folder, and removes it', () => {
    const file = writeKeyFile(join(folder, 'a', 'b'), 8080, 'secret');
    expect(file.path).toBe(join(folder, 'a', 'b', '8080.key'));
    expect([readFileSync(file.path, 'utf8'), mode(file.path), mode(join(folder, 'a', 'b'))]).toEqual([
      'secret\n',
      0o600,
      0o700,
    ]);
    expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['8080.key']);
    file.remove();
    file.remove();
    expect(readdirSync(join(folder, 'a', 'b'))).toEqual([]);
  });

  it('replaces a file that others can read, and restricts a folder that others can enter', () => {
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, '8080.key'), 'old', { mode: 0o644 });
    const { path } = writeKeyFile(folder, 8080, 'secret');
    expect([readFileSync(path, 'utf8'), mode(path), mode(folder)]).toEqual(['secret\n', 0o600, 0o700]);
  });

  it('does not follow a link', () => {
    writeFileSync(join(folder, 'target'), 'kept');
    symlinkSync(join(folder, 'target'), join(folder, '8080.key'));
    writeKeyFile(folder, 8080, 'secret');
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('kept');
    const link = join(folder, 'link');
    symlinkSync(folder, link);
    expect(() => writeKeyFile(link, 8081, 'secret')).toThrow(/not a directory of this user/);
  });

  it('keeps the file of a gateway that started later', () => {
    const first = writeKeyFile(folder, 8080, 'first');
    const second = writeKeyFile(folder, 8080, 'second');
    first.remove();
    expect(readFileSync(second.path, 'utf8')).toBe('second\n');
    second.remove();
    expect(existsSync(second.path)).toBe(false);
  });

  it('throws if it cannot write, and leaves nothing', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => writeKeyFile(join(folder, 'file', 'gearway'), 8080, 'secret')).toThrow();
    expect(readdirSync(folder)).toEqual(['file']);
  });
});
