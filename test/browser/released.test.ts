import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { sharedBrowser } from '../helpers/browsers.ts';
import { SMALL_PATTERN } from '../helpers/gateway-process.ts';
import { openWindow } from '../helpers/windows.ts';

const DEVICES = [
  'button',
  'slider',
  'joystick',
  'keys',
  'gamepad',
  'latency',
  'stop',
  'pointer',
  'form',
  'control',
  'camera',
].map((name) => `gearway-${name}`);

let browser: Awaited<ReturnType<typeof sharedBrowser>>;
let gateway: Gateway;
let page: Page;
beforeAll(async () => {
  browser = await sharedBrowser('chromium');
  gateway = await createGateway({ port: 0, source: SMALL_PATTERN });
  const { url } = await gateway.listen();
  page = await openWindow(browser, `${url}viewer?stream=main`);
  for (const name of ['publisher', 'devices'])
    await page.addScriptTag({ type: 'module', url: `${url}gearway-${name}.js` });
  await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live', { polling: 100 });
});
afterAll(async () => {
  await browser.close();
  await gateway.close();
});

/** Number of elements of this type that exist, in the page or not. Collects garbage. */
async function count(tag: string): Promise<number> {
  const prototype = await page.evaluateHandle((name) => customElements.get(name)!.prototype as object, tag);
  const objects = await page.queryObjects(prototype);
  const found = await objects.evaluate((elements) => (elements as unknown as unknown[]).length);
  // The handle holds the elements.
  await objects.dispose();
  await prototype.dispose();
  return found;
}

it.each(['gearway-viewer', 'gearway-publisher', ...DEVICES])('%s is released after it was removed', async (tag) => {
  const before = await count(tag);
  if (tag === 'gearway-viewer') expect(before).toBe(1);
  await page.evaluate(async (name) => {
    for (let cycle = 0; cycle < 5; cycle += 1) {
      const element = document.createElement(name);
      if ('src' in element) element.src = 'streams/main';
      if (name === 'gearway-viewer') Object.assign(element, { controls: true, showStats: true, overlays: '' });
      const shown = new Promise((resolve) => element.addEventListener('gearway-frame', resolve, { once: true }));
      document.body.append(element);
      await (name === 'gearway-viewer' ? shown : new Promise(requestAnimationFrame));
      element.remove();
      await new Promise(requestAnimationFrame);
    }
  }, tag);
  await expect.poll(() => count(tag)).toBe(before);
});
