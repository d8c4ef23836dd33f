import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { curveKeyPair } from 'zeromq';
import { errorText, GearwayError } from '../../shared/errors.ts';

/** The folders of certificates, and the ending of each one's files. */
const FOLDERS = { public_keys: '.key', private_keys: '.key_secret' } as const;

/** Ending of a file that is being written. Another process removes one that is left over after this time. */
const UNFINISHED = '.tmp';
const LEFT_OVER_MS = 60_000;

/** How long another process that is making keys in the same folder is waited for, and how often it is checked. */
const CREATION_MS = 2000;
const CREATION_POLL_MS = 10;

/** A certificate that is written, and not yet under its name. */
interface WrittenFile {
  readonly temporary: string;
  readonly path: string;
}

/**
 * Makes both pairs as pyzmq's `create_certificates` does, readable by their owner alone, when neither folder has any key. A folder with some
 * of them is left alone: its other half is at a peer. Of several processes that do so at a time, one makes them and the others wait for it.
 *
 * @throws {GearwayError} `keys-missing` when they cannot be made; nothing is left of them then.
 */
export function createKeysWhenMissing(folder: string): void {
  if (!hasKeys(folder)) makeKeys(folder, (files) => publishFirst(files));
  awaitOtherProcess(folder);
}

/** Whether a folder has any key, of either kind. */
export function hasKeys(folder: string): boolean {
  return Object.entries(FOLDERS).some(([name, ending]) => list(join(folder, name)).some((file) => file.endsWith(ending)));
}

/**
 * Makes new pairs in place of those that are there: clients with the old ones are refused from now on. Other keys in the folder stay.
 *
 * @throws {GearwayError} `keys-missing` when they cannot be made; the old ones are still there then.
 */
export function createKeys(folder: string): void {
  makeKeys(folder, replaceAll);
}

/** Writes all four certificates beside their places first, so that a full disk leaves nothing half made. */
function makeKeys(folder: string, publish: (files: readonly WrittenFile[]) => void): void {
  const files: WrittenFile[] = [];
  try {
    for (const name of Object.keys(FOLDERS)) {
      const path = join(folder, name);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      chmodSync(path, 0o700);
      removeLeftOver(path);
    }
    // The secret key of the binding side first: under its name it tells other processes that keys are being made.
    for (const name of ['server', 'client']) {
      const { publicKey, secretKey } = curveKeyPair();
      files.push(write(join(folder, 'private_keys', `${name}.key_secret`), certificate(publicKey, secretKey)));
      files.push(write(join(folder, 'public_keys', `${name}.key`), certificate(publicKey, null)));
    }
    publish(files);
  } catch (error) {
    throw new GearwayError('keys-missing', `keys cannot be made in ${folder}: ${errorText(error)}. Name a folder that can be written to with keys= (custom_cert_location in a program), or copy the keys there from the other end`, { cause: error });
  } finally {
    for (const { temporary } of files) rmSync(temporary, { force: true });
  }
}

function certificate(publicKey: string, secretKey: string | null): string {
  const secret = secretKey === null ? '' : `    secret-key = "${secretKey}"\n`;
  return `# ZeroMQ CURVE certificate, made by Gearway. Keep the secret one to its owner.\n\nmetadata\ncurve\n    public-key = "${publicKey}"\n${secret}`;
}

/** Writes a file beside its place, for its owner alone from the start. Removes it when that fails. */
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

/** Puts the files in their places, unless another process has begun to: a link, unlike a rename, does not replace a file. */
function publishFirst(files: readonly WrittenFile[]): void {
  const published: string[] = [];
  try {
    for (const { temporary, path } of files) {
      try {
        linkSync(temporary, path);
      } catch (error) {
        if (hasCode(error, 'EEXIST') && published.length === 0) return;
        if (hasCode(error, 'EEXIST') || existsSync(path)) throw error;
        // A file system without links.
        renameSync(temporary, path);
      }
      published.push(path);
    }
  } catch (error) {
    for (const path of published) rmSync(path, { force: true });
    throw error;
  }
}

/** Puts the files in their places. When one cannot be, those before get their former content again. */
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

/** Blocks for as long as another process is making keys here, 2 s at most. That happens before anything is served. */
function awaitOtherProcess(folder: string): void {
  const endMs = performance.now() + CREATION_MS;
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  while (performance.now() < endMs && Object.keys(FOLDERS).some((name) => list(join(folder, name)).some((file) => file.endsWith(UNFINISHED) && ageMs(join(folder, name, file)) < CREATION_MS))) {
    Atomics.wait(sleeper, 0, 0, CREATION_POLL_MS);
  }
}

/** Of a process that ended while it wrote. */
function removeLeftOver(folder: string): void {
  for (const file of list(folder)) {
    if (file.endsWith(UNFINISHED) && ageMs(join(folder, file)) > LEFT_OVER_MS) rmSync(join(folder, file), { force: true });
  }
}

function ageMs(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return Infinity; // it has its place meanwhile
  }
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
