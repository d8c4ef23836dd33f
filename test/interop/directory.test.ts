import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderPerTest } from '../helpers/folder-per-test.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer, VGA } from '../helpers/peers.ts';
import { jpegOf } from '../helpers/pictures.ts';
import { nextFile, watchFiles, type Written } from '../helpers/seen-files.ts';

let folder: string;
folderPerTest((path) => (folder = path));

describe('a folder of images', () => {
  it('arrives unmodified at a viewer and at a real NetGear client, with files of every kind', async () => {
    await using writer = new PythonPeer('image_writer.py', { folder, how: 'formats' });
    await writer.waitFor('done');
    const written = writer.events<Written>('wrote');
    const [port] = await freePorts(1);
    await using gateway = await LocalGateway.start(
      '--source',
      `directory:${folder}?fps=4&loop=true`,
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
    await using client = new PythonPeer('client.py', { port, hash: true, ...VGA });
    await using viewer = await watchFiles(gateway);
    const seen = new Map<string, string>();
    // The first round of the folder began before there was a viewer.
    while (seen.size < written.length) {
      const { file, sha1 } = await nextFile(viewer);
      seen.set(file, sha1);
    }
    expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(written.map(({ name, sha1 }) => [name, sha1])));
    // The pixels of JPEGs depend on NetGear's decoder.
    for (const { name, n, sha1 } of written.filter(({ name: file }) => !file.endsWith('.jpg'))) {
      expect(await client.waitFor<Written>('frame', (frame) => frame.n === n), name).toMatchObject({ sha1 });
    }
    expect((await gateway.status()).counters.rejected).toBe(0);
  });

  it.each(['', '&onDemand=true', '&watch=true'])(
    'is refused with a message if it does not exist, with %j',
    async (option) => {
      const gateway = new GatewayProcess(
        '--source',
        `directory:${folder}/gone?${option === '&watch=true' ? 'watch=true' : `fps=2${option}`}`,
      );
      if (option === '&onDemand=true') {
        // The source is on demand: the folder has not been read.
        await using asleep = gateway;
        await using viewer = await watchFiles(asleep);
        expect(
          (await asleep.statusWhere('a failure', ({ source }) => source.lastError !== null)).source.lastError,
        ).toContain('cannot be read');
        expect(viewer.socket.readyState).toBe(viewer.socket.OPEN);
        return;
      }
      expect(await gateway.exited).not.toBe(0);
      expect(gateway.stderr.all.join('\n')).toContain(`gearway: the folder ${folder}/gone cannot be read`);
    },
  );
});

describe('a folder that is watched', () => {
  it('counts incomplete files, and continues', async () => {
    const whole = jpegOf(20_000);
    await writeFile(join(folder, 'half.jpg'), whole.subarray(0, 12_000));
    await writeFile(join(folder, 'pre-allocated.jpg'), '');
    await truncate(join(folder, 'pre-allocated.jpg'), 20_000);
    await using gateway = await LocalGateway.start('--source', `directory:${folder}?watch=true`);
    await using viewer = await watchFiles(gateway);
    const { counters } = await gateway.statusWhere('two rejections', ({ counters: { rejected } }) => rejected === 2);
    expect(counters.lastRejections).toEqual(
      expect.arrayContaining([
        'jpeg-invalid: half.jpg: the JPEG has no EOI: it is truncated',
        'image-invalid: pre-allocated.jpg: unknown file format, expected JPEG, PNG, BMP, WebP, TIFF or .npy',
      ]),
    );
    expect(counters.received).toBe(0);
    await writeFile(join(folder, 'half.jpg'), whole);
    expect(await nextFile(viewer)).toMatchObject({
      file: 'half.jpg',
      sha1: createHash('sha1').update(whole).digest('hex'),
    });
    expect((await gateway.status()).counters).toMatchObject({ received: 1, rejected: 2 });
  });

  it('is live again after the folder was missing; viewers stay connected and get the reason', async () => {
    await writeFile(join(folder, 'a.jpg'), jpegOf(2000));
    await using gateway = await LocalGateway.start('--source', `directory:${folder}?watch=true`);
    await using viewer = await watchFiles(gateway);
    expect((await nextFile(viewer)).file).toBe('a.jpg');
    await rm(folder, { recursive: true });
    const { reason } = await gateway.statusWhere(
      'the reason',
      ({ state, source }) => state === 'stale' && source.state === 'the folder does not exist',
    );
    expect(reason).toContain(`the folder ${folder} cannot be read`);
    await mkdir(folder);
    await writeFile(join(folder, 'b.jpg'), jpegOf(3000));
    expect((await nextFile(viewer)).file).toBe('b.jpg');
    expect((await gateway.status()).source).toMatchObject({ state: 'running', restarts: 1 });
    expect(await readFile(join(folder, 'b.jpg'))).toEqual(jpegOf(3000));
  });
});
