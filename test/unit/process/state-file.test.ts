import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SYSTEM_FILES } from '../../../gateway/process/replace-file.ts';
import { StateFile } from '../../../gateway/process/state-file.ts';

let folder: string;
let path: string;
let reports: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-state-'));
  path = join(folder, 'state', 'log-ins.json');
  reports = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const create = (files = SYSTEM_FILES): StateFile =>
  new StateFile(path, { report: (text, level) => reports.push(`${level}: ${text}`), files });

/** Calls of the system that fail with a code while `isBroken`. */
function breakable(code: string): { isBroken: boolean; readonly files: typeof SYSTEM_FILES } {
  const disk = {
    isBroken: true,
    files: {
      ...SYSTEM_FILES,
      open: (async (...args: Parameters<typeof SYSTEM_FILES.open>) => {
        if (disk.isBroken) throw Object.assign(new Error(code), { code });
        return SYSTEM_FILES.open(...args);
      }) as typeof SYSTEM_FILES.open,
    },
  };
  return disk;
}

describe('StateFile', () => {
  it('creates the folder and the file for its user only, and returns the saved content', async () => {
    const first = create();
    expect(await first.open()).toBeNull();
    first.save(() => ({ count: 1 }));
    expect(await first.flush()).toBeNull();
    expect([statSync(path).mode & 0o777, statSync(join(folder, 'state')).mode & 0o777]).toEqual([0o600, 0o700]);
    await first.close();
    expect(await create().open()).toEqual({ count: 1 });
    expect(readdirSync(join(folder, 'state'))).toEqual(['log-ins.json']);
    expect(reports).toEqual([]);
  });

  it.skipIf(process.platform === 'win32')('ignores a pipe, without waiting for its other end', async () => {
    mkdirSync(join(folder, 'state'));
    spawnSync('mkfifo', ['-m', '600', path]);
    expect(await create().open()).toBeNull();
    expect(reports).toEqual([expect.stringMatching(/it is a pipe/), expect.stringMatching(/not a regular file/)]);
  });

  // There, Node's recursive `mkdir` never returns.
  it.skipIf(!existsSync('/proc/self'))('reports a folder that cannot be created, and continues', async () => {
    const state = new StateFile('/proc/gearway/log-ins.json', { report: (text) => reports.push(text) });
    expect(await state.open()).toBeNull();
    expect(reports).toEqual(['/proc/gearway cannot be created: the system allows no folders in /proc']);
  });

  it('writes the latest state, but not every state', async () => {
    const state = create();
    await state.open();
    const written: number[] = [];
    for (let count = 1; count <= 100; count += 1)
      state.save(() => {
        written.push(count);
        return { count };
      });
    await state.flush();
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ count: 100 });
    expect(written.length).toBeLessThan(4);
    // A change at the end of the last write is saved, too.
    for (let count = 101; count <= 130; count += 1) {
      state.save(() => ({ count }));
      await state.flush();
      expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ count });
    }
    await state.close();
  });

  it.each([
    ['text', '{"count":', 'JSON'],
    ['bytes', Buffer.from([0, 255, 254]), 'JSON'],
    ['too much', Buffer.alloc((1 << 20) + 1, 32), 'larger than'],
  ])('ignores a file with broken content (%s), reports it, and replaces it', async (_what, content, message) => {
    mkdirSync(join(folder, 'state'));
    writeFileSync(path, content);
    const state = create();
    expect(await state.open()).toBeNull();
    expect(reports).toEqual([expect.stringMatching(`is ignored: .*${message}`)]);
    state.save(() => 1);
    expect(await state.flush()).toBeNull();
    expect(readFileSync(path, 'utf8')).toBe('1');
  });

  it('treats an empty file, which a power failure may leave, as no state', async () => {
    mkdirSync(join(folder, 'state'));
    writeFileSync(path, '');
    expect([await create().open(), reports]).toEqual([null, []]);
  });

  it('ignores a file that every user can write to', async () => {
    mkdirSync(join(folder, 'state'));
    writeFileSync(path, '1');
    chmodSync(path, 0o602);
    expect(await create().open()).toBeNull();
    expect(reports.join()).toContain('every user of this machine may change it');
  });

  it('continues while it cannot write, reports the failure once, and tries again later', async () => {
    const disk = breakable('ENOSPC');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const state = create(disk.files);
      await state.open();
      for (const count of [1, 2]) {
        state.save(() => ({ count }));
        expect(await state.flush()).toContain('the disk is full');
      }
      expect(reports).toEqual([expect.stringMatching(/^error: .*the disk is full/)]);
      disk.isBroken = false;
      await vi.advanceTimersByTimeAsync(30_000);
      expect(await state.flush()).toBeNull();
      expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ count: 2 });
      expect(reports.slice(1)).toEqual([expect.stringMatching(/^info: .* can be written again$/)]);
      await state.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it('writes what could not be written before when it is closed', async () => {
    const disk = breakable('ENOSPC');
    const state = create(disk.files);
    await state.open();
    state.save(() => 1);
    await state.flush();
    disk.isBroken = false;
    await state.close();
    expect(readFileSync(path, 'utf8')).toBe('1');
  });

  it('reads the state on a read-only disk', async ({ skip }) => {
    const disk = join(folder, 'state');
    mkdirSync(disk);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', disk]).status !== 0)
      skip('mounting requires more rights');
    try {
      writeFileSync(path, '1');
      spawnSync('mount', ['-o', 'remount,ro', disk]);
      const state = create();
      expect(await state.open()).toBe(1);
      state.save(() => 2);
      expect(await state.flush()).toContain('read-only');
      expect(reports).toEqual([expect.stringContaining('read-only')]);
      await state.close();
      path = join(disk, 'none.json');
      expect(await create().open()).toBeNull();
    } finally {
      spawnSync('umount', [disk]);
    }
  });

  it('creates the file again if someone has removed it', async () => {
    const state = create();
    await state.open();
    rmSync(join(folder, 'state'), { recursive: true });
    mkdirSync(join(folder, 'state'));
    state.save(() => 1);
    expect(await state.flush()).toBeNull();
    expect(readFileSync(path, 'utf8')).toBe('1');
  });

  it('does not overwrite the file of another process', async () => {
    const [first, second] = [create(), create()];
    await first.open();
    await second.open();
    first.save(() => 'first');
    await first.flush();
    for (const text of ['second', 'again']) {
      second.save(() => text);
      expect(await second.flush()).toContain('was changed by another program');
    }
    await second.close();
    first.save(() => 'first again');
    expect(await first.flush()).toBeNull();
    expect(JSON.parse(readFileSync(path, 'utf8'))).toBe('first again');
    expect(reports).toHaveLength(1);
  });
});
