import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRegularFile } from '../../../gateway/process/regular-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-file-'));
  path = join(folder, 'file');
});
afterEach(() => rmSync(folder, { recursive: true }));

const refusal = (message: string): Error => expect.objectContaining({ code: 'file-invalid', message }) as Error;

describe('readRegularFile', () => {
  it('reads files up to the maximum', () => {
    writeFileSync(path, '1234');
    expect(readRegularFile(path, 4).toString()).toBe('1234');
    expect(() => readRegularFile(path, 3)).toThrow(refusal('it has 4 bytes, expected at most 3'));
  });

  it('throws the error of the system for a file that does not exist', () => {
    expect(() => readRegularFile(path, 4)).toThrow(expect.objectContaining({ code: 'ENOENT' }) as Error);
  });

  it.skipIf(process.platform === 'win32')('refuses folders, devices and pipes, without waiting', () => {
    spawnSync('mkfifo', [path]);
    for (const other of [path, folder, '/dev/zero'])
      expect(() => readRegularFile(other, 4)).toThrow(refusal('it is not a regular file'));
  });
});
