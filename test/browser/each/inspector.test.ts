import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway } from '../../../gateway/create-gateway.ts';
import type { Value } from '../../../shared/protocol.ts';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { ViewerPage } from '../viewer-page.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const [WIDTH, HEIGHT] = [97, 61];

/** A value that identifies its pixel; some are missing. */
const valueAt = (x: number, y: number): number => ((x * 31 + y * 57) % 11 === 0 ? 0 : 500 + x * 40 + y);

const depth = (): Uint8Array => {
  const samples = new Uint16Array(WIDTH * HEIGHT);
  for (let y = 0; y < HEIGHT; y += 1) for (let x = 0; x < WIDTH; x += 1) samples[y * WIDTH + x] = valueAt(x, y);
  return new Uint8Array(samples.buffer);
};

/** Fit, rotation, mirror and zoom. */
const VIEWS = [
  { fit: 'contain', rotate: 0, mirror: false, zooms: 0 },
  { fit: 'contain', rotate: 90, mirror: false, zooms: 0 },
  { fit: 'cover', rotate: 180, mirror: true, zooms: 2 },
  { fit: 'none', rotate: 270, mirror: true, zooms: 5 },
  { fit: 'contain', rotate: 270, mirror: false, zooms: 9 },
] as const;

const POINTS_PER_VIEW = 70;

const CAMERA = { fx: 80, fy: 90, cx: 48, cy: 30 };

/** Metres between the surfaces at two pixels, in millimetres of depth. */
function distanceOf([x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): number {
  const inSpace = (x: number, y: number): number[] => {
    const z = valueAt(x, y) / 1000;
    return [((x - CAMERA.cx) * z) / CAMERA.fx, ((y - CAMERA.cy) * z) / CAMERA.fy, z];
  };
  const [from, to] = [inSpace(x1, y1), inSpace(x2, y2)];
  return Math.hypot(...from.map((value, axis) => value - to[axis]!));
}

describe('inspector', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  async function open(message: Value = null): Promise<{ page: ViewerPage } & AsyncDisposable> {
    const gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    const page = await ViewerPage.open(browser, `${url}viewer`);
    await page.becomes('waiting');
    gateway.stream.push({ dtype: 'uint16', shape: [HEIGHT, WIDTH], data: depth() }, { message });
    await page.becomes('live');
    await page.page.evaluate(async () => {
      const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
      Object.assign(viewer, { inspector: true, unit: 'mm', controls: true, colorBar: true });
      await viewer.updateComplete;
    });
    await page.where(
      `element.shadowRoot.querySelector('.inspector') !== null && element.stats.width === ${WIDTH} && element.pictureRect !== null`,
    );
    return {
      page,
      async [Symbol.asyncDispose]() {
        await page[Symbol.asyncDispose]();
        await gateway.close();
      },
    };
  }

  it.each([1, 1.5, 3])(
    'shows the value of the pixel under the pointer, at %d device pixels per CSS pixel, in every view',
    async (deviceScaleFactor) => {
      await using opened = await open();
      const { page } = opened;
      await page.page.setViewport({ width: 613, height: 457, deviceScaleFactor }).catch(() => undefined);
      const found = await page.page.evaluate(
        async (views, count) => {
          const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
          const stage = viewer.shadowRoot!.querySelector('.stage')!;
          let seed = 12_345;
          const random = (): number => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
          const results: { x: number; y: number; values: readonly number[]; isNoData: boolean; isBack: boolean }[] = [];
          for (const { zooms, ...view } of views) {
            Object.assign(viewer, view);
            await viewer.updateComplete;
            const press = (key: string): boolean =>
              stage.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true }));
            press('0');
            for (let time = 0; time < zooms; time += 1) press('+');
            const box = viewer.getBoundingClientRect();
            for (let tries = 0, hits = 0; hits < count && tries < 50 * count; tries += 1) {
              const client = { x: box.x + random() * box.width, y: box.y + random() * box.height };
              const { x, y } = viewer.toPicture(client.x, client.y)!;
              const pixel = await viewer.inspectPixel(x, y);
              if (pixel === null) continue;
              hits += 1;
              const back = viewer.toClient(x, y)!;
              results.push({
                x: pixel.x,
                y: pixel.y,
                values: pixel.values,
                isNoData: pixel.isNoData,
                isBack: Math.hypot(back.x - client.x, back.y - client.y) < 0.01,
              });
            }
          }
          return results;
        },
        VIEWS,
        POINTS_PER_VIEW,
      );
      expect(found).toHaveLength(VIEWS.length * POINTS_PER_VIEW);
      expect(
        found.filter(
          ({ x, y, values, isNoData, isBack }) =>
            values[0] !== valueAt(x, y) || isNoData !== (valueAt(x, y) === 0) || !isBack,
        ),
      ).toEqual([]);
      // The checks cover many different pixels.
      expect(new Set(found.map(({ x, y }) => y * WIDTH + x)).size).toBeGreaterThan(200);
    },
  );

  it('shows values at the pointer, measures an area by dragging, and changes the range', async () => {
    await using opened = await open();
    const { page } = opened;
    const at = (x: number, y: number): Promise<{ x: number; y: number }> =>
      page.page.evaluate(
        (px, py) => {
          const { x: left, y: top } = document.querySelector<GearwayViewer>('gearway-viewer')!.toClient(px, py)!;
          return { x: left, y: top };
        },
        x + 0.5,
        y + 0.5,
      );
    const reads = (text: string): Promise<void> =>
      page.where(`element.shadowRoot.querySelector('.inspector').textContent.includes(${JSON.stringify(text)})`);
    const [mouse, press] = [
      page.page.mouse,
      (name: string) =>
        page.page.evaluate((label) => {
          [
            ...document
              .querySelector('gearway-viewer')!
              .shadowRoot!.querySelectorAll<HTMLButtonElement>('.inspector button'),
          ]
            .find(({ textContent }) => textContent === label)!
            .click();
        }, name),
    ];
    const pixel = await at(70, 9);
    await mouse.move(pixel.x, pixel.y);
    await reads(`x 70, y 9: ${valueAt(70, 9)} mm`);
    await press('Area');
    const [from, to] = [await at(60, 5), await at(69, 14)];
    await mouse.move(from.x, from.y);
    await mouse.down();
    await mouse.move(to.x, to.y, { steps: 3 });
    await mouse.up();
    await reads('10×10: mean ');
    const area = await page.page.evaluate(() =>
      document.querySelector<GearwayViewer>('gearway-viewer')!.inspectArea({ x: 60, y: 5, width: 10, height: 10 }),
    );
    const values = Array.from({ length: 100 }, (_, index) =>
      valueAt(60 + (index % 10), 5 + Math.floor(index / 10)),
    ).filter((value) => value !== 0);
    expect(area!.channels[0]).toMatchObject({
      count: values.length,
      min: Math.min(...values),
      max: Math.max(...values),
    });
    expect(area!.channels[0]!.mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 9);
    await press('Range');
    const before = (await page.read('shownArray'))!;
    await mouse.down();
    await mouse.move(to.x + 40, to.y, { steps: 2 });
    await mouse.up();
    await page.where(`element.shownArray.high - element.shownArray.low > ${before.high - before.low}`);
    expect(await page.read('range')).toMatch(/^-?[\d.]+,[\d.]+$/);
  });

  it('measures distances from the data by clicks, drag, touch and keys, in a rotated, mirrored and zoomed view', async () => {
    await using opened = await open({ intrinsics: CAMERA });
    const { page } = opened;
    const { mouse, touchscreen, keyboard } = page.page;
    const client = (x: number, y: number): Promise<{ x: number; y: number }> =>
      page.page.evaluate(
        (px, py) => {
          const { x: left, y: top } = document.querySelector<GearwayViewer>('gearway-viewer')!.toClient(px, py)!;
          return { x: left, y: top };
        },
        x + 0.5,
        y + 0.5,
      );
    const reads = (text: string): Promise<void> =>
      page.where(`element.shadowRoot.querySelector('.inspector').textContent.includes(${JSON.stringify(text)})`);
    const readsDistance = (from: readonly [number, number], to: readonly [number, number]): Promise<void> => {
      const meters = distanceOf(from, to);
      return reads(
        `${meters >= 1 ? meters.toFixed(3) : Number(meters.toPrecision(4))} m from x ${from[0]}, y ${from[1]} to x ${to[0]}, y ${to[1]}`,
      );
    };
    const click = async ([x, y]: readonly [number, number]): Promise<void> => {
      const at = await client(x, y);
      await mouse.click(at.x, at.y);
    };
    await page.page.evaluate(async () => {
      const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
      Object.assign(viewer, { rotate: 90, mirror: true });
      await viewer.updateComplete;
      const stage = viewer.shadowRoot!.querySelector<HTMLElement>('.stage')!;
      stage.focus();
      for (let time = 0; time < 3; time += 1)
        stage.dispatchEvent(new KeyboardEvent('keydown', { key: '+', bubbles: true, composed: true }));
    });
    const [from, to, other] = [
      [40, 20],
      [60, 41],
      [45, 33],
    ] as const;
    await click(from);
    await reads(`x ${from[0]}, y ${from[1]}: `);
    await keyboard.press('d');
    await click(from);
    await click(to);
    await readsDistance(from, to);
    // The third click starts a new distance, and the pointer moves its other end.
    await click(to);
    const at = await client(...other);
    await mouse.move(at.x, at.y);
    await readsDistance(to, other);
    await mouse.click(at.x, at.y);
    // A drag measures a distance as well.
    const start = await client(...from);
    await mouse.move(start.x, start.y);
    await mouse.down();
    await mouse.move(at.x, at.y, { steps: 3 });
    await mouse.up();
    await readsDistance(from, other);
    // A pixel without depth is reported in words.
    const hole = [48, 26] as const;
    expect(valueAt(...hole)).toBe(0);
    await click(from);
    await click(hole);
    await reads(`No distance: no depth at x ${hole[0]}, y ${hole[1]}`);
    for (const [x, y] of [other, to]) {
      const position = await client(x, y);
      await touchscreen.tap(position.x, position.y);
    }
    await readsDistance(other, to);
    // Keys measure from the pixel to which they have moved.
    await keyboard.press('Escape');
    await keyboard.press('d');
    await keyboard.press('ArrowLeft');
    await page.where(
      `element.shadowRoot.querySelector('.inspector [role=status]').textContent.includes('m from x ${to[0]}, y ${to[1]} to x ${to[0] - 1}, y ${to[1]}')`,
    );
  });

  it('offers distances only if the message has intrinsics, and reports the reason for a missing one to scripts', async () => {
    await using opened = await open({ unit: 'mm' });
    const { page } = opened;
    const found = await page.page.evaluate(async () => {
      const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
      const pixel = await viewer.inspectPixel(5, 5);
      const distance = await viewer.inspectDistance({ x: 1, y: 1 }, { x: 5.7, y: 5.2 });
      return { hasIntrinsics: pixel!.hasIntrinsics, distance };
    });
    expect(found.hasIntrinsics).toBe(false);
    expect(found.distance).toMatchObject({ meters: null, from: { x: 1, y: 1 }, to: { x: 5, y: 5 } });
    expect(found.distance!.reason).toMatch(/^distances require the intrinsics of the camera in the message/);
    expect(
      await page.page.evaluate(() =>
        [...document.querySelector('gearway-viewer')!.shadowRoot!.querySelectorAll('.inspector button')].map(
          ({ textContent }) => textContent,
        ),
      ),
    ).toEqual(['Area', 'Range']);
  });

  it('is small on a phone, keeps away from the finger, and passes axe with each tool', async () => {
    await using opened = await open({ intrinsics: CAMERA });
    const { page } = opened;
    const { touchscreen, keyboard } = page.page;
    await page.page.setViewport({ width: 390, height: 293 });
    const shadow = "document.querySelector('gearway-viewer').shadowRoot";
    const box = (): Promise<{ top: number; bottom: number; height: number }> =>
      page.page.evaluate(() => {
        const { top, bottom, height } = document
          .querySelector('gearway-viewer')!
          .shadowRoot!.querySelector('.inspector')!
          .getBoundingClientRect();
        return { top, bottom, height };
      });
    const violations = async (): Promise<unknown> => {
      await page.page.evaluate(AXE);
      return page.page.evaluate(
        "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))",
      );
    };
    const tap = async (y: number): Promise<void> => {
      const before = await page.page.evaluate(`${shadow}.querySelector('.inspector .value').textContent`);
      await touchscreen.tap(120, y);
      await page.page.waitForFunction(
        `${shadow}.querySelector('.inspector .value').textContent !== ${JSON.stringify(before)}`,
      );
    };
    for (const y of [170, 130, 160, 115]) {
      await tap(y);
      const { top, bottom, height } = await box();
      expect({ isAbove: bottom < 293 / 2, isBelow: top > 293 / 2 }).toEqual({
        isAbove: y > 293 / 2,
        isBelow: y < 293 / 2,
      });
      expect(height).toBeLessThan(75);
    }
    expect(await violations()).toEqual([]);
    for (const key of ['a', 'd', 'w'] as const) {
      await page.page.evaluate(`${shadow}.querySelector('.stage').focus()`);
      await keyboard.press(key);
      await keyboard.press('ArrowRight');
      await page.page.waitForFunction(`${shadow}.querySelector('.inspector [aria-pressed=true]') !== null`);
      expect(await violations(), key).toEqual([]);
      await keyboard.press('Escape');
    }
    // Each tool is reached by Tab, and Escape ends it from there.
    await page.page.evaluate(`${shadow}.querySelector('.stage').focus()`);
    // The name of the stream.
    await keyboard.press('Tab');
    for (const label of ['Area', 'Distance', 'Range']) {
      await keyboard.press('Tab');
      expect(await page.page.evaluate(`${shadow}.activeElement.textContent`)).toBe(label);
      await keyboard.press('Enter');
      await page.page.waitForFunction(
        `${shadow}.querySelector('.inspector [aria-pressed=true]')?.textContent === ${JSON.stringify(label)}`,
      );
      await keyboard.press('Escape');
      await page.page.waitForFunction(`${shadow}.querySelector('.inspector [aria-pressed=true]') === null`);
    }
  });

  it('can be used by keyboard alone, and announces changes made by keys', async () => {
    await using opened = await open();
    const { page } = opened;
    await page.page.evaluate(() =>
      document.querySelector('gearway-viewer')!.shadowRoot!.querySelector<HTMLElement>('.stage')!.focus(),
    );
    const showsText = (text: string): Promise<void> =>
      page.where(
        `element.shadowRoot.querySelector('.inspector [role=status]').textContent.includes(${JSON.stringify(text)})`,
      );
    await page.page.keyboard.press('ArrowRight');
    const [x, y] = [Math.floor(WIDTH / 2), Math.floor(HEIGHT / 2)];
    await showsText(`x ${x}, y ${y}: `);
    await page.page.keyboard.press('ArrowRight');
    await showsText(`x ${x + 1}, y ${y}: `);
    await page.page.keyboard.press('a');
    await page.page.keyboard.down('Shift');
    await page.page.keyboard.press('ArrowDown');
    await page.page.keyboard.up('Shift');
    await showsText('1×11: mean');
    await page.page.keyboard.press('Escape');
    await page.page.keyboard.press('w');
    await page.page.keyboard.press('ArrowRight');
    await showsText('Range ');
  });
});
