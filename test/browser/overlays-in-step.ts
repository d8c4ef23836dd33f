import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import jpegTurbo from '@julusian/jpeg-turbo';
import type { Browser, CDPSession, Page } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { burnNumber, NUMBERS, readNumber } from '../bench/picture-number.ts';
import { sharedBrowser } from '../helpers/browsers.ts';
import { ViewerPage } from './viewer-page.ts';

// Pictures and windows are small, because compositing takes most of the time of these tests.
const [WIDTH, HEIGHT] = [320, 180];
const BLOCK = WIDTH / 16;
const FPS = 30;

/** A number as filled boxes, two rows of blocks below the number in the picture. */
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

/**
 * Calls back with each frame that the browser composites, until the callback returns true.
 *
 * @param format `jpeg` is faster.
 */
async function screencast(
  client: CDPSession,
  format: 'jpeg' | 'png',
  isDone: (image: Buffer) => boolean | Promise<boolean>,
): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    client.on('Page.screencastFrame', ({ data, sessionId }) => {
      client.send('Page.screencastFrameAck', { sessionId }).catch(() => undefined);
      Promise.resolve(isDone(Buffer.from(data, 'base64'))).then((isLast) => isLast && resolve(), reject);
    });
  });
  await client.send('Page.startScreencast', {
    format,
    quality: 80,
    maxWidth: WIDTH,
    maxHeight: HEIGHT,
    everyNthFrame: 1,
  });
  await done;
  await client.send('Page.stopScreencast');
}

/** Numbers in the pictures and overlays of composited frames, without those in which either cannot be read. */
async function composited(client: CDPSession, count: number): Promise<{ picture: number; overlay: number }[]> {
  const seen: { picture: number; overlay: number }[] = [];
  await screencast(client, 'jpeg', (image) => {
    const { data: gray, width, height } = jpegTurbo.decompressSync(image, { format: jpegTurbo.FORMAT_GRAY });
    const picture = readNumber(gray, width, height);
    // Without the two upper rows of blocks, the overlay's number is at the position where a picture's number is read.
    const overlay = readNumber(gray.subarray(Math.round((width / 16) * 2) * width), width, height);
    if (picture !== null && overlay !== null) seen.push({ picture, overlay });
    return seen.length >= count;
  });
  return seen;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Positions of the picture, which is gray, and of the slot, which is half red, in composited frames. */
async function boxes(client: CDPSession, count: number): Promise<{ picture: Box; slot: Box }[]> {
  const seen: { picture: Box; slot: Box }[] = [];
  await screencast(client, 'png', async (image) => {
    const { data, info } = await sharp(image).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const boxOf = (isPart: (red: number, green: number) => boolean): Box => {
      let [left, top, right, bottom] = [info.width, info.height, 0, 0];
      for (let y = 0; y < info.height; y += 1) {
        for (let x = 0; x < info.width; x += 1) {
          const at = (y * info.width + x) * 3;
          if (!isPart(data[at]!, data[at + 1]!)) continue;
          if (x < left) left = x;
          if (x >= right) right = x + 1;
          if (y < top) top = y;
          bottom = y + 1;
        }
      }
      return { left, top, right, bottom };
    };
    // The stage is nearly black, and the slot halves the picture's green.
    seen.push({ picture: boxOf((_, green) => green > 25), slot: boxOf((red, green) => red - green > 60) });
    return seen.length >= count;
  });
  return seen;
}

/** Duration of each block of the main thread, and the interval between their starts. */
const [BLOCKED_MS, INTERVAL_MS] = [50, 100];

/** An address that answers any page after {@link BLOCKED_MS}. */
async function serveSlowly(): Promise<{ readonly address: string; readonly server: Server }> {
  const server = createServer((_request, response) => {
    setTimeout(() => response.writeHead(200, { 'access-control-allow-origin': '*' }).end(), BLOCKED_MS);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server };
}

/**
 * Blocks the main thread of a page for half of the time, by synchronous requests: a loop would use half a core. The
 * page must have been opened without its policy, which forbids requests to other origins.
 */
async function block(page: Page, slowAddress: string): Promise<void> {
  await page.evaluate(
    (address, intervalMs) => {
      setInterval(() => {
        const request = new XMLHttpRequest();
        request.open('GET', address, false);
        request.send();
      }, intervalMs);
    },
    slowAddress,
    INTERVAL_MS,
  );
}

/**
 * Changes the view repeatedly, with all fits, rotations and zooms up to 2.4. At a higher zoom, a black block of the
 * picture's number would fill the box, and could not be distinguished from the stage.
 */
const changeViews = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const viewer = document.querySelector('gearway-viewer')!;
    const stage = viewer.shadowRoot!.querySelector('.stage')!;
    let step = 0;
    setInterval(() => {
      step += 1;
      if (step % 3 > 0) {
        const key = step % 6 === 1 ? '0' : '+';
        stage.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true }));
        return;
      }
      Object.assign(viewer, {
        fit: (['contain', 'cover', 'none'] as const)[Math.floor(step / 3) % 3],
        rotate: 90 * (Math.floor(step / 9) % 4),
        mirror: Math.floor(step / 36) % 2 === 1,
      });
    }, 70);
  });

/**
 * Checks composited frames: numbers in pictures and overlays are equal, and the slot is at the picture.
 *
 * @param frames number of composited frames per case.
 * @param cases `all`, or `each once`: each kind of overlay, with a busy main thread for one of them.
 */
export function describeOverlaysInStep(frames: number, cases: 'all' | 'each once'): void {
  describe.concurrent('overlays in step', () => {
    let browser: Browser;
    let gateway: Gateway;
    let url: string;
    let source: NodeJS.Timeout;
    let slow: { readonly address: string; readonly server: Server };
    beforeAll(async () => {
      slow = await serveSlowly();
      browser = await sharedBrowser('chromium');
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
      slow.server.close();
    });

    /** @param isBusy whether the page may be blocked by {@link block}. */
    const open = async (isBusy: boolean): Promise<ViewerPage> => {
      const view = await ViewerPage.open(browser, `${url}viewer?stream=main&bare`);
      await view.page.setViewport({ width: WIDTH, height: HEIGHT });
      if (isBusy) {
        await view.page.setBypassCSP(true);
        await view.page.reload();
      }
      await view.becomes('live');
      return view;
    };

    const USES = [
      { name: 'built-in', draw: () => void (document.querySelector('gearway-viewer')!.overlays = '') },
      {
        name: 'a callback',
        draw: () => {
          document.querySelector('gearway-viewer')!.overlay = (context, message, { width, height }) => {
            const block = width / 16;
            const { n } = message as { n: number };
            for (let index = 0; index < 12; index += 1) {
              for (const inverted of [0, 1]) {
                context.fillStyle = ((n >> (11 - index)) & 1) !== inverted ? '#fff' : '#000';
                context.fillRect((2 + index) * block, height / 2 + (1 + inverted) * block, block, block);
              }
            }
          };
        },
      },
    ];
    const CASES = USES.flatMap((use, index) =>
      [false, true]
        .filter((isBusy) => cases === 'all' || isBusy === (index === 0))
        .map((isBusy) => ({ ...use, isBusy })),
    );

    it.each(CASES)(
      '$name: every composited frame has the overlay of its picture; main thread blocked half the time: $isBusy',
      async ({ draw, isBusy }) => {
        await using view = await open(isBusy);
        await view.page.evaluate(draw);
        if (isBusy) await block(view.page, slow.address);
        const seen = await composited(await view.page.createCDPSession(), frames);
        const wrong = seen.filter(({ picture, overlay }) => picture !== overlay);
        expect(new Set(seen.map(({ picture }) => picture)).size).toBeGreaterThan(frames / 10);
        expect(wrong, `${JSON.stringify(wrong.slice(0, 3))} of ${seen.length}`).toEqual([]);
      },
    );

    it.each(cases === 'all' ? [false, true] : [true])(
      'the slot is at the picture in every composited frame, while the view changes; main thread blocked half the time: %s',
      async (isBusy) => {
        await using view = await open(isBusy);
        await view.page.evaluate(async () => {
          const viewer = document.querySelector('gearway-viewer')!;
          viewer.controls = true;
          await viewer.updateComplete;
          const style = new CSSStyleSheet();
          style.replaceSync(
            'gearway-viewer::part(status), gearway-viewer::part(controls), .label { display: none } [slot] { width: 100%; height: 100%; background: #ff000080 }',
          );
          document.adoptedStyleSheets.push(style);
          const overlay = document.createElement('div');
          overlay.slot = 'overlay';
          viewer.append(overlay);
        });
        await view.where('element.pictureRect !== null');
        await changeViews(view.page);
        if (isBusy) await block(view.page, slow.address);
        const seen = await boxes(await view.page.createCDPSession(), frames);
        const sides = ['left', 'top', 'right', 'bottom'] as const;
        const wrong = seen.filter(({ picture, slot }) =>
          sides.some((side) => Math.abs(picture[side] - slot[side]) > 1),
        );
        expect(new Set(seen.map(({ picture }) => JSON.stringify(picture))).size).toBeGreaterThan(2);
        expect(wrong, `${JSON.stringify(wrong.slice(0, 3))} of ${seen.length}`).toEqual([]);
      },
    );
  });
}
