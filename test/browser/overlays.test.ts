import jpegTurbo from '@julusian/jpeg-turbo';
import type { Browser, CDPSession } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { burnNumber, NUMBERS, readNumber } from '../bench/picture-number.ts';
import { launchBrowser } from '../helpers/browsers.ts';
import { ViewerPage } from './viewer-page.ts';

const [WIDTH, HEIGHT] = [640, 360];
const BLOCK = WIDTH / 16;
const FPS = 30;

/** Number of composited frames that are checked. */
const FRAMES = Number(process.env['GEARWAY_OVERLAY_FRAMES'] ?? '120');

/** A number as filled boxes, two rows below that in the picture. */
function numberBoxes(number: number): unknown[] {
  return Array.from({ length: 12 }, (_, index) => index).flatMap((index) =>
    [false, true].map((inverted) => {
      const isOne = ((number >> (11 - index)) & 1) === 1;
      const [x, y] = [(2 + index) * BLOCK, HEIGHT / 2 + (inverted ? 2 : 1) * BLOCK];
      return {
        box: [x + 2, y + 2, x + BLOCK - 2, y + BLOCK - 2],
        color: isOne !== inverted ? '#fff' : '#000',
        fill: 1,
      };
    }),
  );
}

/** Numbers in the pictures and overlays of composited frames, without those in which either cannot be read. */
async function composited(client: CDPSession, count: number): Promise<{ picture: number; overlay: number }[]> {
  const seen: { picture: number; overlay: number }[] = [];
  let resolve: () => void = () => undefined;
  const done = new Promise<void>((call) => (resolve = call));
  client.on('Page.screencastFrame', ({ data, sessionId }) => {
    client.send('Page.screencastFrameAck', { sessionId }).catch(() => undefined);
    const {
      data: gray,
      width,
      height,
    } = jpegTurbo.decompressSync(Buffer.from(data, 'base64'), { format: jpegTurbo.FORMAT_GRAY });
    const picture = readNumber(gray, width, height);
    // The overlay's number is where the picture's would be, two rows of blocks further up.
    const overlay = readNumber(gray.subarray(Math.round((width / 16) * 2) * width), width, height);
    if (picture !== null && overlay !== null) seen.push({ picture, overlay });
    if (seen.length >= count) resolve();
  });
  await client.send('Page.startScreencast', {
    format: 'jpeg',
    quality: 80,
    maxWidth: WIDTH,
    maxHeight: HEIGHT,
    everyNthFrame: 1,
  });
  await done;
  await client.send('Page.stopScreencast');
  return seen;
}

describe('overlays in step', () => {
  let browser: Browser;
  let gateway: Gateway;
  let url: string;
  let source: NodeJS.Timeout;
  beforeAll(async () => {
    browser = await launchBrowser('chromium');
    gateway = await createGateway({ port: 0, source: 'push:' });
    ({ url } = await gateway.listen());
    let number = 0;
    let isEncoding = false;
    const push = async (): Promise<void> => {
      if (isEncoding) return;
      isEncoding = true;
      number = (number + 1) % NUMBERS;
      const data = new Uint8Array(WIDTH * HEIGHT * 3).fill(90);
      burnNumber(data, WIDTH, HEIGHT, number);
      const jpeg = await encodeJpeg({ data, width: WIDTH, height: HEIGHT, channels: 3 });
      gateway.stream.push(jpeg, { message: { n: number, overlay: numberBoxes(number) } as never });
      isEncoding = false;
    };
    source = setInterval(() => void push().catch(console.error), 1000 / FPS);
  });
  afterAll(async () => {
    clearInterval(source);
    await browser.close();
    await gateway.close();
  });

  const open = async (): Promise<ViewerPage> => {
    const view = await ViewerPage.open(browser, `${url}viewer?stream=main&bare`);
    await view.page.setViewport({ width: WIDTH, height: HEIGHT });
    await view.becomes('live');
    return view;
  };

  const USES = [
    { name: 'built-in', draw: () => void (document.querySelector('gearway-viewer')!.overlays = '') },
    {
      name: 'a callback',
      draw: () => {
        const block = 40;
        document.querySelector('gearway-viewer')!.overlay = (context, message) => {
          const { n } = message as { n: number };
          for (let index = 0; index < 12; index += 1) {
            for (const inverted of [0, 1]) {
              context.fillStyle = ((n >> (11 - index)) & 1) !== inverted ? '#fff' : '#000';
              context.fillRect((2 + index) * block, 180 + (1 + inverted) * block, block, block);
            }
          }
        };
      },
    },
  ];
  const CASES = USES.flatMap((use) => [false, true].map((isBusy) => ({ ...use, isBusy })));

  it.each(CASES)(
    '$name: every composited frame has the overlay of its picture; main thread blocked half the time: $isBusy',
    async ({ draw, isBusy }) => {
      await using view = await open();
      await view.page.evaluate(draw);
      if (isBusy) {
        await view.page.evaluate(() => {
          setInterval(() => {
            for (const end = performance.now() + 50; performance.now() < end;);
          }, 100);
        });
      }
      const seen = await composited(await view.page.createCDPSession(), FRAMES);
      const wrong = seen.filter(({ picture, overlay }) => picture !== overlay);
      expect(new Set(seen.map(({ picture }) => picture)).size).toBeGreaterThan(FRAMES / 10);
      expect(wrong, `of ${seen.length}`).toEqual([]);
    },
  );
});
