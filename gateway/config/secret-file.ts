import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemErrorText } from '../../shared/system-errors.ts';

/** Maximum size of a file with secrets. */
const MAX_FILE_BYTES = 64 << 10;

/** Maximum time until a pipe has been read, and the interval at which it is polled. */
const PIPE_TIMEOUT_MS = 5000;
const PIPE_INTERVAL_MS = 10;

/** Content of a file with secrets. */
interface SecretFile {
  /** Content, without a single line break at its end. */
  readonly text: string;
  /** Whether every user of the machine can read the file. */
  readonly isPublic: boolean;
}

/** The beginning of a file. */
interface Beginning {
  readonly bytes: Buffer;
  /** Whether every user of the machine can read the file. */
  readonly isPublic: boolean;
}

/**
 * Reads a file with secrets, which may be a pipe.
 *
 * @throws an error whose message is a phrase, without the path.
 */
export async function readSecretFile(path: string): Promise<SecretFile> {
  const { text, isPublic } = await readTextFile(path, MAX_FILE_BYTES);
  return { text: text.replace(/\r?\n$/, ''), isPublic };
}

/**
 * Reads a whole text file, which may be a pipe.
 *
 * @throws an error whose message is a phrase, without the path.
 */
export async function readTextFile(
  path: string,
  maxBytes: number,
): Promise<{ readonly text: string; readonly isPublic: boolean }> {
  try {
    const { bytes, isPublic } = await readBeginning(path, maxBytes + 1);
    if (bytes.byteLength > maxBytes) throw new RangeError(`it has more than ${maxBytes} bytes`);
    return { text: bytes.toString('utf8'), isPublic };
  } catch (error) {
    throw new Error(systemErrorText(error), { cause: error });
  }
}

/**
 * Reads at most `maxBytes` of a file. The writer of a pipe may open it later, and write in several pieces, within
 * `timeoutMs`.
 *
 * @throws the error of the system, or one whose message is a phrase.
 */
export async function readBeginning(
  path: string,
  maxBytes: number,
  timeoutMs: number = PIPE_TIMEOUT_MS,
): Promise<Beginning> {
  // O_NONBLOCK, because a pipe or a terminal without a writer would otherwise block a thread forever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = await file.stat();
    const untilMs = performance.now() + timeoutMs;
    const bytes = Buffer.alloc(maxBytes);
    let length = 0;
    while (length < maxBytes) {
      const count = await readSome(file, bytes.subarray(length));
      if (count === 0 && (length > 0 || !stat.isFIFO())) break;
      length += count ?? 0;
      if ((count ?? 0) > 0) continue;
      if (performance.now() > untilMs)
        throw new Error(`it is a pipe whose content was not complete within ${timeoutMs / 1000} s, expected a file`);
      // During a reload, this timer must not prevent the process from ending: see the end of command-line.ts.
      await sleep(PIPE_INTERVAL_MS, undefined, { ref: false });
    }
    // Windows has no file modes.
    return {
      bytes: bytes.subarray(0, length),
      isPublic: platform() !== 'win32' && stat.isFile() && (stat.mode & 0o004) !== 0,
    };
  } finally {
    await file.close();
  }
}

/** @returns the number of bytes, 0 at the end or if a pipe has no writer; null if its writer has not written yet. */
async function readSome(file: FileHandle, into: Buffer): Promise<number | null> {
  try {
    return (await file.read(into)).bytesRead;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return null;
    throw error;
  }
}
