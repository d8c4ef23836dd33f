import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/**
 * Creates a folder before each test of the file, and removes it afterwards. Its name contains characters that shells,
 * FFmpeg and URLs interpret.
 *
 * @param use called with its path before each test.
 */
export function folderPerTest(use: (path: string) => void): void {
  let path = '';
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'gearway "d\'ir" ü;-'));
    use(path);
  });
  afterEach(async () => {
    await rm(path, { recursive: true, force: true });
  });
}
