import type { Browser } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createGateway, type Gateway } from '../../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import type { Fit } from '../../../web/viewer/gearway-viewer.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { ViewerPage } from '../viewer-page.ts';

const [WIDTH, HEIGHT] = [320, 240];

/** Red rises from left to right and green from top to bottom, from 40 to 240; blue is 200, unlike the stage. */
const level = (position: number, size: number): number => 40 + (position * 200) / size;

async function gradient(): Promise<Uint8Array> {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, index) => {
    const pixel = Math.floor(index / 3);
    return [200, level(Math.floor(pixel / WIDTH) + 0.5, HEIGHT), level((pixel % WIDTH) + 0.5, WIDTH)][index % 3]!;
  });
  return encodeJpeg({ data, width: WIDTH, height: HEIGHT, channels: 3 });
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The element's box, at fractions of a pixel; the part outside of the window is not needed. */
const ELEMENT: Box = { left: 20.25, top: 31.5, right: 20.25 + 401.5, bottom: 31.5 + 250.75 };

/** Like {@link ELEMENT}, with another size and aspect ratio. */
const SMALLER: Box = { ...ELEMENT, right: 20.25 + 300.5, bottom: 31.5 + 219.5 };

const FITS: readonly Fit[] = ['contain', 'cover', 'none'];
const VIEWS = FITS.flatMap((fit) =>
  [0, 90, 180, 270].flatMap((rotate) => [false, true].map((mirror) => ({ fit, rotate, mirror }))),
);

describe('the position of the picture', () => {
  let browser: Browser;
  let gateway: Gateway;
  let view: ViewerPage;
  let source: NodeJS.Timeout;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
    gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    view = await ViewerPage.open(browser, `${url}viewer?stream=main`);
    await view.becomes('waiting');
    await view.page.evaluate(() => {
      const viewer = document.querySelector('gearway-viewer')!;
      // A busy machine looks like a slow link, and the colours of a smaller picture are not exact enough.
      viewer.quality = 'source';
      const style = new CSSStyleSheet();
      style.replaceSync('gearway-viewer::part(status), gearway-viewer::part(controls), .label { display: none }');
      document.adoptedStyleSheets.push(style);
      const overlay = document.createElement('div');
      overlay.slot = 'overlay';
      viewer.append(overlay);
    });
    await resize(ELEMENT);
    // Without further pictures, the stream would become stale, and its last picture gray.
    const picture = await gradient();
    source = setInterval(() => gateway.stream.push(picture), 100);
    await view.where('element.pictureRect !== null');
  });
  afterAll(async () => {
    clearInterval(source);
    await browser.close();
    await gateway.close();
  });

  beforeEach(async () => {
    await resize(ELEMENT);
    await view.page.evaluate(() => {
      const picture = document.querySelector('gearway-viewer')!.shadowRoot!.querySelector('.picture')!;
      // A double click shows the whole picture if it is zoomed.
      if (picture.classList.contains('zoomed')) picture.dispatchEvent(new MouseEvent('dblclick'));
    });
  });

  const resize = (box: Box): Promise<void> =>
    view.page.evaluate(({ left, top, right, bottom }) => {
      document.querySelector('gearway-viewer')!.style.cssText =
        `position: fixed; left: ${left}px; top: ${top}px; width: ${right - left}px; height: ${bottom - top}px; aspect-ratio: auto`;
    }, box);

  /** Sets a view; resolves when it is on screen. */
  const show = (settings: { fit: Fit; rotate: number; mirror: boolean }): Promise<void> =>
    view.page.evaluate(async (wanted) => {
      const viewer = Object.assign(document.querySelector('gearway-viewer')!, wanted);
      await viewer.updateComplete;
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }, settings);

  /** Boxes as the page reports them, and a screenshot of the window. */
  const look = async (): Promise<{
    overlay: Box;
    reported: Box;
    pixels: Buffer;
    windowWidth: number;
    windowHeight: number;
  }> => {
    const boxes = await view.page.evaluate(() => {
      const viewer = document.querySelector('gearway-viewer')!;
      const box = ({ left, top, right, bottom }: DOMRect) => ({ left, top, right, bottom });
      return {
        overlay: box(viewer.querySelector('[slot=overlay]')!.getBoundingClientRect()),
        reported: box(viewer.pictureRect!),
      };
    });
    const { data, info } = await sharp(await view.page.screenshot())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { ...boxes, pixels: data, windowWidth: info.width, windowHeight: info.height };
  };

  /** Bounding box of all pixels of the picture. */
  const shownBox = ({ pixels, windowWidth, windowHeight }: Awaited<ReturnType<typeof look>>): Box => {
    let box: Box = { left: Infinity, top: Infinity, right: 0, bottom: 0 };
    for (let y = 0; y < windowHeight; y += 1) {
      for (let x = 0; x < windowWidth; x += 1) {
        if (pixels[(y * windowWidth + x) * 3 + 2]! < 100) continue;
        box = {
          left: Math.min(box.left, x),
          top: Math.min(box.top, y),
          right: Math.max(box.right, x + 1),
          bottom: Math.max(box.bottom, y + 1),
        };
      }
    }
    return box;
  };

  /** Checks that slot and `pictureRect` are where the picture is drawn, and that `toPicture` returns their positions. */
  const check = async (name: string, element: Box): Promise<void> => {
    const seen = await look();
    const shown = shownBox(seen);
    for (const [what, box] of [
      ['slot', seen.overlay],
      ['pictureRect', seen.reported],
    ] as const) {
      const visible: Box = {
        left: Math.max(box.left, element.left),
        top: Math.max(box.top, element.top),
        right: Math.min(box.right, element.right),
        bottom: Math.min(box.bottom, element.bottom),
      };
      for (const side of ['left', 'top', 'right', 'bottom'] as const)
        expect(Math.abs(visible[side] - shown[side]), `${name}: ${side} of the ${what}`).toBeLessThanOrEqual(1);
    }
    const places = [
      [0.1, 0.1],
      [0.9, 0.2],
      [0.5, 0.5],
      [0.2, 0.8],
      [0.85, 0.9],
    ].map(
      ([x, y]) =>
        [
          Math.floor(shown.left + (shown.right - shown.left) * x!),
          Math.floor(shown.top + (shown.bottom - shown.top) * y!),
        ] as const,
    );
    const found = await view.page.evaluate((centres) => {
      const viewer = document.querySelector('gearway-viewer')!;
      return centres.map(([x, y]) => {
        const inPicture = viewer.toPicture(x + 0.5, y + 0.5)!;
        return { inPicture, back: viewer.toClient(inPicture.x, inPicture.y)! };
      });
    }, places);
    for (const [index, [x, y]] of places.entries()) {
      const { inPicture, back } = found[index]!;
      const at = (y * seen.windowWidth + x) * 3;
      // Tolerance of 6 levels for JPEG and window pixels.
      expect(Math.abs(seen.pixels[at]! - level(inPicture.x, WIDTH)), `${name}: x at ${x}, ${y}`).toBeLessThan(6);
      expect(Math.abs(seen.pixels[at + 1]! - level(inPicture.y, HEIGHT)), `${name}: y at ${x}, ${y}`).toBeLessThan(6);
      expect(back.x).toBeCloseTo(x + 0.5, 6);
      expect(back.y).toBeCloseTo(y + 0.5, 6);
    }
  };

  /** Repeats the check, because a busy machine composites the worker's pictures late. */
  const checked = (name: string, element = ELEMENT): Promise<void> =>
    vi.waitFor(() => check(name, element), { timeout: 30_000, interval: 100 });

  it.each(VIEWS)(
    'is known exactly with fit $fit, rotated by $rotate, mirrored: $mirror, as a whole, zoomed and resized',
    async (settings) => {
      await show(settings);
      await checked('whole');
      // Zooms to five times the size, around a corner, which remains visible.
      await view.page.evaluate(() => {
        const viewer = document.querySelector('gearway-viewer')!;
        const picture = viewer.shadowRoot!.querySelector('.picture')!;
        const [box, shown] = [picture.getBoundingClientRect(), viewer.pictureRect!];
        const [clientX, clientY] = [Math.max(box.left, shown.left) + 5, Math.max(box.top, shown.top) + 5];
        picture.dispatchEvent(
          new WheelEvent('wheel', { deltaY: -160, ctrlKey: true, clientX, clientY, cancelable: true }),
        );
      });
      await show(settings);
      await checked('zoomed');
      await resize(SMALLER);
      await show(settings);
      await checked('resized', SMALLER);
    },
  );

  it('is reported when it changes, and only then', async () => {
    await show({ fit: 'contain', rotate: 0, mirror: false });
    const events = await view.page.evaluate(async () => {
      const viewer = document.querySelector('gearway-viewer')!;
      const events: { rotate: number; mirror: boolean; scale: number }[] = [];
      viewer.addEventListener('gearway-view', ({ detail: { rotate, mirror, scale } }) =>
        events.push({ rotate, mirror, scale }),
      );
      viewer.rotate = 180;
      await viewer.updateComplete;
      viewer.requestUpdate();
      await viewer.updateComplete;
      viewer.mirror = true;
      await viewer.updateComplete;
      return events;
    });
    const scale = 250.75 / HEIGHT;
    expect(events.map((event) => ({ ...event, scale: Math.round(event.scale * 1e3) }))).toEqual([
      { rotate: 180, mirror: false, scale: Math.round(scale * 1e3) },
      { rotate: 180, mirror: true, scale: Math.round(scale * 1e3) },
    ]);
  });

  it('is known in a page that scales the element', async () => {
    await show({ fit: 'contain', rotate: 0, mirror: false });
    const found = await view.page.evaluate(() => {
      const viewer = document.querySelector('gearway-viewer')!;
      viewer.style.transform = 'scale(0.5)';
      const { left, top, width, height } = viewer.querySelector('[slot=overlay]')!.getBoundingClientRect();
      const reported = viewer.pictureRect!;
      const centre = viewer.toPicture(left + width / 2, top + height / 2)!;
      viewer.style.transform = '';
      return { sizes: [width, reported.width, height, reported.height], centre };
    });
    expect(found.sizes[0]).toBeCloseTo(found.sizes[1]!, 1);
    expect(found.sizes[2]).toBeCloseTo(found.sizes[3]!, 1);
    expect(found.centre.x).toBeCloseTo(WIDTH / 2, 1);
    expect(found.centre.y).toBeCloseTo(HEIGHT / 2, 1);
  });
});
