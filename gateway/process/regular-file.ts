import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { GearwayError } from '../../shared/errors.ts';

/**
 * Reads a small file. Other kinds of files are refused: opening a pipe would wait for its writer and block the process,
 * and a device may have no end.
 *
 * @throws {GearwayError} `file-invalid` with a phrase if it is not a regular file, or is larger than the maximum; the
 *   error of the system if it cannot be read.
 */
export function readRegularFile(path: string, maxBytes: number): Buffer {
  // O_NONBLOCK, because opening a pipe would otherwise wait for its writer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new GearwayError('file-invalid', 'it is not a regular file');
    if (stat.size > maxBytes)
      throw new GearwayError('file-invalid', `it has ${stat.size} bytes, expected at most ${maxBytes}`);
    return readFileSync(file);
  } finally {
    closeSync(file);
  }
}
