import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderPerTest } from '../helpers/folder-per-test.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { jpegOf } from '../helpers/pictures.ts';
import { nextFile, type SeenFile, watchFiles, type Written } from '../helpers/seen-files.ts';

let folder: string;
folderPerTest((path) => (folder = path));

describe('a folder that is watched', () => {
  it('shows only complete pictures, and finally the newest, while many programs write as fast as they can', async () => {
    await using gateway = await GatewayProcess.start('--source', `directory:${folder}?watch=true`);
    await using viewer = await watchFiles(gateway);
    const writers = [
      { how: 'rename', prefix: 'a ', frames: 300, fps: 100 },
      { how: 'rename', prefix: "b'", frames: 150, fps: 50, extension: 'npy' },
      { how: 'slow', prefix: 'slow', frames: 5, fps: 100 },
      { how: 'slow', prefix: 'slow', frames: 3, fps: 100, extension: 'png' },
      { how: 'in-place', prefix: 'latest', frames: 100, fps: 30 },
    ].map((options) => new PythonPeer('image_writer.py', { folder, ...options }));
    try {
      const seen: SeenFile[] = [];
      const watching = (async () => {
        for (let frame = await nextFile(viewer); frame.file !== 'zz last.jpg'; frame = await nextFile(viewer))
          seen.push(frame);
      })();
      await Promise.all(writers.map((writer) => writer.waitFor('done', undefined, 60_000)));
      await writeFile(join(folder, 'zz last.jpg'), jpegOf(5000));
      await watching;
      const known = new Set(
        writers.flatMap((writer) => writer.events<Written>('writes').map(({ name, sha1 }) => `${name} ${sha1}`)),
      );
      const unknown = seen.filter(({ file, sha1 }) => !known.has(`${file} ${sha1}`));
      expect(unknown).toEqual([]);
      expect(seen.length).toBeGreaterThan(50);
      // No picture arrives twice, except in the file that is repeatedly rewritten with one of fifty pictures.
      const once = seen.filter(({ file }) => !file.startsWith('latest')).map(({ file }) => file);
      expect(new Set(once).size).toBe(once.length);
      expect((await gateway.status()).counters.rejected).toBe(0);
    } finally {
      await Promise.all(writers.map((writer) => writer[Symbol.asyncDispose]()));
    }
  });
});
