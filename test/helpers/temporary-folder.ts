import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Global set-up of a run: all temporary files of tests, browsers and peers are created in a folder of this run, which
 * is removed at the end, even if a process was killed before it could clean up. The first Vitest project creates the
 * folder. Its name is short, because the path of a Unix socket has at most 104 bytes on macOS.
 */
export function setup(): (() => void) | undefined {
  if (process.env['GEARWAY_TEST_FOLDER'] !== undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'gw-'));
  process.env['GEARWAY_TEST_FOLDER'] = folder;
  process.env['TMPDIR'] = folder;
  return () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
