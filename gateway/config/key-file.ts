import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, platform, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A file with the administrator key, for programs of the same user. */
export interface KeyFile {
  readonly path: string;
  /** Removes the file, unless another gateway has replaced it. Never throws; idempotent. */
  remove(): void;
}

/** The user's folder for key files: in the runtime directory of the session where there is one, otherwise in the home directory. */
export function keyFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const runtime = environment['XDG_RUNTIME_DIR'];
  return runtime !== undefined && isAbsolute(runtime) ? join(runtime, 'gearway') : join(homedir(), '.gearway');
}

/**
 * Writes the administrator key of the gateway at this port, readable by its user only: to a new file that is then renamed, so that a reader never finds
 * half of it.
 *
 * @throws when the folder belongs to another user, or cannot be written.
 */
export function writeKeyFile(folder: string, port: number, key: string): KeyFile {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (platform() !== 'win32') {
    const stat = lstatSync(folder);
    if (!stat.isDirectory() || stat.uid !== userInfo().uid) throw new Error(`${folder} is not a directory of this user`);
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
        // It is gone already, or cannot be removed: the key is worth nothing once the gateway has ended.
      }
    },
  };
}
