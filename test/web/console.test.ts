import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../helpers/browsers.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Violation {
  id: string;
  nodes: { html: string; failureSummary: string }[];
}

let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser('chromium');
});
afterAll(async () => {
  await browser.close();
});

async function open(url: string, { width = 1440, dark = true }: { width?: number; dark?: boolean } = {}): Promise<Page & AsyncDisposable> {
  const context = await browser.createBrowserContext();
  const page = await context.newPage({ type: 'window' });
  await page.setViewport({ width, height: 1000 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
  await page.goto(url);
  return Object.assign(page, { [Symbol.asyncDispose]: () => context.close() });
}

const says = (page: Page, words: string): Promise<unknown> => page.waitForFunction((wanted) => document.body.innerText.includes(wanted), {}, words);

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = (await page.evaluate('axe.run().then(({ violations }) => violations)')) as Violation[];
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('\n')}`);
}

async function type(page: Page, value: string): Promise<void> {
  await page.click('textarea', { count: 3 });
  await page.type('textarea', value);
}

const isDisabled = (page: Page): Promise<boolean> => page.$eval('.composer .primary', (button) => (button as HTMLButtonElement).disabled);

describe('the console', () => {
  it('shows the clients, and returns what is typed: kept until it is stopped, or once', async () => {
    await using gateway = await GatewayProcess.start();
    await using page = await open(await gateway.url);
    const errors: unknown[] = [];
    page.on('pageerror', (error) => errors.push(error));
    await says(page, 'Console (127.0.0.1)');
    await type(page, '{ "gripper": ');
    expect(await isDisabled(page)).toBe(true);
    await type(page, '{ "gripper": "open" }');
    await page.click('.composer .primary');
    await says(page, 'Received');
    await says(page, '{"gripper":"open"}');
    expect((await gateway.status()).clients[0]).toMatchObject({ port: 6000, kind: 'web', returnData: { gripper: 'open' } });
    await page.click('.kept .quiet');
    await gateway.statusWhere('cleared return data', ({ clients }) => clients[0]?.returnData === null);
    expect(errors).toEqual([]);
  });

  it('sends a client away, which stays away and says why', async () => {
    await using gateway = await GatewayProcess.start();
    await using page = await open(await gateway.url);
    await says(page, 'Console (127.0.0.1)');
    await using other = await open(`${await gateway.url}/viewer?stream=main`);
    await page.waitForSelector('button[aria-label="Send away port 6001"]');
    await page.click('button[aria-label="Send away port 6001"]');
    await other.waitForFunction(() => document.querySelector('gearway-viewer')!.state === 'refused');
    expect(await other.evaluate(() => document.querySelector('gearway-viewer')!.reason)).toMatch(/sent away/);
    expect((await gateway.status()).ports).toMatchObject({ taken: 1, held: [] });
    await says(page, 'sent away');
  });

  it('is live again within 2 s of the return of its gateway, without a reload', async () => {
    const first = await GatewayProcess.start();
    const port = new URL(await first.url).port;
    await using page = await open(await first.url);
    await says(page, 'Console (127.0.0.1)');
    await page.evaluate(() => ((globalThis as { marked?: boolean }).marked = true));
    first.signal('SIGTERM');
    await first.exited;
    await says(page, 'The gateway does not answer');
    await using second = await GatewayProcess.start('--port', port);
    const startMs = performance.now();
    await page.waitForFunction(() => document.querySelector('gearway-viewer')!.state === 'live');
    expect(performance.now() - startMs).toBeLessThan(2000);
    await second.statusWhere('the viewer', ({ clients }) => clients.length === 1);
    await page.waitForFunction(() => !document.body.innerText.includes('The gateway does not answer'));
    expect(await page.evaluate(() => (globalThis as { marked?: boolean }).marked)).toBe(true);
  });

  it('says that it may watch only, and for an unknown stream which there are', async () => {
    await using gateway = await GatewayProcess.start('--token', 's3cret', '--view-token', 'look');
    await using page = await open(await gateway.url);
    await says(page, 'This gateway asks for its token');
    await page.type('#token', 'look');
    await page.keyboard.press('Enter');
    await says(page, 'your token lets you watch');
    expect(await page.$('textarea')).toBeNull();
    expect(await page.$('button[aria-label^="Send away"]')).toBeNull();
    await page.goto(`${await gateway.url}/?stream=nope`);
    await says(page, 'There is no stream called nope');
    await says(page, 'Watch main');
  });

  it('is usable by keyboard alone', async () => {
    await using gateway = await GatewayProcess.start();
    await using page = await open(await gateway.url);
    await page.waitForFunction(() => document.querySelector('gearway-viewer')!.state === 'live');
    const focused = (): Promise<string> =>
      page.evaluate(() => {
        let element = document.activeElement;
        while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
        return element?.getAttribute('aria-label') ?? element?.textContent?.trim() ?? '';
      });
    const reached: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      await page.keyboard.press('Tab');
      const name = await focused();
      if (reached.includes(name) && name === reached[0]) break;
      if (name !== '') reached.push(name);
    }
    for (const name of ['Switch between dark and light', 'Live picture of main', 'Pause', 'Save a snapshot', 'Statistics', 'Mirror', 'Full screen', 'Table of clients', 'Send away port 6000', 'Value as JSON', 'Send', 'Message as a tree', 'Copy: Python client']) {
      expect(reached, name).toContain(name);
    }
    const press = async (key: 'k' | 'i' | 'm' | 'r'): Promise<void> => {
      await page.evaluate(() => document.querySelector('gearway-viewer')!.shadowRoot!.querySelector<HTMLElement>('.stage')!.focus());
      await page.keyboard.press(key);
    };
    await press('k');
    await gateway.statusWhere('a paused viewer', ({ clients }) => clients[0]?.state === 'paused');
    await press('k');
    await gateway.statusWhere('a live viewer', ({ clients }) => clients[0]?.state === 'live');
    await press('i');
    await press('m');
    await press('r');
    expect(await page.$eval('gearway-viewer', ({ showStats, mirror, rotate }) => ({ showStats, mirror, rotate }))).toEqual({ showStats: true, mirror: true, rotate: 90 });
  });

  it.each([
    ['the console, dark', '', true],
    ['the console, light', '', false],
    ['the viewer page', 'viewer', true],
    ['an unknown stream', '?stream=nope', true],
  ])('passes axe-core: %s', async (_name, path, dark) => {
    await using gateway = await GatewayProcess.start();
    for (const width of [390, 1440]) {
      await using page = await open(`${await gateway.url}/${path}`, { dark, width });
      await page.waitForFunction(() => ['live', 'refused'].includes(document.querySelector('gearway-viewer')!.state));
      if (path !== 'viewer') await page.waitForFunction(() => /Console|no stream/.test(document.body.innerText));
      await page.evaluate(() => (document.querySelector('gearway-viewer')!.showStats = true));
      await page.waitForFunction(() => document.querySelector('gearway-viewer')!.shadowRoot!.querySelector('.stats') !== null);
      expect(await violations(page)).toEqual([]);
    }
  });
});
