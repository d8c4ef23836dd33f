import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { platform } from 'node:os';
import { systemErrorText } from '../../shared/system-errors.ts';

/** Maximum size of a file with secrets. */
const MAX_FILE_BYTES = 64 << 10;

/** Content of a file with secrets. */
interface SecretFile {
  /** Content, without a single line break at its end. */
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
  try {
    const { bytes, isPublic } = readBeginning(path, MAX_FILE_BYTES + 1);
    if (bytes.byteLength > MAX_FILE_BYTES) throw new RangeError(`it has more than ${MAX_FILE_BYTES} bytes`);
    return { text: bytes.toString('utf8').replace(/\r?\n$/, ''), isPublic };
  } catch (error) {
    throw new Error(systemErrorText(error), { cause: error });
  }
}

/** Reads at most `maxBytes` of a file. A pipe is read in several pieces. */
export function readBeginning(path: string, maxBytes: number): { readonly bytes: Buffer; readonly isPublic: boolean } {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(maxBytes);
    let length = 0;
    for (let count = -1; count !== 0 && length < maxBytes; length += count)
      count = readSync(descriptor, bytes, length, maxBytes - length, null);
    const stat = fstatSync(descriptor);
    // Windows has no file modes.
    return {
      bytes: bytes.subarray(0, length),
      isPublic: platform() !== 'win32' && stat.isFile() && (stat.mode & 0o004) !== 0,
    };
  } finally {
    closeSync(descriptor);
  }
}
