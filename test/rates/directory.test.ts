import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderPerTest } from '../helpers/folder-per-test.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { withinAttempts } from '../helpers/within-attempts.ts';
import { jpegOf } from '../helpers/pictures.ts';
import { nextFile, type SeenFile, watchFiles } from '../helpers/seen-files.ts';

let folder: string;
folderPerTest((path) => (folder = path));

describe('a folder of images', () => {
  it('is shown in the order of its names and at its rate, and ends', async () => {
    for (let n = 0; n < 40; n += 1) await writeFile(join(folder, `img ${n}.jpg`), jpegOf(2000 + n));
    await withinAttempts(
      async () => {
        await using gateway = await GatewayProcess.start('--source', `directory:${folder}?fps=25&onDemand=true`);
        await using viewer = await watchFiles(gateway);
        const seen: SeenFile[] = [];
        while (seen.length < 40) seen.push(await nextFile(viewer));
        expect(seen.map(({ file }) => file)).toEqual(Array.from({ length: 40 }, (_none, n) => `img ${n}.jpg`));
        expect((await gateway.statusWhere('the end', ({ state }) => state === 'ended')).reason).toBe(
          `all images of ${folder} have been shown`,
        );
        return (seen[39]!.atMs - seen[0]!.atMs) / 39;
      },
      (frameTimeMs) => {
        expect(frameTimeMs).toBeGreaterThan(39.6);
        expect(frameTimeMs).toBeLessThan(40.4);
      },
    );
  });
});

describe('a folder that is watched', () => {
  it('shows a new file immediately, even among thousands', async () => {
    for (let n = 0; n < 5000; n += 1) await writeFile(join(folder, `${n}.jpg`), jpegOf(1500));
    await using gateway = await GatewayProcess.start('--source', `directory:${folder}?watch=true`);
    await using viewer = await watchFiles(gateway);
    await nextFile(viewer);
    await withinAttempts(
      async () => {
        const delays: number[] = [];
        for (let n = 0; n < 20; n += 1) {
          const name = `new ${performance.now()}.jpg`;
          const beganMs = performance.now();
          await writeFile(join(folder, name), jpegOf(1600 + n));
          expect((await nextFile(viewer)).file).toBe(name);
          delays.push(performance.now() - beganMs);
        }
        return delays.sort((a, b) => a - b)[10]!;
      },
      (medianMs) => expect(medianMs).toBeLessThan(50),
    );
  });
});
