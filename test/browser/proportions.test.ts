import type { Browser, CDPSession } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { sharedBrowser } from '../helpers/browsers.ts';
import { ViewerPage } from './viewer-page.ts';

/** Sizes of the pictures, in turn; their proportions differ. */
const SIZES = [
  [320, 240],
  [640, 360],
  [240, 320],
] as const;

/** Number of pictures of one size after another. */
const IN_A_ROW = 4;

/** Number of composited frames per fit. */
const FRAMES = 60;

/** A gray picture with a green square in its centre, of half the picture's height. */
function square([width, height]: readonly [number, number]): Promise<Uint8Array> {
  const [left, top] = [width / 2 - height / 4, height / 4];
  const data = new Uint8Array(width * height * 3).fill(90);
  for (let y = top; y < top + height / 2; y += 1) {
    for (let x = left; x < left + height / 2; x += 1) data.set([0, 230, 0], (y * width + x) * 3);
  }
  return encodeJpeg({ data, width, height, channels: 3 });
}

/** Size of the green square in a composited frame, in pixels; zero if there is none. */
async function squareSize(image: Buffer): Promise<readonly [number, number]> {
  const { data, info } = await sharp(image).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const [xs, ys] = [new Set<number>(), new Set<number>()];
  for (let pixel = 0; pixel < info.width * info.height; pixel += 1) {
    if (data[pixel * 3 + 1]! < 160 || data[pixel * 3]! > 60) continue;
    xs.add(pixel % info.width);
    ys.add(Math.floor(pixel / info.width));
  }
  return [xs.size, ys.size];
}

async function composited(client: CDPSession, count: number): Promise<Buffer[]> {
  const images: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    client.on('Page.screencastFrame', ({ data, sessionId }) => {
      images.push(Buffer.from(data, 'base64'));
      client.send('Page.screencastFrameAck', { sessionId }).catch(() => undefined);
      if (images.length === count) resolve();
    });
    client.send('Page.startScreencast', { format: 'png', everyNthFrame: 1 }).catch(reject);
  });
  await client.send('Page.stopScreencast');
  return images;
}

describe('a stream whose proportions change', () => {
  let browser: Browser;
  let gateway: Gateway;
  let url: string;
  let source: NodeJS.Timeout;
  beforeAll(async () => {
    browser = await sharedBrowser('chromium');
    gateway = await createGateway({ port: 0, source: 'push:' });
    ({ url } = await gateway.listen());
    const pictures = await Promise.all(SIZES.map(square));
    let number = 0;
    source = setInterval(() => {
      number += 1;
      gateway.stream.push(pictures[Math.floor(number / IN_A_ROW) % pictures.length]!);
    }, 50);
  });
  afterAll(async () => {
    clearInterval(source);
    await browser.close();
    await gateway.close();
  });

  it.each(['contain', 'cover'])('is never shown stretched, with fit %s', async (fit) => {
    await using view = await ViewerPage.open(browser, `${url}viewer?stream=main&bare&fit=${fit}`);
    await view.page.setViewport({ width: 240, height: 180 });
    await view.becomes('live');
    const images = await composited(await view.page.createCDPSession(), FRAMES);
    const sizes = await Promise.all(images.map(squareSize));
    // JPEG blurs the edges of the square. A stretched square would be at least a third wider or higher.
    expect(sizes.filter(([width, height]) => Math.abs(width - height) > 0.1 * height)).toEqual([]);
    // The scale depends on the proportions: several sizes prove that pictures of different proportions were on screen.
    expect(new Set(sizes.map(([, height]) => Math.round(height / 4))).size).toBeGreaterThan(1);
    expect(
      await view.page.evaluate(
        () => document.querySelector('gearway-viewer')!.shadowRoot!.querySelectorAll('canvas').length,
      ),
    ).toBeLessThanOrEqual(2);
  });
});
