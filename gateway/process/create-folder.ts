import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { GearwayError } from '../../shared/errors.ts';
import { systemErrorCode } from '../../shared/system-errors.ts';

/**
 * Creates a folder and those above it, for this user only, unless they exist. Node's recursive `mkdir` must not be used:
 * where no folder can be created, as in `/proc`, it never returns.
 *
 * @throws {GearwayError} `folder-missing` if there is a file in its place, or no folder can be created there; the error
 *   of the system otherwise.
 */
export function createFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) return;
    if (stat !== undefined) throw new GearwayError('folder-missing', `${path} is a file, expected a folder`);
    const parent = dirname(path);
    if (systemErrorCode(error) !== 'ENOENT' || parent === path) throw error;
    if (statSync(parent, { throwIfNoEntry: false })?.isDirectory() === true)
      throw new GearwayError('folder-missing', `${path} cannot be created: the system allows no folders in ${parent}`, {
        cause: error,
      });
    createFolder(parent);
    createFolder(path);
  }
}
