import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { inASpell } from '../helpers/in-a-spell.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { jpegOf } from '../helpers/pictures.ts';
import { Viewer } from '../helpers/viewer.ts';

interface Written {
  readonly name: string;
  readonly n: number;
  readonly sha1: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** What a viewer had of a frame. */
interface Seen {
  readonly file: string;
  readonly sha1: string;
  readonly atMs: number;
}

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gearway \"d'ir\" ü;-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function watchWith(gateway: GatewayProcess): Promise<Viewer> {
  const viewer = await Viewer.connect(await gateway.url);
  await viewer.hello();
  viewer.want({ raw: true });
  return viewer;
}

async function nextFrame(viewer: Viewer): Promise<Seen> {
  const { sequence, payload, message } = await viewer.until('frame');
  viewer.ack(sequence);
  return { file: (message as { file: string }).file, sha1: createHash('sha1').update(payload).digest('hex'), atMs: performance.now() };
}

describe('a folder of images', () => {
  it('comes in the order of its names and at its rate, and ends', async () => {
    for (let n = 0; n < 40; n += 1) await writeFile(join(folder, `img ${n}.jpg`), jpegOf(2000 + n));
    await inASpell(async () => {
      await using gateway = await GatewayProcess.start('--source', `directory:${folder}?fps=25&onDemand=true`);
      await using viewer = await watchWith(gateway);
      const seen: Seen[] = [];
      while (seen.length < 40) seen.push(await nextFrame(viewer));
      expect(seen.map(({ file }) => file)).toEqual(Array.from({ length: 40 }, (_none, n) => `img ${n}.jpg`));
      expect((await gateway.statusWhere('the end', ({ state }) => state === 'ended')).reason).toBe(`all images of ${folder} have been shown`);
      return (seen[39]!.atMs - seen[0]!.atMs) / 39;
    }, (frameTimeMs) => {
      expect(frameTimeMs).toBeGreaterThan(39.6);
      expect(frameTimeMs).toBeLessThan(40.4);
    });
  });
});

describe('a folder that is watched', () => {
  it('shows whole pictures only, and at last the newest, while many write as fast as they can', async () => {
    await using gateway = await GatewayProcess.start('--source', `directory:${folder}?watch=true`);
    await using viewer = await watchWith(gateway);
    const writers = [
      { how: 'rename', prefix: 'a ', frames: 300, fps: 100 },
      { how: 'rename', prefix: "b'", frames: 150, fps: 50, extension: 'npy' },
      { how: 'slow', prefix: 'slow', frames: 5, fps: 100 },
      { how: 'slow', prefix: 'slow', frames: 3, fps: 100, extension: 'png' },
      { how: 'in-place', prefix: 'latest', frames: 100, fps: 30 },
    ].map((options) => new PythonPeer('image_writer.py', { folder, ...options }));
    try {
      const seen: Seen[] = [];
      const watching = (async () => {
        for (let frame = await nextFrame(viewer); frame.file !== 'zz last.jpg'; frame = await nextFrame(viewer)) seen.push(frame);
      })();
      await Promise.all(writers.map((writer) => writer.waitFor('done', undefined, 60_000)));
      await writeFile(join(folder, 'zz last.jpg'), jpegOf(5000));
      await watching;
      const known = new Set(writers.flatMap((writer) => writer.events<Written>('writes').map(({ name, sha1 }) => `${name} ${sha1}`)));
      const unknown = seen.filter(({ file, sha1 }) => !known.has(`${file} ${sha1}`));
      expect(unknown).toEqual([]);
      expect(seen.length).toBeGreaterThan(50);
      // None comes twice, but for the file that is always written again with one of fifty pictures.
      const once = seen.filter(({ file }) => !file.startsWith('latest')).map(({ file }) => file);
      expect(new Set(once).size).toBe(once.length);
      expect((await gateway.status()).counters.rejected).toBe(0);
    } finally {
      await Promise.all(writers.map((writer) => writer[Symbol.asyncDispose]()));
    }
  });

  it('shows a new file at once, also among thousands', async () => {
    for (let n = 0; n < 5000; n += 1) await writeFile(join(folder, `${n}.jpg`), jpegOf(1500));
    await using gateway = await GatewayProcess.start('--source', `directory:${folder}?watch=true`);
    await using viewer = await watchWith(gateway);
    await nextFrame(viewer);
    await inASpell(async () => {
      const delays: number[] = [];
      for (let n = 0; n < 20; n += 1) {
        const name = `new ${performance.now()}.jpg`;
        const beganMs = performance.now();
        await writeFile(join(folder, name), jpegOf(1600 + n));
        expect((await nextFrame(viewer)).file).toBe(name);
        delays.push(performance.now() - beganMs);
      }
      return delays.sort((a, b) => a - b)[10]!;
    }, (medianMs) => expect(medianMs).toBeLessThan(50));
  });
});
