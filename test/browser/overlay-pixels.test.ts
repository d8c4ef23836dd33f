import type { Browser } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import type { Value } from '../../shared/protocol.ts';
import { sharedBrowser } from '../helpers/browsers.ts';
import { ViewerPage } from './viewer-page.ts';

const [WIDTH, HEIGHT] = [160, 120];

/** Level of all channels of the picture. */
const LEVEL = 40;

/** Box of the element in the window, in CSS px. */
const ELEMENT = { left: 20, top: 30, width: 400, height: 250 };

/** Whether a pixel belongs to the mask, which is a pattern without symmetry. */
const isInside = (x: number, y: number, seed: number): boolean =>
  (Math.imul(x + 7 * y + seed, 2_654_435_761) >>> 16) % 5 < 2;

/** A mask of the whole picture with one pixel per pixel of the picture, as runs in columns. */
function runs(): number[] {
  const counts: number[] = [];
  let [wasInside, length] = [false, 0];
  for (let x = 0; x < WIDTH; x += 1) {
    for (let y = 0; y < HEIGHT; y += 1) {
      if (isInside(x, y, 1) !== wasInside) {
        counts.push(length);
        [wasInside, length] = [!wasInside, 0];
      }
      length += 1;
    }
  }
  return [...counts, length];
}

/** A coarse mask in a part of the picture, at fractions of a pixel. */
const PNG = { width: 23, height: 17, box: [31.5, 12.25, 140, 101] } as const;

async function png(): Promise<string> {
  const data = Buffer.from(
    Array.from({ length: PNG.width * PNG.height }, (_, at) =>
      isInside(at % PNG.width, Math.floor(at / PNG.width), 2) ? 255 : 0,
    ),
  );
  const file = sharp(data, { raw: { width: PNG.width, height: PNG.height, channels: 1 } });
  return (await file.png().toBuffer()).toString('base64');
}

const VIEWS = [
  { fit: 'contain', rotate: 0, mirror: false, zooms: 0 },
  { fit: 'contain', rotate: 90, mirror: true, zooms: 4 },
  { fit: 'cover', rotate: 180, mirror: false, zooms: 0 },
  { fit: 'cover', rotate: 270, mirror: true, zooms: 7 },
  { fit: 'none', rotate: 90, mirror: false, zooms: 2 },
  { fit: 'none', rotate: 0, mirror: true, zooms: 0 },
] as const;

interface Shot {
  readonly pixels: Buffer;
  readonly width: number;
}

describe('pixels of overlays', () => {
  let browser: Browser;
  let gateway: Gateway;
  let view: ViewerPage;
  let source: NodeJS.Timeout;
  let message: Value = null;
  beforeAll(async () => {
    browser = await sharedBrowser('chromium');
    gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    view = await ViewerPage.open(browser, `${url}viewer?stream=main`);
    await view.becomes('waiting');
    await view.page.evaluate((box) => {
      const viewer = document.querySelector('gearway-viewer')!;
      viewer.style.cssText = `position: fixed; left: ${box.left}px; top: ${box.top}px; width: ${box.width}px; height: ${box.height}px; aspect-ratio: auto`;
      Object.assign(viewer, { overlays: '', controls: true });
      const style = new CSSStyleSheet();
      style.replaceSync('gearway-viewer::part(status), gearway-viewer::part(controls), .label { display: none }');
      document.adoptedStyleSheets.push(style);
      viewer.addEventListener('gearway-frame', ({ detail }) => {
        document.body.dataset['shown'] = JSON.stringify(detail.message);
      });
    }, ELEMENT);
    const picture = await encodeJpeg({
      data: new Uint8Array(WIDTH * HEIGHT * 3).fill(LEVEL),
      width: WIDTH,
      height: HEIGHT,
      channels: 3,
    });
    source = setInterval(() => gateway.stream.push(picture, { message }), 100);
  });
  afterAll(async () => {
    clearInterval(source);
    await browser.close();
    await gateway.close();
  });

  /** Shows an overlay in a view, and takes a screenshot when it is on screen. */
  async function shoot(
    overlay: Value,
    { zooms = 0, ...settings }: Partial<Omit<(typeof VIEWS)[number], 'zooms'>> & { readonly zooms?: number } = {},
  ): Promise<Shot> {
    message = { overlay };
    await view.page.waitForFunction(
      (text: string) => document.body.dataset['shown'] === text,
      {},
      JSON.stringify(message),
    );
    await view.page.evaluate(
      async (wanted, times) => {
        const viewer = Object.assign(document.querySelector('gearway-viewer')!, wanted);
        await viewer.updateComplete;
        const stage = viewer.shadowRoot!.querySelector('.stage')!;
        for (const key of ['0', ...Array.from({ length: times }, () => '+')])
          stage.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true }));
        await viewer.updateComplete;
        // Waits until two frames have been drawn in this view and presented.
        for (let count = 0; count < 2; count += 1)
          await new Promise((resolve) => viewer.addEventListener('gearway-frame', resolve, { once: true }));
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
      },
      { fit: 'contain', rotate: 0, mirror: false, ...settings },
      zooms,
    );
    // On a busy machine, the drawing of the worker is composited later.
    let screenshot = await view.page.screenshot();
    for (let before = null; before === null || !Buffer.from(screenshot).equals(before);) {
      before = screenshot;
      screenshot = await view.page.screenshot();
    }
    const { data, info } = await sharp(screenshot).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    if ((await view.read('overlayProblem')) === null) return { pixels: data, width: info.width };
    // A busy machine had no time to draw everything.
    await view.where('element.overlayProblem === null');
    return shoot(overlay, { zooms, ...settings });
  }

  it.each(VIEWS)(
    'are those of masks as runs and as PNG, with fit $fit, rotated by $rotate, mirrored: $mirror, zoomed $zooms times',
    async (settings) => {
      const shot = await shoot(
        [
          { mask: { size: [HEIGHT, WIDTH], counts: runs() }, color: '#0f0', label: '' },
          { mask: { png: await png(), box: PNG.box }, color: '#f00', label: '' },
        ],
        settings,
      );
      const corners = await view.page.evaluate(
        ({ left, top }) => {
          const viewer = document.querySelector('gearway-viewer')!;
          return [
            [0.5, 0.5],
            [1.5, 0.5],
            [0.5, 1.5],
          ].map(([x, y]) => viewer.toPicture(left + x!, top + y!)!);
        },
        { left: ELEMENT.left, top: ELEMENT.top },
      );
      const [origin, across, down] = corners as [
        { x: number; y: number },
        { x: number; y: number },
        { x: number; y: number },
      ];
      const [x1, y1, x2, y2] = PNG.box;
      let [checked, insideRuns, insidePng] = [0, 0, 0];
      const wrong: string[] = [];
      for (let row = 0; row < ELEMENT.height; row += 1) {
        for (let column = 0; column < ELEMENT.width; column += 1) {
          const x = origin.x + column * (across.x - origin.x) + row * (down.x - origin.x);
          const y = origin.y + column * (across.y - origin.y) + row * (down.y - origin.y);
          // Edges of the areas are blended with the background.
          const isNear = (value: number, edges: readonly number[]): boolean =>
            edges.some((edge) => Math.abs(value - edge) < 1);
          const isOut = x < 0 || y < 0 || x > WIDTH || y > HEIGHT;
          if (isOut || isNear(x, [0, x1, x2, WIDTH]) || isNear(y, [0, y1, y2, HEIGHT])) continue;
          const [cellX, cellY] = [((x - x1) / (x2 - x1)) * PNG.width, ((y - y1) / (y2 - y1)) * PNG.height];
          // A position on the edge of two pixels belongs to either.
          const isTie = [x, y, cellX, cellY].some((value) => Math.abs(value - Math.round(value)) < 1e-3);
          if (isTie) continue;
          const isInPng = x > x1 && x < x2 && y > y1 && y < y2 && isInside(Math.floor(cellX), Math.floor(cellY), 2);
          const isInRuns = isInside(Math.floor(x), Math.floor(y), 1);
          const at = ((ELEMENT.top + row) * shot.width + ELEMENT.left + column) * 3;
          const [red, green] = [shot.pixels[at]!, shot.pixels[at + 1]!];
          // The colours have an opacity of 0.45, red above green.
          const over = (level: number, color: number): number => level * 0.55 + color * 0.45;
          const behind = isInRuns ? [over(LEVEL, 0), over(LEVEL, 255)] : [LEVEL, LEVEL];
          const expected = isInPng ? [over(behind[0]!, 255), over(behind[1]!, 0)] : behind;
          if (Math.abs(red - expected[0]!) > 3 || Math.abs(green - expected[1]!) > 3)
            wrong.push(
              `${column}, ${row} (${x.toFixed(3)}, ${y.toFixed(3)}): ${red} ${green}, expected ${expected.join(' ')}`,
            );
          checked += 1;
          insideRuns += Number(isInRuns);
          insidePng += Number(isInPng);
        }
      }
      expect(wrong.slice(0, 5), `${wrong.length} of ${checked}`).toEqual([]);
      expect(checked).toBeGreaterThan(10_000);
      expect(Math.min(insideRuns, insidePng)).toBeGreaterThan(1000);
    },
  );

  it('show complete labels at all four edges', async () => {
    const label = async (x: number, y: number): Promise<{ left: number; top: number; rows: string[] }> => {
      // A line of one point: nothing but the label is drawn.
      const object = { line: [x, y], color: '#ffe14d', label: 'label 95 %' };
      const { pixels, width } = await shoot([object], { fit: 'cover' });
      const start = (ELEMENT.top * width + ELEMENT.left) * 3;
      const colorAt = (column: number, row: number): string =>
        pixels.subarray(start + (row * width + column) * 3, start + (row * width + column) * 3 + 3).join();
      const background = Array.from({ length: 3 }, () => LEVEL).join();
      const places = Array.from({ length: ELEMENT.width * ELEMENT.height }, (_, at) => at)
        .map((at) => [at % ELEMENT.width, Math.floor(at / ELEMENT.width)] as const)
        .filter(([column, row]) => colorAt(column, row) !== background);
      const [columns, rows] = [places.map(([column]) => column), places.map(([, row]) => row)];
      const [left, top, right, bottom] = [
        Math.min(...columns),
        Math.min(...rows),
        Math.max(...columns) + 1,
        Math.max(...rows) + 1,
      ];
      return {
        left,
        top,
        rows: Array.from({ length: bottom - top }, (_, row) =>
          Array.from({ length: right - left }, (__, column) => colorAt(left + column, top + row)).join(' '),
        ),
      };
    };
    const middle = await label(WIDTH / 2, HEIGHT / 2);
    expect(middle.rows).toHaveLength(18);
    // The picture covers the box, 25 px of it above and below.
    for (const [name, x, y, expected] of [
      ['left', 0, HEIGHT / 2, { left: 0 }],
      ['right', WIDTH - 1, HEIGHT / 2, { left: ELEMENT.width - middle.rows[0]!.split(' ').length }],
      ['top', WIDTH / 2, 11, { top: 0 }],
      ['bottom', WIDTH / 2, HEIGHT - 10, { top: ELEMENT.height - 18 }],
    ] as const) {
      const { rows, ...place } = await label(x, y);
      expect(place, name).toMatchObject(expected);
      expect(rows, name).toEqual(middle.rows);
    }
  });
});
