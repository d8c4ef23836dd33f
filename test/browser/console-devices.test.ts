import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sharedBrowser } from '../helpers/browsers.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Folder } from '../helpers/media.ts';
import { Site } from '../helpers/site.ts';
import { closeWindow, openWindow } from '../helpers/windows.ts';
import { violations } from './accessibility.ts';

describe('the devices of the console', () => {
  let browser: Browser;
  let gateway: LocalGateway;
  let page: Page;
  /** A user's own page, which contains the copied HTML. */
  let site: Site;
  let copied = '';
  beforeAll(async () => {
    browser = await sharedBrowser('chromium', { camera: 'fake' });
    site = await Site.serve(() => copied);
    gateway = await LocalGateway.start('--allow-origin', site.origin);
  });
  afterAll(async () => {
    await browser.close();
    await gateway[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    if (page !== undefined) await closeWindow(page);
    await expect.poll(returned).toEqual([]);
    page = await openWindow(browser, gateway.url);
    await page.setViewport({ width: 390, height: 800 });
    await press('Devices');
    await page.waitForSelector('.devices .add-device');
  });

  const press = (label: string): Promise<void> =>
    page.locator(`::-p-aria([name="${label}"][role="button"])`).click() as Promise<void>;
  const returned = async (): Promise<readonly unknown[]> =>
    (await gateway.status()).clients.map(({ returnData }) => returnData);
  const returns = (expected: unknown): Promise<void> =>
    expect.poll(returned, { timeout: 10_000 }).toContainEqual(expected);
  const verdict = (): Promise<string> => page.$eval('.devices .verdict', (text) => text.textContent);

  /** Adds a device with these settings, which are in the order of the form's fields. */
  async function add(kind: string, ...texts: readonly string[]): Promise<void> {
    await page.select('.devices .add-device select', kind);
    await press('Add');
    await page.waitForSelector('dialog[open]');
    await page.evaluate((entered) => {
      const root = document.querySelector('dialog[open] div')!.shadowRoot!;
      const inputs = [...root.querySelectorAll<HTMLInputElement>('input:not([type=checkbox])')];
      for (const [index, text] of entered.entries()) if (text !== '') inputs[index]!.value = text;
    }, texts);
    await press('OK');
  }

  it('are put together without code, return data while they are shown, and are saved', async () => {
    await add('slider', 'speed', 'Speed', '0', '1');
    await page.waitForSelector('dialog[open]', { hidden: true });
    await add('button', 'speed');
    await page.waitForFunction(() => document.querySelector('dialog[open] .verdict')?.textContent !== '');
    expect(await page.$eval('dialog[open] .verdict', (text) => text.textContent)).toMatch(/^The name speed is in use/);
    await page.evaluate(() => {
      document.querySelector('dialog[open] div')!.shadowRoot!.querySelector('input')!.value = 'horn';
    });
    await press('OK');
    await page.waitForSelector('dialog[open]', { hidden: true });
    expect(await violations(page)).toEqual([]);
    expect(await returned()).toEqual([null]);
    await press('Use');
    await returns({ speed: 0, horn: false });
    expect(await violations(page)).toEqual([]);
    await page.evaluate(() => document.querySelector('gearway-slider')!.shadowRoot!.querySelector('input')!.focus());
    await page.keyboard.press('End');
    await returns({ speed: 1, horn: false });
    // The form alone determines the return data.
    await press('JSON');
    await returns(null);
    await page.reload();
    await press('Devices');
    await returns({ speed: 0, horn: false });
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  });

  it('suggest the names of the forms that the server has sent', async () => {
    await page.evaluate(() => {
      const message = { forms: { settings: { type: 'object' }, command: { type: 'object' } } };
      for (const next of [message, null])
        document.querySelector('gearway-viewer')!.dispatchEvent(
          Object.assign(new CustomEvent('gearway-frame', { detail: { sequence: 1, message: next } }), {
            mayHave: () => true,
          }),
        );
    });
    await page.select('.add-device select', 'form');
    await press('Add');
    const suggested = await page.$eval('dialog[open] div', (box) =>
      [...box.shadowRoot!.querySelectorAll('datalist option')].map((option) => (option as HTMLOptionElement).value),
    );
    expect(suggested).toEqual(['settings', 'command']);
    await press('Cancel');
  });

  it('can be moved, removed, imported, and copied as HTML that works as a page', async () => {
    await using folder = await Folder.create();
    const load = async (devices: readonly object[]): Promise<void> => {
      const path = join(folder.path, 'devices.json');
      await writeFile(path, JSON.stringify({ devices }));
      const [chooser] = await Promise.all([page.waitForFileChooser(), press('Import')]);
      await chooser.accept([path]);
    };
    await load([{ kind: 'siren', name: 'a' }]);
    await expect.poll(verdict).toMatch(/^Device 1: the kind is "siren", expected one of button, slider/);
    await load([
      { kind: 'joystick', name: 'stick' },
      { kind: 'camera', label: 'My camera' },
      { kind: 'button', name: 'horn', label: 'Horn' },
      { kind: 'stop' },
    ]);
    await expect.poll(verdict).toBe('Imported devices.json');
    await press('Move up: Button horn');
    await press('Remove: Joystick stick');
    await page.evaluate(() => {
      navigator.clipboard.writeText = (text) => Promise.resolve(void Object.assign(window, { copied: text }));
    });
    await press('Copy as HTML');
    await expect.poll(verdict).toMatch(/^Copied/);
    copied = (await page.evaluate('copied')) as string;
    expect(copied).toContain('<gearway-button name="horn">Horn</gearway-button>\n<gearway-viewer id="camera-2"');
    await press('Use');
    await returns({ horn: false });
    await press('My camera');
    await expect.poll(returned).toContainEqual(expect.objectContaining({ jpeg: true, width: 640, height: 480 }));
    expect(page.workers().map((worker) => new URL(worker.url()).pathname)).toContain('/gearway-camera-worker.js');
    // The value of the form does not replace a stop.
    await page.evaluate(() => document.querySelector('gearway-stop')!.stop());
    await returns({ horn: false, stop: true });
    await press('JSON');
    await page.waitForFunction(() => document.body.innerText.includes('Reset the emergency stop first'));
    await closeWindow(page);
    await expect.poll(returned).toEqual([]);
    page = await openWindow(browser, site.origin);
    await returns({ horn: false });
  });
});
