import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readVersion, replaceFile, SYSTEM_FILES } from '../../../gateway/process/replace-file.ts';

const OLD = 'port: 1\n';
/** Larger than the small disk below. */
const NEW = `port: 2\n${'# filling\n'.repeat(20_000)}`;

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-replace-'));
  file = join(folder, 'gateway.yaml');
  writeFileSync(file, OLD);
});
afterEach(() => rmSync(folder, { recursive: true }));

const replace = async (files = SYSTEM_FILES): Promise<void> =>
  replaceFile(file, NEW, await readVersion(file, 1000), files);

/** An error of the system. */
const failure = (code: string): Error => Object.assign(new Error(code), { code });

/** Mounts a small file system at a folder; null if this user may not. */
function mount(at: string, ...options: string[]): Disposable | null {
  mkdirSync(at, { recursive: true });
  if (spawnSync('mount', [...options, at]).status !== 0) return null;
  return { [Symbol.dispose]: () => void spawnSync('umount', [at]) };
}

describe('readVersion', () => {
  it('reads one byte more than the maximum, and distinguishes versions of equal content', async () => {
    const first = await readVersion(file, 1000);
    expect(first.bytes.toString()).toBe(OLD);
    expect((await readVersion(file, 3)).bytes).toHaveLength(4);
    rmSync(file);
    writeFileSync(file, OLD);
    expect((await readVersion(file, 1000)).identity).not.toBe(first.identity);
  });
});

describe('replaceFile', () => {
  it('replaces the content, keeps the mode, and leaves nothing behind', async () => {
    chmodSync(file, 0o640);
    await replace();
    expect(readFileSync(file, 'utf8')).toBe(NEW);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder)).toEqual(['gateway.yaml']);
  });

  it('replaces the target of a symbolic link, not the link', async () => {
    renameSync(file, join(folder, 'real.yaml'));
    symlinkSync('real.yaml', file);
    await replace();
    expect(readFileSync(join(folder, 'real.yaml'), 'utf8')).toBe(NEW);
    expect(readdirSync(folder).sort()).toEqual(['gateway.yaml', 'real.yaml']);
    writeFileSync(join(folder, 'real.yaml'), OLD);
    expect(readFileSync(file, 'utf8')).toBe(OLD);
  });

  it('writes nothing if the file has changed since it was read', async () => {
    const version = await readVersion(file, 1000);
    writeFileSync(file, 'port: 3\n');
    await expect(replaceFile(file, NEW, version)).rejects.toMatchObject({ code: 'config-changed' });
    expect(readFileSync(file, 'utf8')).toBe('port: 3\n');
    expect(readdirSync(folder)).toEqual(['gateway.yaml']);
  });

  it.each<[string, string, (code: string) => Partial<typeof SYSTEM_FILES>]>([
    ['a read-only disk', 'EROFS', (code) => ({ open: () => Promise.reject(failure(code)) })],
    ['a folder that is not writable', 'EACCES', (code) => ({ open: () => Promise.reject(failure(code)) })],
    ['a full disk while writing', 'ENOSPC', (code) => ({ open: failingAt('writeFile', code) })],
    ['a full disk while flushing', 'ENOSPC', (code) => ({ open: failingAt('sync', code) })],
    ['a mode that cannot be set', 'EPERM', (code) => ({ open: failingAt('chmod', code) })],
    ['a file that is a mount', 'EBUSY', (code) => ({ rename: () => Promise.reject(failure(code)) })],
    ['a file that has disappeared', 'ENOENT', (code) => ({ realpath: (() => Promise.reject(failure(code))) as never })],
    ['an unknown error', 'EIO', (code) => ({ rename: () => Promise.reject(failure(code)) })],
  ])('keeps the old file and reports the reason with %s', async (_what, code, fail) => {
    const error: unknown = await replace({ ...SYSTEM_FILES, ...fail(code) }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'config-not-written', cause: { code } });
    expect(readFileSync(file, 'utf8')).toBe(OLD);
    expect(readdirSync(folder)).toEqual(['gateway.yaml']);
  });

  it('keeps the old file on a full disk', async ({ skip }) => {
    using disk = mount(join(folder, 'disk'), '-t', 'tmpfs', '-o', 'size=64k', 'none');
    if (disk === null) skip('mounting requires more rights');
    file = join(folder, 'disk', 'gateway.yaml');
    writeFileSync(file, OLD);
    await expect(replace()).rejects.toMatchObject({ code: 'config-not-written', cause: { code: 'ENOSPC' } });
    expect(readFileSync(file, 'utf8')).toBe(OLD);
    expect(readdirSync(join(folder, 'disk'))).toEqual(['gateway.yaml']);
  });

  it('keeps the old file on a read-only disk', async ({ skip }) => {
    const at = join(folder, 'disk');
    using disk = mount(at, '-t', 'tmpfs', '-o', 'size=1m', 'none');
    if (disk === null) skip('mounting requires more rights');
    file = join(at, 'gateway.yaml');
    writeFileSync(file, OLD);
    spawnSync('mount', ['-o', 'remount,ro', at]);
    await expect(replace()).rejects.toMatchObject({ code: 'config-not-written', cause: { code: 'EROFS' } });
    expect(readFileSync(file, 'utf8')).toBe(OLD);
  });

  it('refuses a file that is itself a mount', async ({ skip }) => {
    const mounted = spawnSync('mount', ['--bind', file, file]);
    if (mounted.status !== 0) skip('mounting requires more rights');
    try {
      await expect(replace()).rejects.toMatchObject({ code: 'config-not-written', cause: { code: 'EBUSY' } });
      expect(readFileSync(file, 'utf8')).toBe(OLD);
    } finally {
      spawnSync('umount', [file]);
    }
  });

  /** Steps of a write, in order: the process is killed just before each. */
  it.each(['open', 'writeFile', 'half', 'sync', 'stat', 'rename', 'end'])(
    'leaves a complete file if the process is killed at the step %s',
    async (step) => {
      const child = spawn(process.execPath, [
        '--input-type=module',
        '--eval',
        KILLED_WRITER,
        file,
        step,
        NEW.slice(0, 8),
      ]);
      const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
      expect(signal).toBe('SIGKILL');
      expect(readFileSync(file, 'utf8')).toBe(step === 'end' ? NEW : OLD);
    },
  );
});

/** Opens files for which one call fails. */
function failingAt(call: 'writeFile' | 'sync' | 'chmod', code: string): typeof SYSTEM_FILES.open {
  return async (path, flags, mode): Promise<FileHandle> => {
    const handle = await SYSTEM_FILES.open(path, flags, mode);
    return flags === 'r' ? handle : Object.assign(handle, { [call]: () => Promise.reject(failure(code)) });
  };
}

/** A program that replaces a file, and kills itself at a step. */
const KILLED_WRITER = `
import { writeSync } from 'node:fs';
import { readVersion, replaceFile, SYSTEM_FILES } from '${new URL('../../../dist/gateway/process/replace-file.js', import.meta.url).href}';
const [file, step, beginning] = process.argv.slice(1);
const content = beginning + '# filling\\n'.repeat(20_000);
const die = () => { process.kill(process.pid, 'SIGKILL'); return new Promise(() => {}); };
const at = (name, call) => (...args) => (step === name ? die() : call(...args));
const version = await readVersion(file, 1000);
let stats = 0;
await replaceFile(file, content, version, {
  ...SYSTEM_FILES,
  open: at('open', async (path, flags, mode) => {
    const handle = await SYSTEM_FILES.open(path, flags, mode);
    if (flags === 'r') return handle;
    for (const name of ['writeFile', 'sync']) handle[name] = at(name, handle[name].bind(handle));
    if (step === 'half') handle.writeFile = (text) => { writeSync(handle.fd, text.slice(0, 1000)); return die(); };
    return handle;
  }),
  // The second one is just before the file is renamed.
  stat: (...args) => { stats += 1; return step === 'stat' && stats === 2 ? die() : SYSTEM_FILES.stat(...args); },
  rename: at('rename', SYSTEM_FILES.rename),
});
die();
`;
