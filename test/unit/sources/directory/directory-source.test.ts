import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../../gateway/codecs/jpeg.ts';
import { DirectorySource, parseDirectory, parseImage } from '../../../../gateway/sources/directory/directory-source.ts';
import { parseSourceUrl } from '../../../../gateway/config/source-url.ts';
import { filesClockTicked } from '../../../helpers/files-clock.ts';
import { folderPerTest } from '../../../helpers/folder-per-test.ts';
import { RecordingSink } from '../../../helpers/recording-sink.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const jpeg = (gray: number, width = 16): Promise<Buffer> =>
  encodeJpeg({ data: Buffer.alloc(width * 8 * 3, gray), width, height: 8, channels: 3 });

let folder: string;
let sources: DirectorySource[];
let sink: RecordingSink;

folderPerTest((path) => (folder = path));

beforeEach(() => {
  sources = [];
  sink = new RecordingSink();
});

afterEach(async () => {
  await Promise.all(sources.map((source) => source.close()));
});

const create = (options: string): DirectorySource => {
  const source = new DirectorySource(
    parseDirectory(parseSourceUrl(`directory:${folder}?${options}`, ['fps', 'loop', 'watch'])),
  );
  sources.push(source);
  return source;
};

describe('parseDirectory', () => {
  it.each([
    'directory:',
    'directory:/a?fps=0',
    'directory:/a?fps=241',
    'directory:/a?watch=true&fps=5',
    'directory:/a?watch=true&loop=true',
    'directory:/a\0b',
    'directory:/a?rate=3',
  ])('refuses %j', (url) => {
    expect(() => parseDirectory(parseSourceUrl(url, ['fps', 'loop', 'watch']))).toThrow(coded('source-invalid'));
  });
});

describe('parseImage', () => {
  it.each(['image:', 'image:/', 'image:/a/', 'image:/a\0b', 'image:http://cam/a.jpg'])('refuses %j', (url) => {
    expect(() => parseImage(parseSourceUrl(url, ['check']))).toThrow(coded('source-invalid'));
  });

  it.each([
    ['image:a.jpg', '.', 'a.jpg'],
    ['image:/tmp/a b', '/tmp', 'a b'],
    ['image:./x/.hidden?check=false', './x', '.hidden'],
  ])('accepts %j', (url, folder, file) => {
    expect(parseImage(parseSourceUrl(url, ['check']))).toMatchObject({ folder, file, isWatched: true });
  });
});

describe('one image', () => {
  const openImage = async (name: string): Promise<DirectorySource> => {
    const source = new DirectorySource(parseImage({ target: join(folder, name), options: new Map() }));
    sources.push(source);
    await source.open(sink);
    return source;
  };

  it('is shown with any name and in each new version, but no other file is', async () => {
    await writeFile(join(folder, 'other.jpg'), await jpeg(9));
    const source = await openImage('.latest');
    expect(source).toMatchObject({ kind: 'image', address: join(folder, '.latest') });
    await writeFile(join(folder, '.latest'), await jpeg(1));
    await sink.until(() => sink.frames.length === 1);
    await filesClockTicked(folder);
    await writeFile(join(folder, '.latest'), await jpeg(2));
    await sink.until(() => sink.frames.length === 2);
    await writeFile(join(folder, 'other.jpg'), await jpeg(8));
    await writeFile(join(folder, 'next'), await jpeg(3, 32));
    await rename(join(folder, 'next'), join(folder, '.latest'));
    await sink.until(() => sink.frames.length === 3);
    expect(sink.frames.map(({ width }) => width)).toEqual([16, 16, 32]);
    expect(sink.files).toEqual(['.latest', '.latest', '.latest']);
    expect(sink.rejected).toEqual([]);
  });

  it('can be removed and restored', async () => {
    await writeFile(join(folder, 'a.jpg'), await jpeg(1));
    await openImage('a.jpg');
    await sink.until(() => sink.frames.length === 1);
    await rm(join(folder, 'a.jpg'));
    await filesClockTicked(folder);
    await writeFile(join(folder, 'a.jpg'), await jpeg(2));
    await sink.until(() => sink.frames.length === 2);
    expect(sink.failed).toEqual([]);
  });

  it('must be a file in an existing folder', async () => {
    await mkdir(join(folder, 'a'));
    await expect(openImage('a')).rejects.toEqual(coded('source-unavailable'));
    await expect(openImage('gone/a.jpg')).rejects.toEqual(coded('source-unavailable'));
  });
});

describe('a list of images', () => {
  it('shows them in natural order of their names, and ends', async () => {
    const pictures = await Promise.all([1, 2, 3].map((gray) => jpeg(gray * 50)));
    for (const [index, name] of ['img10.jpg', 'img2.JPEG', 'img1.jpg'].entries())
      await writeFile(join(folder, name), pictures[index]!);
    await writeFile(join(folder, 'notes.txt'), 'no image');
    await create('fps=100').open(sink);
    await sink.until(() => sink.ended.length > 0);
    expect(sink.files).toEqual(['img1.jpg', 'img2.JPEG', 'img10.jpg']);
    // The values in the file.
    expect(Buffer.from(sink.frames[0]!.payload).equals(pictures[2]!)).toBe(true);
    expect(sink.rejected).toEqual([]);
  });

  it('decodes PNG, WebP and TIFF to gray and BGR with their bit depth, and reads .npy', async () => {
    const rgb = Buffer.from([10, 20, 30, 40, 50, 60]);
    await sharp(rgb, { raw: { width: 2, height: 1, channels: 3 } })
      .png()
      .toFile(join(folder, 'a.png'));
    await sharp(rgb, { raw: { width: 2, height: 1, channels: 3 } })
      .webp({ lossless: true })
      .toFile(join(folder, 'b.webp'));
    await sharp(rgb, { raw: { width: 2, height: 1, channels: 3 } })
      .tiff({ compression: 'none' })
      .toFile(join(folder, 'c.tif'));
    await sharp(new Uint16Array([1, 65_535]), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace('grey16')
      .png()
      .toFile(join(folder, 'd.png'));
    await sharp(new Uint16Array([1, 2, 3, 400, 500, 600]), { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toFile(join(folder, 'e.png'));
    await sharp(Buffer.from([7, 8]), { raw: { width: 2, height: 1, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toFile(join(folder, 'f.png'));
    await sharp(Buffer.from([10, 20, 30, 255, 40, 50, 60, 255]), { raw: { width: 2, height: 1, channels: 4 } })
      .png()
      .toFile(join(folder, 'g.png'));
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }".padEnd(117) + '\n';
    await writeFile(
      join(folder, 'h.npy'),
      Buffer.concat([
        Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
        Buffer.from(Uint16Array.of(header.length).buffer),
        Buffer.from(header),
        Buffer.from(Float32Array.of(0.5, 1.5).buffer),
      ]),
    );
    await create('fps=100').open(sink);
    await sink.until(() => sink.ended.length > 0);
    const samples = sink.frames.map(({ encoding, payload }) => {
      if (encoding.kind !== 'raw') return encoding.kind;
      const bytes = Uint8Array.from(payload).buffer;
      const values =
        encoding.dtype === 'uint16'
          ? new Uint16Array(bytes)
          : encoding.dtype === 'float32'
            ? new Float32Array(bytes)
            : new Uint8Array(bytes);
      return [encoding.dtype, encoding.shape, [...values]];
    });
    const bgr = ['uint8', [1, 2, 3], [30, 20, 10, 60, 50, 40]];
    expect(samples).toEqual([
      bgr,
      bgr,
      bgr,
      ['uint16', [1, 2], [1, 65_535]],
      ['uint16', [1, 2, 3], [3, 2, 1, 600, 500, 400]],
      ['uint8', [1, 2], [7, 8]],
      bgr,
      ['float32', [1, 2], [0.5, 1.5]],
    ]);
    expect(sink.rejected).toEqual([]);
  });

  it('restarts with the files that exist at that time', async () => {
    await writeFile(join(folder, '1.jpg'), await jpeg(1));
    await create('fps=100&loop=true').open(sink);
    await sink.until(() => sink.frames.length >= 3);
    await writeFile(join(folder, '2.jpg'), await jpeg(2));
    await sink.until(() => sink.files.includes('2.jpg'));
    expect(sink.ended).toEqual([]);
  });

  it('keeps its rate', async () => {
    for (let n = 0; n < 10; n += 1) await writeFile(join(folder, `${n}.jpg`), await jpeg(n));
    const startMs = performance.now();
    await create('fps=20').open(sink);
    await sink.until(() => sink.ended.length > 0);
    const tookMs = performance.now() - startMs;
    expect(tookMs).toBeGreaterThan(490);
    expect(tookMs).toBeLessThan(1000);
  });

  it('rejects files that are not images, and continues', async () => {
    await writeFile(join(folder, '1.jpg'), 'no image');
    await writeFile(join(folder, '2.png'), Buffer.concat([Buffer.from('\x89PNG\r\n', 'latin1')]));
    await writeFile(join(folder, '3.jpg'), (await jpeg(3)).subarray(0, -20));
    await symlink('/nowhere', join(folder, '4.jpg'));
    await writeFile(join(folder, '5.jpg'), await jpeg(5));
    await create('fps=100').open(sink);
    await sink.until(() => sink.ended.length > 0);
    expect(sink.files).toEqual(['5.jpg']);
    expect(sink.rejected).toHaveLength(4);
  });

  it('skips a pipe, a folder and a huge file with the name of an image', async () => {
    execFileSync('mkfifo', [join(folder, '1.jpg')]);
    await mkdir(join(folder, '2.jpg'));
    await writeFile(join(folder, '3.jpg'), '');
    await truncate(join(folder, '3.jpg'), (64 << 20) + 1);
    await writeFile(join(folder, '4.jpg'), await jpeg(4));
    await create('fps=100').open(sink);
    await sink.until(() => sink.ended.length > 0);
    expect(sink.files).toEqual(['4.jpg']);
    expect(sink.rejected).toEqual([coded('image-unreadable'), coded('image-unreadable'), coded('too-large')]);
  });

  it('fails for a missing folder, a folder without images, or a file', async () => {
    await writeFile(join(folder, 'a.txt'), '');
    await create('').open(sink);
    await sink.until(() => sink.failed.length > 0);
    expect(sink.failed).toEqual([coded('source-unavailable')]);
    const url = (path: string): DirectorySource =>
      new DirectorySource(parseDirectory({ target: path, options: new Map() }));
    await expect(url(join(folder, 'gone')).open(sink)).rejects.toEqual(coded('source-unavailable'));
    await expect(url(join(folder, 'a.txt')).open(sink)).rejects.toEqual(coded('source-unavailable'));
  });
});

describe('a watched folder', () => {
  it('shows the newest file, and each newer one as it appears', async () => {
    await writeFile(join(folder, 'b.jpg'), await jpeg(1));
    await writeFile(join(folder, 'a.jpg'), await jpeg(2));
    await utimes(join(folder, 'b.jpg'), 1000, 1000);
    await create('watch=true').open(sink);
    await sink.until(() => sink.frames.length === 1);
    expect(sink.files).toEqual(['a.jpg']);
    await writeFile(join(folder, 'c.jpg'), await jpeg(3));
    await sink.until(() => sink.frames.length === 2);
    expect(sink.files).toEqual(['a.jpg', 'c.jpg']);
    await filesClockTicked(folder);
    // The same file, written again.
    await writeFile(join(folder, 'a.jpg'), await jpeg(4, 32));
    await sink.until(() => sink.frames.length === 3);
    expect(sink.frames.at(-1)).toMatchObject({ width: 32, message: { file: 'a.jpg' } });
  });

  it('shows a file that is written elsewhere and moved into the folder', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'gearway-'));
    await create('watch=true').open(sink);
    await writeFile(join(elsewhere, 'x'), await jpeg(1));
    await rename(join(elsewhere, 'x'), join(folder, 'x.jpg'));
    await sink.until(() => sink.frames.length === 1);
    await rm(elsewhere, { recursive: true });
  });

  it('never shows an incomplete file, and counts a file that stays incomplete', async () => {
    const whole = await jpeg(1, 320);
    await create('watch=true').open(sink);
    for (let end = 100; end < whole.byteLength; end += 300) {
      await writeFile(join(folder, 'slow.jpg'), whole.subarray(0, end));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect([sink.frames, sink.rejected]).toEqual([[], []]);
    await writeFile(join(folder, 'slow.jpg'), whole);
    await sink.until(() => sink.frames.length === 1);
    expect(Buffer.from(sink.frames[0]!.payload).equals(whole)).toBe(true);
    await writeFile(join(folder, 'z.jpg'), whole.subarray(0, 200));
    await sink.until(() => sink.rejected.length === 1);
    expect(sink.frames).toHaveLength(1);
  });

  it('shows a file that is moved into the folder with an old modification time', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'gearway-'));
    await writeFile(join(folder, 'new.jpg'), await jpeg(1));
    await writeFile(join(elsewhere, 'old.jpg'), await jpeg(2));
    await utimes(join(elsewhere, 'old.jpg'), 1000, 1000);
    await create('watch=true').open(sink);
    await sink.until(() => sink.frames.length === 1);
    await rename(join(elsewhere, 'old.jpg'), join(folder, 'old.jpg'));
    await sink.until(() => sink.frames.length === 2);
    expect(sink.files).toEqual(['new.jpg', 'old.jpg']);
    await rm(elsewhere, { recursive: true });
  });

  it('does not wait for a file that is being written', async () => {
    const whole = await jpeg(1, 320);
    await create('watch=true').open(sink);
    for (let n = 1; n <= 5; n += 1) {
      await writeFile(join(folder, `${n}.jpg`), await jpeg(n));
      // The newest file, but incomplete.
      await writeFile(join(folder, 'slow.jpg'), whole.subarray(0, 100 * n));
      await sink.until(() => sink.files.includes(`${n}.jpg`));
    }
    await writeFile(join(folder, 'slow.jpg'), whole);
    await sink.until(() => sink.files.includes('slow.jpg'));
    expect(new Set(sink.files)).toEqual(new Set(['1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.jpg', 'slow.jpg']));
    expect(sink.frames).toHaveLength(6);
    expect(sink.rejected).toEqual([]);
  });

  it('fails when the folder disappears, and waits for the folder after it is reopened', async () => {
    await writeFile(join(folder, 'first.jpg'), await jpeg(0));
    const source = create('watch=true');
    await source.open(sink);
    // The folder has been read; the source would wait for a folder that disappears before that.
    await sink.until(() => sink.frames.length === 1);
    await rm(folder, { recursive: true });
    await sink.until(() => sink.failed.length > 0);
    expect(sink.failed).toEqual([coded('source-unavailable')]);
    await source.close();
    await source.open(sink);
    await expect.poll(() => source.state()).toBe('the folder does not exist');
    await mkdir(folder);
    await writeFile(join(folder, 'back.jpg'), await jpeg(1));
    await sink.until(() => sink.frames.length === 2);
    expect(source.state()).toBe('running');
    expect(sink.failed).toHaveLength(1);
  });

  it.each(['moved away', 'removed'])(
    'continues with a folder that was %s and recreated between two checks',
    async (how) => {
      await create('watch=true').open(sink);
      await writeFile(join(folder, 'a.jpg'), await jpeg(1));
      await sink.until(() => sink.frames.length === 1);
      // A new folder usually gets the inode of the removed one.
      if (how === 'moved away') await rename(folder, `${folder} away`);
      else rmSync(folder, { recursive: true });
      mkdirSync(folder);
      await rm(`${folder} away`, { recursive: true, force: true });
      await writeFile(join(folder, 'b.jpg'), await jpeg(2));
      await sink.until(() => sink.frames.length === 2);
      // Found through notifications: polling twice per second would find them too late.
      for (let n = 3; n < 33; n += 1) {
        await writeFile(join(folder, `${n}.jpg`), await jpeg(n));
        await sink.until(() => sink.files.at(-1) === `${n}.jpg`);
      }
      expect(sink.failed).toEqual([]);
    },
  );

  it('follows links within the folder, but not out of it', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'gearway-'));
    await writeFile(join(elsewhere, 'secret.jpg'), await jpeg(1));
    await mkdir(join(folder, 'today'));
    await writeFile(join(folder, 'today/7.jpg'), await jpeg(7));
    await writeFile(join(folder, 'today/8.jpg'), await jpeg(8));
    await symlink(join(elsewhere, 'secret.jpg'), join(folder, 'out.jpg'));
    await create('watch=true').open(sink);
    await sink.until(() => sink.rejected.length === 1);
    expect(sink.rejected).toEqual([coded('image-unreadable')]);
    await symlink('today/7.jpg', join(folder, 'latest.jpg'));
    await sink.until(() => sink.frames.length === 1);
    // As `ln -sfn` does.
    await symlink('today/8.jpg', join(folder, 'next'));
    await rename(join(folder, 'next'), join(folder, 'latest.jpg'));
    await sink.until(() => sink.frames.length === 2);
    expect(sink.files).toEqual(['latest.jpg', 'latest.jpg']);
    expect(Buffer.from(sink.frames[1]!.payload).equals(await jpeg(8))).toBe(true);
    await rm(elsewhere, { recursive: true });
  });

  it('reports nothing after it was closed', async () => {
    const source = create('watch=true');
    await source.open(sink);
    await source.close();
    await writeFile(join(folder, 'a.jpg'), await jpeg(1));
    await source.open(sink);
    await sink.until(() => sink.frames.length === 1);
    await source.close();
    await source.close();
    expect(sink.frames).toHaveLength(1);
  });
});
