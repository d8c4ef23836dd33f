import type { Page } from 'puppeteer-core';
import { expect, it } from 'vitest';
import { createGateway } from '../../gateway/create-gateway.ts';
import { sharedBrowser } from '../helpers/browsers.ts';
import { openWindow } from '../helpers/windows.ts';

interface Shown {
  /** Title and milliseconds of each figure, by the element that shows it. */
  readonly chip: readonly [string, number];
  readonly device: readonly [string, number];
  readonly rows: Readonly<Record<string, number>>;
}

const shown = (page: Page): Promise<Shown> =>
  page.evaluate(() => {
    const viewer = document.querySelector('gearway-viewer')!.shadowRoot!;
    const chip = viewer.querySelector<HTMLElement>('.chip .figure');
    const device = document.querySelector('gearway-latency')!.shadowRoot!;
    const rows = [...viewer.querySelectorAll('.stats tr')].map(
      ({ children: [name, value] }) => [name!.textContent, parseFloat(value!.textContent)] as const,
    );
    return {
      chip: [chip?.title ?? '', parseFloat(chip?.textContent ?? '')] as const,
      device: [
        device.querySelector('[part=origin]')!.textContent,
        parseFloat(device.querySelector('[part=value]')!.textContent) *
          (device.querySelector('[part=value]')!.textContent.endsWith(' ms') ? 1 : 1000),
      ] as const,
      rows: Object.fromEntries(rows.filter(([name]) => name.startsWith('Latency'))),
    };
  });

it('each latency names its origin: the chip counts from the gateway, the device from the capture if it is known', async () => {
  const browser = await sharedBrowser('chromium');
  await using gateway = await createGateway({ port: 0, source: 'push:' });
  const { url } = await gateway.listen();
  const page = await openWindow(browser, `${url}viewer?stream=main`);
  await page.addScriptTag({ type: 'module', url: `${url}gearway-devices.js` });
  await page.evaluate(() => {
    document.body.append(document.createElement('gearway-latency'));
    document.querySelector('gearway-viewer')!.showStats = true;
  });
  let age: number | null = 60_000;
  const pixels = { dtype: 'uint8', shape: [16, 16, 3], data: new Uint8Array(768) };
  const timer = setInterval(
    () => gateway.stream.push(pixels, age === null ? {} : { capturedAtUs: (Date.now() - age) * 1000 }),
    50,
  );
  try {
    await expect.poll(async () => (await shown(page)).device[0]).toBe('from capture');
    await expect.poll(async () => Object.keys((await shown(page)).rows)).toContain('Latency from capture');
    const captured = await shown(page);
    expect(captured.device[1]).toBeGreaterThanOrEqual(60_000);
    expect(captured.rows['Latency from capture']).toBeGreaterThanOrEqual(60_000);
    expect(captured.chip).toEqual(['Latency from gateway', captured.rows['Latency from gateway']]);
    expect(captured.chip[1]).toBeLessThan(30_000);
    age = null;
    await expect.poll(async () => (await shown(page)).device[0]).toBe('from gateway');
    await expect.poll(async () => Object.keys((await shown(page)).rows)).toEqual(['Latency from gateway']);
    expect((await shown(page)).device[1]).toBeLessThan(30_000);
  } finally {
    clearInterval(timer);
    await browser.close();
  }
});
