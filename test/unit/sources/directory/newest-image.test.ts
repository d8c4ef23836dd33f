import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImageFolder } from '../../../../gateway/sources/directory/image-folder.ts';
import { NewestImage } from '../../../../gateway/sources/directory/newest-image.ts';
import { filesClockTicked } from '../../../helpers/files-clock.ts';
import { jpegOf } from '../../../helpers/pictures.ts';

let folder: string;
let newest: NewestImage;
let rejected: unknown[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gearway-'));
  rejected = [];
  newest = new NewestImage(new ImageFolder(folder), (error) => rejected.push(error));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** The name of the found file. */
async function find(...names: string[]): Promise<string | undefined> {
  return (await newest.find(names))?.name;
}

describe('NewestImage', () => {
  it('finds the last written file first, then the last moved file', async () => {
    await writeFile(join(folder, 'a.jpg'), jpegOf(1000));
    await filesClockTicked(folder);
    await writeFile(join(folder, 'b.jpg'), jpegOf(1000));
    await utimes(join(folder, 'b.jpg'), 1000, 1000);
    expect(await find('a.jpg', 'b.jpg')).toBe('a.jpg');
    await filesClockTicked(folder);
    await writeFile(join(folder, 'c.jpg'), jpegOf(1000));
    await utimes(join(folder, 'c.jpg'), 1000, 1000);
    expect(await find('a.jpg', 'b.jpg', 'c.jpg')).toBe('c.jpg');
    expect(await find('a.jpg', 'b.jpg', 'c.jpg')).toBe(undefined);
  });

  it('checks the found file separately, and finds it again after it was rewritten', async () => {
    await writeFile(join(folder, 'a.jpg'), jpegOf(1000));
    expect(await find('a.jpg')).toBe('a.jpg');
    expect(await find()).toBe(undefined);
    await writeFile(join(folder, 'a.jpg'), jpegOf(1100));
    expect(await find()).toBe('a.jpg');
  });

  it('retries a file that it could not read until there is a newer one', async () => {
    await writeFile(join(folder, 'half.jpg'), jpegOf(1000).subarray(0, 500));
    expect(await find('half.jpg')).toBe(undefined);
    expect(newest.retryAtMs).toBeLessThan(performance.now() + 1000);
    await filesClockTicked(folder);
    await writeFile(join(folder, 'whole.jpg'), jpegOf(1000));
    expect(await find('whole.jpg')).toBe('whole.jpg');
    expect(await find()).toBe(undefined);
    expect(newest.retryAtMs).toBe(Infinity);
    expect(rejected).toEqual([]);
  });

  it('does not retry forever a file that is older than the one that was found', async () => {
    await writeFile(join(folder, 'half.jpg'), jpegOf(1000).subarray(0, 500));
    await utimes(join(folder, 'half.jpg'), 4_000_000_000, 4_000_000_000);
    await filesClockTicked(folder);
    await writeFile(join(folder, 'whole.jpg'), jpegOf(1000));
    expect(await find('half.jpg', 'whole.jpg')).toBe('whole.jpg');
    expect(await find()).toBe(undefined);
    expect(newest.retryAtMs).toBe(Infinity);
  });
});
