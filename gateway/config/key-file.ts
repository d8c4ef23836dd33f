import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, platform, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { createFolder } from '../process/create-folder.ts';

/** A file with the administrator key, for programs of the same user. */
interface KeyFile {
  readonly path: string;
  /** Removes the file, unless another gateway has replaced it. Never throws; idempotent. */
  remove(): void;
}

/**
 * The user's folder for key files: in the session's runtime directory if there is one, otherwise in the home directory.
 */
export function keyFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const runtime = environment['XDG_RUNTIME_DIR'];
  return runtime !== undefined && isAbsolute(runtime) ? join(runtime, 'gearway') : join(homedir(), '.gearway');
}

/**
 * Writes the administrator key of the gateway on this port, readable only by its user. Writes a new file and renames
 * it, so that readers never see an incomplete key.
 *
 * @throws if the folder belongs to another user, or is not writable.
 */
export function writeKeyFile(folder: string, port: number, key: string): KeyFile {
  createFolder(folder);
  if (platform() !== 'win32') {
    const stat = lstatSync(folder);
    if (!stat.isDirectory() || stat.uid !== userInfo().uid)
      throw new Error(`${folder} is not a directory of this user`);
    if ((stat.mode & 0o077) !== 0) chmodSync(folder, 0o700);
  }
  const path = join(folder, `${port}.key`);
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const text = `${key}\n`;
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
  return {
    path,
    remove() {
      try {
        if (readFileSync(path, 'utf8') === text) rmSync(path);
      } catch {
        // Not an error: the key is invalid once the gateway has exited.
      }
    },
  };
}
