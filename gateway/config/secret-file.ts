import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { platform } from 'node:os';
import { systemErrorText } from '../../shared/system-errors.ts';

/** Maximum size of a file with secrets. */
const MAX_FILE_BYTES = 64 << 10;

/** Content of a file with secrets. */
export interface SecretFile {
  /** Without a single line break at its end. */
  readonly text: string;
  /** Whether every user of the machine can read the file. */
  readonly isPublic: boolean;
}

/**
 * Reads a file with secrets, which may be a pipe.
 *
 * @throws an error whose message is a phrase, without the path.
 */
export function readSecretFile(path: string): SecretFile {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    // One byte more than allowed, to detect larger files. A pipe is read in several pieces.
    const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.byteLength; length += count) count = readSync(descriptor, bytes, length, bytes.byteLength - length, null);
    if (length > MAX_FILE_BYTES) throw new RangeError(`it has more than ${MAX_FILE_BYTES} bytes`);
    const stat = fstatSync(descriptor);
    // Windows has no such file mode.
    return { text: bytes.toString('utf8', 0, length).replace(/\r?\n$/, ''), isPublic: platform() !== 'win32' && stat.isFile() && (stat.mode & 0o004) !== 0 };
  } catch (error) {
    throw new Error(systemErrorText(error), { cause: error });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
