import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway } from '../../../gateway/create-gateway.ts';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { ViewerPage } from '../viewer-page.ts';

const [WIDTH, HEIGHT] = [160, 120];

/** A slope with steps; `n` changes every sample. */
const sample = (at: number, n: number): number =>
  (at % WIDTH) * 3 + Math.floor(at / WIDTH) * 5 + ((at * 7) % 5) + n * 100;

const ARRAYS = {
  uint16: (n: number) => Uint16Array.from({ length: WIDTH * HEIGHT }, (_, at) => sample(at, n)),
  int32: (n: number) => Int32Array.from({ length: WIDTH * HEIGHT }, (_, at) => 300 - sample(at, n)),
  float32: (n: number) => Float32Array.from({ length: WIDTH * HEIGHT }, (_, at) => sample(at, n) / 1000),
  float64: (n: number) => Float64Array.from({ length: WIDTH * HEIGHT }, (_, at) => sample(at, n) / 1000),
} as const;

describe('gearway-viewer with packed arrays', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  it.each(Object.keys(ARRAYS) as (keyof typeof ARRAYS)[])(
    'has the exact samples of %s arrays over a limited bit rate, each with its message',
    async (dtype) => {
      await using gateway = await createGateway({ source: 'push:', port: 0 });
      const { url } = await gateway.listen();
      await using page = await ViewerPage.open(browser, `${url}viewer`);
      let n = 0;
      const publishing = setInterval(() => {
        n = (n + 1) % 20;
        const data = new Uint8Array(ARRAYS[dtype](n).buffer);
        gateway.stream.push({ dtype, shape: [HEIGHT, WIDTH], data }, { message: { n } });
      }, 50);
      try {
        await page.page.evaluate(() => {
          document.querySelector<GearwayViewer>('gearway-viewer')!.maxBitrate = 1_000_000;
        });
        await page.where("element.stats.delivery.startsWith('lossless 160×120, ')");
        const snapshot = await page.page.evaluate(async () => {
          const { encoding, message, blob } = (await document
            .querySelector<GearwayViewer>('gearway-viewer')!
            .snapshot('received'))!;
          return { encoding, message: message as { n: number }, bytes: [...new Uint8Array(await blob.arrayBuffer())] };
        });
        expect(snapshot.encoding).toBe(dtype);
        const expected = new Uint8Array(ARRAYS[dtype](snapshot.message.n).buffer);
        expect(Buffer.compare(Buffer.from(snapshot.bytes), expected)).toBe(0);
      } finally {
        clearInterval(publishing);
      }
    },
  );
});
