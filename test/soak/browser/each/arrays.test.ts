import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway } from '../../../../gateway/create-gateway.ts';
import { decoded, difference, JPEG_MEAN, mjpegPicture, viewerPixels } from '../../../browser/picture-checks.ts';
import { ViewerPage } from '../../../browser/viewer-page.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../../helpers/browsers.ts';
import { peers } from '../../../helpers/peers.ts';

interface LinearArray {
  readonly name: string;
  /** `exact`: contains extreme values, which a JPEG does not preserve. */
  readonly kind: 'exact' | 'smooth';
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Base64, like the next two. */
  readonly npy: string;
  readonly rgb: string;
  /** Little-endian. */
  readonly samples: string;
}

const [WIDTH, HEIGHT] = [32, 24];

const LINEAR = 'range=type&noData=none&nanColor=000';

/** Types with both byte orders, shapes, and two pictures of each. */
const CASES = 21 * 4 * 2;

/** Computed by NumPy. */
async function linearArrays(): Promise<LinearArray[]> {
  const { stdout } = await promisify(execFile)(
    peers().python,
    [fileURLToPath(new URL('../../../peers/linear_arrays.py', import.meta.url))],
    { maxBuffer: 64 << 20 },
  );
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LinearArray);
}

describe('arrays', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  it('show every type, byte order and shape as computed by NumPy: in the viewer, as PNG and as MJPEG', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    await using page = await ViewerPage.open(browser, `${url}viewer`);
    await page.page.evaluate(() => {
      const viewer = document.querySelector('gearway-viewer')!;
      // The mapping is linear over all values of the type, and the pixels are opaque.
      Object.assign(viewer, { range: 'type', noData: 'none', nanColor: '#000' });
      viewer.addEventListener('gearway-frame', ({ detail }) =>
        document.body.setAttribute('data-sequence', String(detail.sequence)),
      );
    });
    const problems: string[] = [];
    const check = (what: string, { mean, most }: { mean: number; most: number }, isExact: boolean): void => {
      if (isExact ? most > 0 : mean > JPEG_MEAN)
        problems.push(`${what}: differs by ${mean.toFixed(2)} on average, ${most} at most`);
    };
    let count = 0;
    for (const array of await linearArrays()) {
      count += 1;
      const answer = await fetch(`${url}streams/main/frames`, {
        method: 'POST',
        body: Buffer.from(array.npy, 'base64'),
        headers: { 'content-type': 'application/x-npy' },
      });
      const { sequence } = (await answer.json()) as { sequence: number };
      const expected = Buffer.from(array.rgb, 'base64');
      await page.page.waitForFunction(`document.body.getAttribute('data-sequence') === '${sequence}'`);
      const shown = await viewerPixels(page);
      expect(shown.sequence).toBe(sequence);
      const isJpegForViewers = array.dtype === 'uint8';
      // JPEG distorts extreme values in 8-bit samples.
      if (array.kind === 'smooth' || !isJpegForViewers)
        check(`viewer ${array.name}`, difference(shown.rgb, expected), !isJpegForViewers);
      if (array.kind === 'exact') {
        const isSixteenBit = /u(?:int1|2)/.test(array.dtype);
        const png = Buffer.from(
          await (await fetch(`${url}streams/main/snapshot.png?${isSixteenBit ? '' : LINEAR}`)).arrayBuffer(),
        );
        if (isSixteenBit) {
          // 16 bits are kept exactly.
          const { data, info } = await sharp(png)
            .toColourspace((array.shape[2] ?? 1) === 1 ? 'grey16' : 'rgb16')
            .raw({ depth: 'ushort' })
            .toBuffer({ resolveWithObject: true });
          const values = new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
          const samples = Buffer.from(array.samples, 'base64');
          const channels = array.shape[2] ?? 1;
          const wrong = Array.from({ length: WIDTH * HEIGHT }, (_, pixel) => pixel).filter(
            (pixel) =>
              samples.readUInt16LE(2 * pixel * channels) !== values[pixel * info.channels + (channels === 1 ? 0 : 2)],
          );
          if (wrong.length > 0) problems.push(`PNG ${array.name}: ${wrong.length} samples differ`);
        } else {
          check(`PNG ${array.name}`, difference(await decoded(png), expected), true);
        }
      } else if (array.dtype !== 'bool' || (array.shape[2] ?? 1) === 1) {
        check(`MJPEG ${array.name}`, difference(await decoded(await mjpegPicture(url, LINEAR)), expected), false);
      }
    }
    expect(problems).toEqual([]);
    expect(count).toBe(CASES);
    expect(await page.state).toBe('live');
  });
});
