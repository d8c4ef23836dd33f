import type { Browser } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PointerValue } from '../../web/devices/gearway-pointer.ts';
import { sharedBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { violations } from './accessibility.ts';
import { ViewerPage } from './viewer-page.ts';

const SIZE = { width: 640, height: 480 };

/** Markers off the centre, at different places for each rotation and mirroring, and visible in all views. */
const MARKERS = {
  red: { x: 250, y: 190, bgr: [0, 0, 255] },
  green: { x: 400, y: 210, bgr: [0, 255, 0] },
  blue: { x: 360, y: 300, bgr: [255, 0, 0] },
} as const;
type Marker = keyof typeof MARKERS;

type Values = Partial<Record<'point' | 'drag' | 'box' | 'polygon', PointerValue | null>>;
type Report = { readonly t: number; readonly data: Readonly<Record<string, Values | null>> | null };

const has =
  (name: keyof Values) =>
  (values: Values): boolean =>
    (values[name] ?? null) !== null;

const SOON = { timeout: 20_000 };

/** Distance in pixels of the picture: a marker's position in the window is accurate to half of such a pixel. */
const TOLERANCE = 1.5;

describe('pointer tools', () => {
  let browser: Browser;
  let gateway: GatewayProcess;
  let server: PythonPeer;
  let view: ViewerPage;
  let openedAtSeconds = 0;
  beforeAll(async () => {
    const [port] = (await freePorts(1)) as [number];
    browser = await sharedBrowser('chromium');
    gateway = await GatewayProcess.start('--source', `netgear:tcp://127.0.0.1:${port}?pattern=1&capturedAt=t`);
    const markers = Object.values(MARKERS).map(({ x, y, bgr }) => [x, y, bgr]);
    server = new PythonPeer('marker_server.py', { port, ...SIZE, markers });
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await gateway[Symbol.asyncDispose]();
    await browser.close();
  });
  beforeEach(async () => {
    await view?.[Symbol.asyncDispose]();
    openedAtSeconds = Date.now() / 1000;
    view = await ViewerPage.ofGateway(browser, gateway);
    await view.page.addScriptTag({ url: `${await gateway.url}/gearway-devices.js`, type: 'module' });
    await view.page.evaluate(() => {
      // The picture is between bars at its sides, or above and below it if it is rotated, at fractional positions.
      const viewer = document.querySelector('gearway-viewer')!;
      viewer.style.cssText =
        'position: fixed; left: 20.25px; top: 11.5px; width: 901.5px; height: 400.75px; aspect-ratio: auto';
      const style = new CSSStyleSheet();
      style.replaceSync('gearway-viewer::part(status), gearway-viewer::part(controls), .label { display: none }');
      document.adoptedStyleSheets.push(style);
      const box = document.createElement('section');
      box.style.cssText =
        'position: fixed; inset: 420px auto auto 20px; z-index: 1; padding: 8px; background: #fff; color: #111';
      box.innerHTML = `
        <gearway-pointer name="point"></gearway-pointer>
        <gearway-pointer name="drag" tool="drag"></gearway-pointer>
        <gearway-pointer name="box" tool="box"></gearway-pointer>
        <gearway-pointer name="polygon" tool="polygon"></gearway-pointer>`;
      document.body.append(box);
      const seen: number[] = [];
      Object.assign(window, { seen });
      viewer.addEventListener('gearway-frame', ({ detail }) => seen.push(detail.sequence, detail.capturedAtMs ?? 0));
    });
    await view.becomes('live');
    await view.page.waitForFunction(() => document.querySelector('gearway-pointer')!.isUsable);
    // A tool receives the size of the picture with the next frame.
    await view.page.evaluate(
      () =>
        new Promise((resolve) =>
          document.querySelector('gearway-viewer')!.addEventListener('gearway-frame', resolve, { once: true }),
        ),
    );
  });

  const use = (name: keyof Values): Promise<void> =>
    view.page.evaluate(async (wanted) => {
      const pointer = document.querySelector<HTMLElementTagNameMap['gearway-pointer']>(`[name=${wanted}]`)!;
      pointer.active = true;
      await pointer.updateComplete;
    }, name);

  /** Waits until the latest data that the server has received from this page matches. */
  const returned = async (fits: (values: Values) => boolean): Promise<Values> => {
    const port = await view.page.evaluate(() => String(document.querySelector('gearway-viewer')!.port));
    const { data } = await server.waitFor<Report>('returned', (event) => {
      const values = event.data?.[port] ?? null;
      // Other pages may have had this port before.
      return event.t >= openedAtSeconds && values !== null && fits(values);
    });
    return data![port]!;
  };

  /** Visible centre of a marker in the window, in CSS px. */
  const found = async (marker: Marker): Promise<{ x: number; y: number }> => {
    const { data, info } = await sharp(await view.page.screenshot())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const channel = { red: 0, green: 1, blue: 2 }[marker];
    const sum = { x: 0, y: 0, count: 0 };
    for (let pixel = 0; pixel < info.width * info.height; pixel += 1) {
      const levels = [0, 1, 2].map((index) => data[pixel * 3 + index]!);
      if (levels[channel]! < 180 || levels.some((level, index) => index !== channel && level > 90)) continue;
      sum.x += (pixel % info.width) + 0.5;
      sum.y += Math.floor(pixel / info.width) + 0.5;
      sum.count += 1;
    }
    if (sum.count === 0) throw new Error(`the ${marker} marker is not in the window`);
    const ratio = await view.page.evaluate(() => devicePixelRatio);
    return { x: sum.x / sum.count / ratio, y: sum.y / sum.count / ratio };
  };

  const expectAt = (position: readonly [number, number] | undefined, marker: Marker): void => {
    const { x, y } = MARKERS[marker];
    // The centre of the marker's middle pixel.
    expect(Math.hypot(position![0] - x - 0.5, position![1] - y - 0.5), `${marker}: ${String(position)}`).toBeLessThan(
      TOLERANCE,
    );
  };

  it.each([
    { rotate: 0, mirror: false, fit: 'contain', zoom: 1, scale: 1 },
    { rotate: 90, mirror: false, fit: 'contain', zoom: 2, scale: 1 },
    { rotate: 270, mirror: true, fit: 'cover', zoom: 1, scale: 2 },
    { rotate: 180, mirror: true, fit: 'none', zoom: 1.6, scale: 2 },
  ] as const)(
    'return pixels of the frame: rotated by $rotate, mirrored: $mirror, fit $fit, zoomed by $zoom, device pixel ratio $scale',
    async ({ rotate, mirror, fit, zoom, scale }) => {
      await view.page.setViewport({ width: 960, height: 700, deviceScaleFactor: scale });
      await view.page.evaluate((settings) => void Object.assign(document.querySelector('gearway-viewer')!, settings), {
        rotate,
        mirror,
        fit,
      });
      await use('point');
      // The wheel zooms while a tool is in use. Zooming around a point off the centre also moves the picture.
      await view.page.mouse.move(450, 190);
      /** Width of the picture in the window, when it is on screen. */
      const shownWidth = (): Promise<number> =>
        view.page.evaluate(async () => {
          await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
          return document.querySelector('gearway-viewer')!.pictureRect!.width;
        });
      const width = await shownWidth();
      if (zoom > 1) {
        await view.page.keyboard.down('Control');
        // The distance is in device pixels.
        await view.page.mouse.wheel({ deltaY: -100 * Math.log(zoom) * scale });
        await view.page.keyboard.up('Control');
      }
      await expect.poll(async () => (await shownWidth()) / width, SOON).toBeCloseTo(zoom, 3);
      // No crosshair over the markers.
      await view.page.mouse.move(5, 690);
      const [red, green, blue] = [await found('red'), await found('green'), await found('blue')];

      await view.page.mouse.click(red.x, red.y);
      const { point } = await returned(has('point'));
      expectAt(point !== undefined && point !== null && 'points' in point ? point.points[0] : undefined, 'red');
      expect(point!.number).toBe(1);
      const isSeen = await view.page.evaluate(
        (sequence, capturedAtMs) => {
          const { seen } = window as unknown as { seen: readonly number[] };
          return seen[seen.indexOf(sequence) + 1] === capturedAtMs;
        },
        point!.sequence,
        point!.capturedAtMs!,
      );
      expect(isSeen).toBe(true);

      await use('box');
      await view.page.mouse.move(green.x, green.y);
      await view.page.mouse.down();
      await view.page.mouse.move(blue.x, blue.y, { steps: 3 });
      await view.page.mouse.up();
      const { box } = await returned(has('box'));
      const [x1, y1, x2, y2] = 'box' in box! ? box.box : [0, 0, 0, 0];
      expectAt([x2, y1], 'green');
      expectAt([x1, y2], 'blue');

      await use('polygon');
      for (const { x, y } of [red, green, blue, red]) await view.page.mouse.click(x, y);
      const { polygon } = await returned(has('polygon'));
      const corners = 'polygon' in polygon! ? polygon.polygon : [];
      expect(corners).toHaveLength(3);
      for (const [index, marker] of (['red', 'green', 'blue'] as const).entries()) expectAt(corners[index], marker);

      await use('drag');
      await view.page.mouse.move(red.x, red.y);
      await view.page.mouse.down();
      await view.page.mouse.move(green.x, green.y, { steps: 3 });
      const isWhole = ({ drag }: Values): boolean =>
        (drag ?? null) !== null && 'line' in drag! && Math.abs(drag.line[1][0] - MARKERS.green.x) < 2;
      const { drag } = await returned(isWhole);
      const line = 'line' in drag! ? drag.line : [];
      expectAt(line[0], 'red');
      expectAt(line[1], 'green');
      const events = server.events('returned').length;
      await view.page.mouse.up();
      await expect.poll(() => JSON.stringify(server.events('returned').slice(events)), SOON).toContain('"drag":null');
    },
  );

  it('keep the gestures of the picture: Shift and clicks may move it without creating a shape', async () => {
    await view.page.evaluate(() => document.querySelector('gearway-viewer')!.focus());
    await view.page.mouse.move(450, 190);
    await view.page.keyboard.down('Control');
    await view.page.mouse.wheel({ deltaY: -100 });
    await view.page.keyboard.up('Control');
    const left = (): Promise<number> =>
      view.page.evaluate(() => document.querySelector('gearway-viewer')!.pictureRect!.left);
    const drag = async (): Promise<number> => {
      const before = await left();
      await view.page.mouse.move(450, 190);
      await view.page.mouse.down();
      await view.page.mouse.move(480, 190, { steps: 3 });
      await view.page.mouse.up();
      return Math.round((await left()) - before);
    };
    const values = (): Promise<unknown[]> =>
      view.page.evaluate(() => [...document.querySelectorAll('gearway-pointer')].map(({ value }) => value !== null));
    await use('point');
    expect(await drag()).toBe(30);
    await use('box');
    await view.page.keyboard.down('Shift');
    expect(await drag()).toBe(30);
    await view.page.keyboard.up('Shift');
    expect(await values()).toEqual([false, false, false, false]);
    // A drag without Shift draws, and does not move the picture.
    expect(await drag()).toBe(0);
    await view.page.mouse.move(500, 260);
    await view.page.mouse.down();
    await view.page.mouse.move(400, 150, { steps: 3 });
    await view.page.mouse.up();
    expect(await values()).toEqual([false, false, true, false]);
    // A double click does not zoom back.
    const before = await left();
    await view.page.mouse.click(450, 190, { count: 2 });
    expect(await left()).toBe(before);
  });

  it('are active one at a time, and remove their shapes when they are deactivated', async () => {
    const state = (): Promise<unknown> =>
      view.page.evaluate(() => {
        const viewer = document.querySelector('gearway-viewer')!;
        return {
          active: [...document.querySelectorAll('gearway-pointer')].map(({ active }) => active),
          overlays: viewer.querySelectorAll('[slot=overlay]').length,
          style: [viewer.style.cursor, viewer.style.touchAction],
        };
      });
    await use('point');
    await use('box');
    await expect
      .poll(state, SOON)
      .toEqual({ active: [false, false, true, false], overlays: 1, style: ['crosshair', 'none'] });
    await view.page.evaluate(() => document.querySelector('[name=box]')!.remove());
    await expect.poll(state, SOON).toEqual({ active: [false, false, false], overlays: 0, style: ['', ''] });
  });

  it('can be used by keyboard', async () => {
    await view.page.focus('[name=box] >>> button');
    await view.page.keyboard.press('Enter');
    await view.page.waitForFunction(() => document.activeElement?.getAttribute('role') === 'application');
    await view.page.keyboard.press('ArrowRight');
    await view.page.keyboard.press('Enter');
    for (const key of ['ArrowRight', 'ArrowDown']) {
      await view.page.keyboard.down('Shift');
      await view.page.keyboard.press(key as 'ArrowDown');
      await view.page.keyboard.up('Shift');
    }
    await view.page.keyboard.press('Enter');
    expect((await returned(has('box'))).box).toMatchObject({ box: [321, 240, 331, 250] });
    // Escape cancels the unfinished shape, then deactivates the tool.
    await view.page.keyboard.press('Enter');
    await view.page.keyboard.press('Escape');
    expect(await view.page.evaluate(() => document.querySelectorAll('gearway-pointer')[2]!.active)).toBe(true);
    await view.page.keyboard.press('Escape');
    await view.page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'box');
    expect(await view.page.evaluate(() => document.querySelectorAll('gearway-pointer')[2]!.active)).toBe(false);
  });

  it('end a drag when the window loses the focus, and keep an unfinished polygon', async () => {
    const blur = (): Promise<void> => view.page.evaluate(() => void window.dispatchEvent(new Event('blur')));
    await use('drag');
    await view.page.mouse.move(450, 190);
    await view.page.mouse.down();
    await view.page.mouse.move(470, 190);
    await returned(has('drag'));
    await blur();
    const drag = (): Promise<unknown> =>
      view.page.evaluate(() => document.querySelectorAll('gearway-pointer')[1]!.value);
    expect(await drag()).toBeNull();
    await view.page.mouse.move(480, 190);
    expect(await drag()).toBeNull();
    await view.page.mouse.up();
    await use('polygon');
    for (const [x, y] of [
      [450, 190],
      [500, 190],
    ] as const)
      await view.page.mouse.click(x, y);
    await blur();
    await view.page.mouse.click(500, 250);
    await view.page.keyboard.press('Enter');
    const { polygon } = await returned(has('polygon'));
    expect('polygon' in polygon! && polygon.polygon.length).toBe(3);
  });

  it('have no accessibility violations found by axe', async () => {
    await use('box');
    expect(await violations(view.page, 'section, gearway-viewer')).toEqual([]);
  });
});
