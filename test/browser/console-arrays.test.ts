import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { sharedBrowser } from '../helpers/browsers.ts';
import { openWindow } from '../helpers/windows.ts';
import { violations } from './accessibility.ts';

let browser: Awaited<ReturnType<typeof sharedBrowser>>;
let gateway: Gateway;
let url: string;
beforeAll(async () => {
  browser = await sharedBrowser('chromium');
  gateway = await createGateway({ port: 0, source: 'push:' });
  ({ url } = await gateway.listen());
});
afterAll(async () => {
  await browser.close();
  await gateway.close();
});

const depth = Uint16Array.from({ length: 64 * 48 }, (_, at) => 400 + at);
/** @param message overlay of the frame, and unit of its values. */
const push = (message: { overlay?: [number, number, number, number][]; unit?: string } | null = null): void =>
  void gateway.stream.push({ dtype: 'uint16', shape: [48, 64], data: new Uint8Array(depth.buffer) }, { message });
const shown = (page: Page): Promise<unknown> =>
  page.evaluate(() => {
    const { low, high } = document.querySelector('gearway-viewer')!.shownArray ?? {};
    const { colormap, inspector } = document.querySelector('gearway-viewer')!;
    return { low, high, colormap, inspector };
  });

it('the console shows arrays with colours, range and inspector, and explains an invalid range', async () => {
  const page = await openWindow(browser, url);
  await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'waiting', { polling: 100 });
  expect(await page.$('.array-tools')).toBeNull();
  push({ overlay: [[8, 8, 30, 30]] });
  await page.waitForSelector('.array-tools select');
  await page.select('.array-tools select', 'turbo');
  const enter = async (range: string): Promise<void> => {
    await page.$eval('.array-tools input', (input) => (input.value = ''));
    await page.type('.array-tools input', range);
    await page.keyboard.press('Enter');
  };
  await enter('9,1');
  await page.waitForFunction(() => document.querySelector('.array-tools [role=alert]')?.textContent.includes('9,1'));
  await enter('500,900');
  await page.click('.array-tools button');
  await expect.poll(() => shown(page)).toEqual({ low: 500, high: 900, colormap: 'turbo', inspector: true });
  await page.waitForFunction(() => document.querySelector('.array-tools [role=alert]') === null);
  await page.waitForSelector('gearway-viewer >>> .color-bar');
  // Exact values, too, are shown with the unit of the message.
  push({ unit: 'mm', overlay: [[8, 8, 30, 30]] });
  await page.waitForSelector('gearway-viewer >>> ::-p-aria([name="Colours from 500 mm to 900 mm"])');
  await page.hover('gearway-viewer');
  await page.waitForFunction(() =>
    document
      .querySelector('gearway-viewer')!
      .shadowRoot!.querySelector('.inspector .value')!
      .textContent.endsWith(' mm'),
  );
  // The overlay in the message is drawn.
  await page.waitForSelector('gearway-viewer >>> .picture.composed');
  expect(await violations(page, '.array-tools')).toEqual([]);
});

it('the viewer page accepts the attributes for arrays and overlays as parameters', async () => {
  const page = await openWindow(
    browser,
    `${url}viewer?stream=main&range=400,600&colormap=jet&inspector&color-bar&overlays&overlay-min-score=0.5&no-data=none`,
  );
  await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state !== 'connecting', { polling: 100 });
  push();
  await expect.poll(() => shown(page)).toEqual({ low: 400, high: 600, colormap: 'jet', inspector: true });
  expect(
    await page.evaluate(() => {
      const { colorBar, overlays, overlayMinScore, noData } = document.querySelector('gearway-viewer')!;
      return { colorBar, overlays, overlayMinScore, noData };
    }),
  ).toEqual({ colorBar: true, overlays: '', overlayMinScore: 0.5, noData: 'none' });
});
