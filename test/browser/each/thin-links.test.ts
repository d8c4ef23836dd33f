import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { burnNumber, readNumber } from '../../bench/picture-number.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { ViewerPage } from '../viewer-page.ts';

const [WIDTH, HEIGHT] = [1280, 720];
const FPS = 15;

/** Numbered pictures of squares of 8 pixels, which a smaller picture still shows. */
const PICTURES: Promise<readonly Uint8Array[]> = (async () => {
  const squares = new Uint8Array(WIDTH * HEIGHT * 3);
  for (let at = 0; at < squares.length; at += 1)
    squares[at] = (Math.imul(((at / 24) | 0) % 160, 2_654_435_761) ^ Math.imul((at / (24 * WIDTH)) | 0, 40_503)) & 127;
  return Promise.all(
    Array.from({ length: 60 }, (_, n) => {
      const data = squares.slice();
      burnNumber(data, WIDTH, HEIGHT, n);
      return encodeJpeg({ data, width: WIDTH, height: HEIGHT, channels: 3 });
    }),
  );
})();

/** Publishes numbered pictures. */
class Camera implements AsyncDisposable {
  readonly gateway: Gateway;
  readonly #timer: NodeJS.Timeout;
  readonly #pictures: readonly Uint8Array[];
  #n = 0;

  private constructor(gateway: Gateway, pictures: readonly Uint8Array[]) {
    this.gateway = gateway;
    this.#pictures = pictures;
    this.#timer = setInterval(() => this.#publish(), 1000 / FPS);
  }

  static async start(): Promise<Camera> {
    const gateway = await createGateway({ source: 'push:', port: 0 });
    return new Camera(gateway, await PICTURES);
  }

  #publish(): void {
    this.gateway.stream.push(this.#pictures[this.#n % this.#pictures.length]!, {
      message: { n: this.#n % this.#pictures.length },
    });
    this.#n += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.gateway.close();
  }
}

/** Number in the picture and in the message of one snapshot. */
async function numbers(
  page: ViewerPage,
): Promise<{ picture: number | null; message: number | null; encoding: string; width: number }> {
  const { gray, width, height, message, encoding } = await page.page.evaluate(async () => {
    const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
    const snapshot = (await viewer.snapshot())!;
    const bitmap = await createImageBitmap(snapshot.blob);
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    let text = '';
    for (let at = 0; at < data.length; at += 4) text += String.fromCharCode(data[at]!);
    return {
      gray: btoa(text),
      width: bitmap.width,
      height: bitmap.height,
      message: (snapshot.message as { n: number }).n,
      encoding: viewer.stats.encoding,
    };
  });
  return { picture: readNumber(Buffer.from(gray, 'base64'), width, height), message, encoding, width };
}

describe('gearway-viewer with small pictures', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });
  const set = (page: ViewerPage, properties: Partial<Pick<GearwayViewer, 'quality' | 'noWorker'>>): Promise<void> =>
    page.page.evaluate(
      (values) => void Object.assign(document.querySelector<GearwayViewer>('gearway-viewer')!, values),
      properties,
    );

  it('shows H.264 with the message of each picture, and returns to the source', async () => {
    await using camera = await Camera.start();
    const { url } = await camera.gateway.listen();
    await using page = await ViewerPage.open(browser, `${url}viewer?stream=main`);
    await page.where(`element.stats.encoding === 'jpeg' && element.stats.width === ${WIDTH}`);
    await set(page, { quality: 'half' });
    await page.where("element.stats.encoding === 'h264'");
    for (let seen = 0; seen < 10; seen += 1) {
      const { picture, message, width } = await numbers(page);
      expect(picture).not.toBeNull();
      expect(picture).toBe(message);
      expect(width).toBeLessThan(WIDTH);
    }
    await page.where("element.stats.delivery.startsWith('H.264 ')");
    await set(page, { quality: 'source' });
    await page.where(`element.stats.encoding === 'jpeg' && element.stats.width === ${WIDTH}`);
    const { picture, message } = await numbers(page);
    expect(picture).toBe(message);
  });

  it('gets the frames of the source while its page is busy, and names the page as the reason', async () => {
    await using camera = await Camera.start();
    const { url } = await camera.gateway.listen();
    await using page = await ViewerPage.open(browser, `${url}viewer?stream=main`);
    await set(page, { noWorker: true });
    await page.where("element.stats.encoding === 'jpeg'");
    await page.page.evaluate(() =>
      setInterval(() => {
        for (const untilMs = performance.now() + 1500; performance.now() < untilMs;);
      }, 2000),
    );
    await page.where("element.stats.delivery.endsWith(': busy page')");
    const stats = await page.page.evaluate(async () => {
      const seen = [];
      for (let second = 0; second < 5; second += 1) {
        await new Promise((resolve) => setTimeout(resolve, 1000));
        seen.push(document.querySelector<GearwayViewer>('gearway-viewer')!.stats);
      }
      return seen.map(({ encoding, width, isLinkLimited }) => ({ encoding, width, isLinkLimited }));
    });
    expect(stats).toEqual(stats.map(() => ({ encoding: 'jpeg', width: WIDTH, isLinkLimited: false })));
  });

  it('inspects the pixels of the smaller picture that is shown, by coordinates of the source, and reports that', async () => {
    await using camera = await Camera.start();
    const { url } = await camera.gateway.listen();
    await using page = await ViewerPage.open(browser, `${url}viewer?stream=main`);
    await page.page.evaluate(() =>
      Object.assign(document.querySelector<GearwayViewer>('gearway-viewer')!, { quality: 'half', inspector: true }),
    );
    await page.where("element.stats.encoding === 'h264'");
    /** Values of 40 points of the paused picture, and its own pixels there. */
    const inspected = (): Promise<
      readonly { x: number; y: number; dtype: string; rendition: unknown; values: readonly number[]; seen: number[] }[]
    > =>
      page.page.evaluate(async () => {
        const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
        viewer.pause();
        const sequence = async (): Promise<number> => (await viewer.inspectPixel(0, 0))!.sequence;
        // Frames in transit may still arrive. In that case, everything is read again from the new frame.
        for (;;) {
          const before = await sequence();
          const bitmap = await createImageBitmap((await viewer.snapshot('png'))!.blob);
          const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
          context.drawImage(bitmap, 0, 0);
          const found = [];
          for (let at = 0; at < 40; at += 1) {
            const [x, y] = [(at * 331) % 1280, (at * 97) % 720];
            const { dtype, rendition, values } = (await viewer.inspectPixel(x, y))!;
            const [own, down] = [
              Math.floor(((x + 0.5) * bitmap.width) / 1280),
              Math.floor(((y + 0.5) * bitmap.height) / 720),
            ];
            found.push({
              x,
              y,
              dtype,
              rendition,
              values,
              seen: [...context.getImageData(own, down, 1, 1).data.subarray(0, 3)],
            });
          }
          if ((await sequence()) === before) return found;
        }
      });
    const points = await inspected();
    for (const { dtype, rendition, values, seen } of points) {
      expect(dtype).toBe('h264');
      expect(rendition).toEqual({ width: WIDTH / 2, height: HEIGHT / 2 });
      expect(values).toEqual(seen);
    }
    expect(new Set(points.map(({ values }) => values.join())).size).toBeGreaterThan(10);
    expect(
      await page.page.evaluate(() => document.querySelector<GearwayViewer>('gearway-viewer')!.inspectPixel(1280, 0)),
    ).toBeNull();
    const area = await page.page.evaluate(() =>
      document.querySelector<GearwayViewer>('gearway-viewer')!.inspectArea({ x: 100, y: 50, width: 20, height: 10 }),
    );
    expect(area).toMatchObject({ area: { x: 100, y: 50, width: 20, height: 10 }, channels: [{ count: 50 }, {}, {}] });
    await page.page.mouse.move(100, 200);
    await page.where(
      "/: R \\d+ G \\d+ B \\d+ in H\\.264 of 640×360$/.test(element.shadowRoot.querySelector('.inspector .value').textContent)",
    );
  });

  it('shows smaller JPEGs without a worker', async () => {
    await using camera = await Camera.start();
    const { url } = await camera.gateway.listen();
    await using page = await ViewerPage.open(browser, `${url}viewer?stream=main`);
    await set(page, { quality: 'quarter', noWorker: true });
    await page.where(
      `element.place === 'main' && element.stats.encoding === 'jpeg' && element.stats.width === ${WIDTH / 4}`,
    );
    const { picture, message } = await numbers(page);
    expect(picture).toBe(message);
  });
});
