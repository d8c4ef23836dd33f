import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { GearwayError } from '../../shared/errors.ts';
import { systemErrorText } from '../../shared/system-errors.ts';

/** The system calls that replace a file; tests substitute them to simulate failures. */
export const SYSTEM_FILES = { open, realpath, rename, rm, stat };

/** A file as it was read. */
interface FileVersion {
  readonly bytes: Buffer;
  /** Identifies this version of the file. */
  readonly identity: string;
}

/**
 * Reads a whole file.
 *
 * @param maxBytes one byte more than allowed is read, so that the caller notices a larger file.
 * @throws {GearwayError} `config-not-written` if the file cannot be read, because it cannot be changed then.
 */
export async function readVersion(path: string, maxBytes: number): Promise<FileVersion> {
  // O_NONBLOCK, because opening a pipe would otherwise wait for its writer.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw new GearwayError('config-not-written', `${path} cannot be read: ${explainSystemError(error)}`, {
      cause: error,
    });
  });
  try {
    if (!(await handle.stat()).isFile())
      throw new GearwayError('config-not-written', `${path} cannot be changed: it is not a regular file`);
    const bytes = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < bytes.byteLength; length += count)
      ({ bytesRead: count } = await handle.read(bytes, length, bytes.byteLength - length));
    return { bytes: bytes.subarray(0, length), identity: identityOf(await handle.stat({ bigint: true })) };
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a file atomically: writes a new file next to it, flushes it to the disk, and renames it. A reader sees the
 * old content or the new one, even after a power failure. The file keeps its mode, and its owner if this process may
 * set it; a symbolic link remains a link.
 *
 * @param version the version on which the new content is based.
 * @throws {GearwayError} `config-changed` if the file has changed in the meantime; `config-not-written` with the
 *   reason. The file is then unchanged.
 */
export async function replaceFile(
  path: string,
  content: string,
  version: Pick<FileVersion, 'identity'>,
  files: typeof SYSTEM_FILES = SYSTEM_FILES,
): Promise<void> {
  let temporary: string | null = null;
  try {
    const target = await files.realpath(path);
    const old = await files.stat(target, { bigint: true });
    // The name is hidden, so that no program reads the file as a configuration.
    temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
    const handle = await files.open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(content);
      await handle.chown(Number(old.uid), Number(old.gid)).catch(() => undefined); // Not permitted for this user.
      await handle.chmod(Number(old.mode & 0o7777n));
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (identityOf(await files.stat(target, { bigint: true })) !== version.identity)
      throw new GearwayError('config-changed', `${path} has changed in the meantime, and was not written; try again`);
    await files.rename(temporary, target);
    temporary = null;
    await syncFolder(dirname(target), files);
  } catch (error) {
    if (temporary !== null) await files.rm(temporary, { force: true }).catch(() => undefined); // Only the first error is reported.
    if (error instanceof GearwayError) throw error;
    throw new GearwayError(
      'config-not-written',
      `${path} cannot be written: ${explainSystemError(error)}; it is unchanged`,
      {
        cause: error,
      },
    );
  }
}

/** Identity of a version of a file, from its `bigint` stat. */
export function identityOf({
  dev,
  ino,
  size,
  mtimeNs,
  ctimeNs,
}: Record<'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs', bigint>): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

/**
 * Makes the renaming survive a power failure. Not every system supports this; the file itself is complete in any case.
 */
async function syncFolder(folder: string, files: typeof SYSTEM_FILES): Promise<void> {
  try {
    const handle = await files.open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Not supported on Windows and on some network file systems.
  }
}

/** Explanations of system errors for a file that is to be replaced. */
const REASONS: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only; mount it writable (in a systemd unit with ReadWritePaths=)',
  ENOSPC: 'the disk is full; free some space',
  EDQUOT: 'the quota of this user is exceeded; free some space',
  EACCES: 'this user may not create files in its folder; change the permissions of the folder',
  EPERM: 'this user may not replace it; change its permissions',
  EBUSY: 'it is itself a mount, which cannot be replaced; mount its folder instead',
  EXDEV: 'it is itself a mount, which cannot be replaced; mount its folder instead',
  ENOENT: 'the file or its folder has disappeared',
};

/** Explains a system error: its meaning for a file that is to be replaced, and the remedy. */
export function explainSystemError(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS[code] ?? systemErrorText(error);
}
