import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFolder } from '../../../gateway/process/create-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const refusal = (message: RegExp): Error =>
  expect.objectContaining({ code: 'folder-missing', message: expect.stringMatching(message) as string }) as Error;

describe('createFolder', () => {
  it('creates a folder and those above it, for this user only', () => {
    createFolder(join(folder, 'a', 'b', 'c'));
    for (const path of ['a', 'a/b', 'a/b/c']) expect(statSync(join(folder, path)).mode & 0o777).toBe(0o700);
  });

  it('does not change a folder that exists, even behind a link', () => {
    mkdirSync(join(folder, 'a'), { mode: 0o750 });
    symlinkSync('a', join(folder, 'link'));
    createFolder(join(folder, 'a'));
    createFolder(join(folder, 'link'));
    createFolder('.');
    createFolder('/');
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o750);
  });

  it('refuses a file in place of the folder, or of one above it', () => {
    writeFileSync(join(folder, 'a'), '');
    expect(() => createFolder(join(folder, 'a'))).toThrow(refusal(/is a file, expected a folder$/));
    expect(() => createFolder(join(folder, 'a', 'b'))).toThrow(expect.objectContaining({ code: 'ENOTDIR' }) as Error);
  });

  it('refuses a link that leads nowhere', () => {
    symlinkSync('nowhere', join(folder, 'link'));
    expect(() => createFolder(join(folder, 'link', 'a'))).toThrow(/link/);
  });

  // There, Node's recursive `mkdir` never returns.
  it.skipIf(!existsSync('/proc/self'))('refuses a folder where none can be created', () => {
    expect(() => createFolder('/proc/gearway')).toThrow(
      refusal(/^\/proc\/gearway cannot be created: the system allows no folders in \/proc$/),
    );
    expect(() => createFolder('/proc/gearway/a/b')).toThrow(
      refusal(/^\/proc\/gearway cannot be created: the system allows no folders in \/proc$/),
    );
  });
});
