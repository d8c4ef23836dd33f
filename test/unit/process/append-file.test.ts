import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AppendedFile } from '../../../gateway/process/append-file.ts';

let folder: string;
let file: string;
let reports: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-append-'));
  file = join(folder, 'audit.jsonl');
  reports = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (): string => readFileSync(file, 'utf8');
const create = (append?: typeof appendFile): AppendedFile =>
  new AppendedFile(file, (text) => reports.push(text), append);

describe('AppendedFile', () => {
  it('appends lines in order, in a file that only its user can read', async () => {
    const lines = create();
    await lines.open();
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const line of ['1', '2', '3']) lines.write(line);
    await lines.close();
    lines.write('4');
    await lines.close();
    expect(read()).toBe('1\n2\n3\n4\n');
  });

  it.skipIf(process.platform === 'win32')('does not wait for a pipe that no program reads', async () => {
    spawnSync('mkfifo', [file]);
    const lines = create();
    await expect(lines.open()).rejects.toMatchObject({ code: 'ENXIO' });
    lines.write('lost');
    await lines.close();
    expect(reports).toEqual([expect.stringMatching(/cannot be written: it is a pipe/)]);
  });

  it.each([0, 1, 2, 3, 4, 5, 6])('appends a line that is added %i microtasks after a write', async (turns) => {
    let afterAppend = Promise.resolve();
    const texts: string[] = [];
    const lines = create((_path, text) => {
      texts.push(String(text));
      const appended = Promise.resolve();
      if (texts.length === 1) {
        afterAppend = appended;
        for (let turn = 0; turn < turns; turn += 1) afterAppend = afterAppend.then(() => undefined);
        afterAppend = afterAppend.then(() => lines.write('2'));
      }
      return appended;
    });
    lines.write('1');
    await afterAppend;
    await lines.close();
    expect(texts.join('')).toBe('1\n2\n');
  });

  it('continues in a new file when the old one was renamed, as logrotate does', async () => {
    const lines = create();
    lines.write('1');
    await lines.close();
    renameSync(file, `${file}.1`);
    lines.write('2');
    await lines.close();
    expect([readFileSync(`${file}.1`, 'utf8'), read()]).toEqual(['1\n', '2\n']);
  });

  it('drops lines that cannot be written, reports it once, and continues on a new line', async () => {
    let isFull = true;
    const lines = create(async (path, text, options) => {
      if (!isFull) return appendFile(path, text, options);
      await appendFile(path, String(text).slice(0, 1));
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    });
    for (const line of ['11', '22']) {
      lines.write(line);
      await lines.close();
    }
    isFull = false;
    lines.write('33');
    await lines.close();
    expect(read().split('\n').slice(-3)).toEqual(['', '33', '']);
    expect(reports).toHaveLength(2);
    expect(reports[1]).toContain('2 lines were lost');
  });

  it('limits waiting lines while the disk hangs', async () => {
    let resume = (): void => undefined;
    const hangs = new Promise<void>((resolve) => (resume = resolve));
    const written: string[] = [];
    const lines = create(async (_path, text) => {
      await hangs;
      written.push(String(text));
    });
    for (let number = 0; number < 2000; number += 1) lines.write('x'.repeat(1000));
    resume();
    await lines.close();
    expect(written.join('').length).toBeLessThan(300_000);
  });

  it('continues after a full disk', async ({ skip }) => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', disk]).status !== 0)
      skip('mounting requires more rights');
    try {
      file = join(disk, 'audit.jsonl');
      const lines = create();
      for (let number = 0; number < 40; number += 1) {
        lines.write('x'.repeat(1000));
        await lines.close();
      }
      expect(reports).toEqual([expect.stringContaining('cannot be written')]);
      rmSync(file);
      lines.write('again');
      await lines.close();
      expect(read()).toBe('\nagain\n');
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});
