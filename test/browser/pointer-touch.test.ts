import type { Browser, CDPSession, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedBrowser } from '../helpers/browsers.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { openWindow } from '../helpers/windows.ts';

type Finger = readonly [x: number, y: number];

describe('pointer tools on a phone', () => {
  let browser: Browser;
  let gateway: LocalGateway;
  let page: Page;
  let session: CDPSession;
  beforeAll(async () => {
    browser = await sharedBrowser('chromium');
    gateway = await LocalGateway.start();
    page = await openWindow(browser, `${gateway.url}/viewer?stream=main&bare`);
    await page.setViewport({ width: 390, height: 800, isMobile: true, hasTouch: true });
    session = await page.createCDPSession();
    await page.addScriptTag({ url: `${gateway.url}/gearway-devices.js`, type: 'module' });
    await page.evaluate(() => {
      // A scrollable page that contains the picture.
      document.documentElement.style.cssText = 'height: auto; overflow: auto';
      document.body.style.cssText = 'display: block; height: 2000px; overflow: visible';
      const viewer = document.querySelector('gearway-viewer')!;
      // Zoom is one of the controls.
      viewer.controls = true;
      viewer.style.cssText = 'position: absolute; left: 0; top: 100px; width: 390px; height: 220px';
      document.body.insertAdjacentHTML(
        'beforeend',
        ['click', 'drag', 'box', 'polygon'].map((tool) => `<gearway-pointer name=${tool} tool=${tool}>`).join(''),
      );
    });
    await page.waitForFunction(() => document.querySelector('gearway-pointer')!.isUsable);
    await page.waitForFunction(() => document.querySelector('gearway-viewer')!.pictureRect !== null);
  });
  afterAll(async () => {
    await browser.close();
    await gateway[Symbol.asyncDispose]();
  });

  const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', ...fingers: readonly Finger[]): Promise<void> =>
    session.send('Input.dispatchTouchEvent', { type, touchPoints: fingers.map(([x, y], id) => ({ x, y, id })) });
  /** Moves fingers along straight lines. */
  const move = async (lines: readonly (readonly [Finger, Finger])[]): Promise<void> => {
    const at = (part: number): Finger[] =>
      lines.map(([[x1, y1], [x2, y2]]) => [x1 + (x2 - x1) * part, y1 + (y2 - y1) * part]);
    await touch('touchStart', ...at(0));
    for (let step = 1; step <= 8; step += 1) await touch('touchMove', ...at(step / 8));
    await touch('touchEnd');
  };
  const use = (tool: string): Promise<void> =>
    page.evaluate(async (wanted) => {
      const pointer = document.querySelector<HTMLElementTagNameMap['gearway-pointer']>(`[name=${wanted}]`)!;
      pointer.active = true;
      await pointer.updateComplete;
      // The browser scrolls, and cancels the pointer, until a frame with the new `touch-action` has been composited.
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }, tool);
  const value = (tool: string): Promise<unknown> =>
    page.evaluate(
      (wanted) => document.querySelector<HTMLElementTagNameMap['gearway-pointer']>(`[name=${wanted}]`)!.value,
      tool,
    );
  /** Number of boxes or clicks so far. A repeated test continues with the same page. */
  const count = async (tool: string): Promise<number> =>
    ((await value(tool)) as { readonly number: number } | null)?.number ?? 0;
  /** The values that must not change while something is drawn. */
  const view = (): Promise<unknown> =>
    page.evaluate(() => ({
      scrolled: scrollY,
      pageScale: visualViewport!.scale,
      width: Math.round(document.querySelector('gearway-viewer')!.pictureRect!.width),
    }));
  const still = { scrolled: 0, pageScale: 1, width: 390 };

  it('draw a box and drag with a finger, while neither page nor picture move', async () => {
    await use('box');
    const before = await count('box');
    await move([
      [
        [100, 250],
        [250, 140],
      ],
    ]);
    await expect.poll(() => value('box')).toMatchObject({ number: before + 1, box: expect.any(Array) });
    expect(await view()).toEqual(still);
    await use('drag');
    await touch('touchStart', [100, 250]);
    await touch('touchMove', [150, 150]);
    await expect.poll(() => value('drag')).toMatchObject({ line: expect.any(Array) });
    await touch('touchEnd');
    await expect.poll(() => value('drag')).toBeNull();
    expect(await view()).toEqual(still);
  });

  it('set points by taps, and two taps do not zoom the page', async () => {
    await use('click');
    const before = await count('click');
    for (const _tap of [1, 2]) {
      await touch('touchStart', [200, 200]);
      await touch('touchEnd');
    }
    await expect.poll(() => value('click')).toMatchObject({ number: before + 2 });
    expect(await view()).toEqual(still);
  });

  it.each(['box', 'click', 'polygon'])('zoom the picture, but not the page, with two fingers: %s', async (tool) => {
    await use(tool);
    const before = await value(tool);
    await move([
      [
        [180, 200],
        [100, 200],
      ],
      [
        [210, 200],
        [290, 200],
      ],
    ]);
    await expect.poll(async () => ((await view()) as typeof still).width).toBeGreaterThan(600);
    expect(await view()).toMatchObject({ scrolled: 0, pageScale: 1 });
    expect(await value(tool)).toEqual(before);
    await move([
      [
        [20, 200],
        [180, 200],
      ],
      [
        [370, 200],
        [210, 200],
      ],
    ]);
    await expect.poll(view).toEqual(still);
    expect(await value(tool)).toEqual(before);
  });
});
