import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DirectorySource } from '../../../../gateway/sources/directory/directory-source.ts';
import { FolderWatch } from '../../../../gateway/sources/directory/folder-watch.ts';
import { ImageFolder } from '../../../../gateway/sources/directory/image-folder.ts';
import { RecordingSink } from '../../../helpers/recording-sink.ts';
import { jpegOf } from '../../../helpers/pictures.ts';

/**
 * Behaviour of the system when a folder is watched: it sends no notifications, like a network file system, or has no
 * watches left.
 */
let system: 'silent' | 'full' = 'silent';
/** Number of calls to `watch`. */
let watched = 0;

// Files share modules: those that an earlier file has loaded are not mocked, and a later file must not get mocked ones.
vi.hoisted(() => void vi.resetModules());
afterAll(() => void vi.resetModules());

vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  watch: () => {
    watched += 1;
    if (system === 'full')
      throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'), { code: 'ENOSPC' });
    const watcher = { on: () => watcher, close: () => undefined };
    return watcher;
  },
}));

let folder: string;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gearway-'));
  closing.push(() => rm(folder, { recursive: true, force: true }));
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe('FolderWatch', () => {
  it.each(['silent', 'full'] as const)('finds new and rewritten files where the system is %s', async (kind) => {
    system = kind;
    watched = 0;
    await writeFile(join(folder, '1.jpg'), jpegOf(1000));
    await writeFile(join(folder, '2.jpg'), jpegOf(1100));
    const sink = new RecordingSink();
    const source = new DirectorySource({
      folder,
      file: null,
      framesPerSecond: 1,
      isLooped: false,
      isWatched: true,
      isChecked: true,
    });
    closing.push(() => source.close());
    await source.open(sink);
    await sink.until(() => sink.frames.length === 1);
    await writeFile(join(folder, '3.jpg'), jpegOf(1200));
    await sink.until(() => sink.files.includes('3.jpg'));
    // The file that is shown, and one that is not.
    await writeFile(join(folder, '3.jpg'), jpegOf(1300));
    await sink.until(() => sink.frames.at(-1)!.payload.byteLength === 1300);
    await writeFile(join(folder, '1.jpg'), jpegOf(1400));
    await sink.until(() => sink.frames.at(-1)!.payload.byteLength === 1400);
    expect(watched).toBeGreaterThan(0);
    expect(sink.files.slice(1)).toEqual(['3.jpg', '3.jpg', '1.jpg']);
    expect(sink.rejected).toEqual([]);
  });

  it('finds a rewritten file among many without notifications of the system', async () => {
    system = 'silent';
    for (let n = 0; n < 300; n += 1) await writeFile(join(folder, `${n}.jpg`), jpegOf(1000));
    const sink = new RecordingSink();
    const source = new DirectorySource({
      folder,
      file: null,
      framesPerSecond: 1,
      isLooped: false,
      isWatched: true,
      isChecked: true,
    });
    closing.push(() => source.close());
    await source.open(sink);
    await sink.until(() => sink.frames.length === 1);
    for (const name of ['17.jpg', '299.jpg', '150.jpg']) {
      await writeFile(join(folder, name), jpegOf(1100));
      await sink.until(() => sink.files.at(-1) === name);
    }
    expect(sink.rejected).toEqual([]);
  });

  it('returns all files at first, and nothing more before a check is due', async () => {
    system = 'silent';
    await writeFile(join(folder, '1.jpg'), jpegOf(1000));
    await writeFile(join(folder, 'notes.txt'), 'no image');
    const watch = new FolderWatch(new ImageFolder(folder));
    closing.push(() => watch.close());
    expect([...(await watch.names())]).toEqual(['1.jpg']);
    await watch.wait(0, new AbortController().signal);
    expect([...(await watch.names())]).toEqual([]);
  });

  it('throws when the folder was removed', async () => {
    const watch = new FolderWatch(new ImageFolder(join(folder, 'gone')));
    await expect(watch.names()).rejects.toEqual(expect.objectContaining({ code: 'source-unavailable' }));
  });
});
