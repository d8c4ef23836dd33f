import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { curveKeyPair } from 'zeromq';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { createFolder } from '../process/create-folder.ts';

/** Folders of certificates, and their file extensions. */
const FOLDERS = { public_keys: '.key', private_keys: '.key_secret' } as const;

/** Extension of files that are being written, and time after which another process removes abandoned ones. */
const UNFINISHED = '.tmp';
const LEFT_OVER_MS = 60_000;

/** How long to wait for another process that is creating keys in the same folder, and the polling interval. */
const CREATION_MS = 2000;
const CREATION_POLL_MS = 10;

/** A certificate that has been written under a temporary name. */
interface WrittenFile {
  readonly temporary: string;
  readonly path: string;
}

/**
 * Creates both key pairs as pyzmq's `create_certificates` does, readable only by their owner, if neither folder has any
 * key. A folder with some keys is left unmodified, because the others belong to a peer. If several processes call this
 * at the same time, one creates the keys and the others wait for it.
 *
 * @throws {GearwayError} `keys-missing` if they cannot be created; no partial files remain.
 */
export function createKeysWhenMissing(folder: string): void {
  if (!hasKeys(folder)) makeKeys(folder, (files) => publishFirst(files));
  awaitOtherProcess(folder);
}

/** Whether a folder has any key, of either kind. */
export function hasKeys(folder: string): boolean {
  return Object.entries(FOLDERS).some(([name, ending]) =>
    list(join(folder, name)).some((file) => file.endsWith(ending)),
  );
}

/**
 * Replaces both key pairs: peers with the old ones are refused from now on. Other keys in the folder stay.
 *
 * @throws {GearwayError} `keys-missing` if they cannot be created; the old ones are kept.
 */
export function createKeys(folder: string): void {
  makeKeys(folder, replaceAll);
}

/**
 * Writes all four certificates under temporary names before publishing any, so that a full disk leaves no partial set.
 */
function makeKeys(folder: string, publish: (files: readonly WrittenFile[]) => void): void {
  const files: WrittenFile[] = [];
  try {
    for (const name of Object.keys(FOLDERS)) {
      const path = join(folder, name);
      createFolder(path);
      chmodSync(path, 0o700);
      removeLeftOver(path);
    }
    // The binding side's secret key first: its final name signals to other processes that keys are being created.
    for (const name of ['server', 'client']) {
      const { publicKey, secretKey } = curveKeyPair();
      files.push(write(join(folder, 'private_keys', `${name}.key_secret`), certificate(publicKey, secretKey)));
      files.push(write(join(folder, 'public_keys', `${name}.key`), certificate(publicKey, null)));
    }
    publish(files);
  } catch (error) {
    const remedy =
      'Specify a writable folder with keys= (custom_cert_location in a program), or copy the keys there from the other side';
    throw new GearwayError('keys-missing', `cannot create keys in ${folder}: ${errorText(error)}. ${remedy}`, {
      cause: error,
    });
  } finally {
    for (const { temporary } of files) rmSync(temporary, { force: true });
  }
}

function certificate(publicKey: string, secretKey: string | null): string {
  const secret = secretKey === null ? '' : `    secret-key = "${secretKey}"\n`;
  return `# ZeroMQ CURVE certificate, made by Gearway. Keep the secret one to its owner.\n\nmetadata\ncurve\n    public-key = "${publicKey}"\n${secret}`;
}

/** Writes a file under a temporary name in the same folder, readable only by its owner. Removes it on failure. */
function write(path: string, text: string): WrittenFile {
  const at = path.lastIndexOf('/') + 1 || path.lastIndexOf('\\') + 1;
  const temporary = `${path.slice(0, at)}.${path.slice(at)}.${randomBytes(6).toString('hex')}${UNFINISHED}`;
  const file = openSync(temporary, 'wx', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return { temporary, path };
}

/**
 * Publishes the files, unless another process has started to do so. Uses links, which unlike renames do not replace
 * files.
 */
function publishFirst(files: readonly WrittenFile[]): void {
  const published: string[] = [];
  try {
    for (const { temporary, path } of files) {
      try {
        linkSync(temporary, path);
      } catch (error) {
        if (hasCode(error, 'EEXIST') && published.length === 0) return;
        if (hasCode(error, 'EEXIST') || existsSync(path)) throw error;
        // The file system does not support links.
        renameSync(temporary, path);
      }
      published.push(path);
    }
  } catch (error) {
    for (const path of published) rmSync(path, { force: true });
    throw error;
  }
}

/** Publishes the files. On failure, restores those that were already replaced. */
function replaceAll(files: readonly WrittenFile[]): void {
  const replaced: { readonly path: string; readonly former: Buffer | null }[] = [];
  try {
    for (const { temporary, path } of files) {
      const former = existsSync(path) ? readFileSync(path) : null;
      renameSync(temporary, path);
      replaced.push({ path, former });
    }
  } catch (error) {
    for (const { path, former } of replaced) {
      if (former === null) rmSync(path, { force: true });
      else writeFileSync(path, former);
    }
    throw error;
  }
}

/**
 * Blocks while another process is creating keys in this folder, at most 2 s. Acceptable because it happens only at
 * start-up.
 */
function awaitOtherProcess(folder: string): void {
  const endMs = performance.now() + CREATION_MS;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  while (
    performance.now() < endMs &&
    Object.keys(FOLDERS).some((name) =>
      list(join(folder, name)).some(
        (file) => file.endsWith(UNFINISHED) && ageMs(join(folder, name, file)) < CREATION_MS,
      ),
    )
  ) {
    Atomics.wait(sleeper, 0, 0, CREATION_POLL_MS);
  }
}

/** Removes temporary files of a process that was killed while writing. */
function removeLeftOver(folder: string): void {
  for (const file of list(folder)) {
    if (file.endsWith(UNFINISHED) && ageMs(join(folder, file)) > LEFT_OVER_MS)
      rmSync(join(folder, file), { force: true });
  }
}

function ageMs(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return Infinity; // The file was published or removed in the meantime.
  }
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
