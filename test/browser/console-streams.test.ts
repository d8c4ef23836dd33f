import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sharedBrowser } from '../helpers/browsers.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { closeWindow, openWindow } from '../helpers/windows.ts';
import { violations } from './accessibility.ts';

const FILE = `# The house.
streams:
  door:
    source: test-pattern:?size=320x180&fps=15
  camera:
    source: "mjpeg:http://viewer:\${PASSWORD:-s3cr3t-word}@127.0.0.1:9/" # needs a password
`;

let browser: Browser;
let folder: string;
let file: string;
beforeAll(async () => {
  browser = await sharedBrowser('chromium');
});
afterAll(async () => {
  await browser.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-console-'));
  file = join(folder, 'gateway.yaml');
  writeFileSync(file, FILE);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The console of an administrator, of a gateway with a configuration file. */
async function open(gateway: LocalGateway, query = ''): Promise<Page & AsyncDisposable> {
  const page = await openWindow(browser, 'about:blank');
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(gateway.administratorUrl.replace('/#', `/${query}#`));
  return Object.assign(page, { [Symbol.asyncDispose]: () => closeWindow(page) });
}

/** The gateway reads its streams from the file only. */
const startGateway = (): Promise<LocalGateway> => LocalGateway.start('--config', file);

async function press(page: Page, label: string): Promise<void> {
  await page.locator(`::-p-xpath(//button[normalize-space()=${JSON.stringify(label)}])`).click();
}

async function fill(page: Page, name: string, text: string): Promise<void> {
  const field = `dialog[open] [name=${name}]`;
  await page.locator(field).click({ count: 3 });
  await page.keyboard.press('Backspace');
  await page.type(field, text);
}

const dialogClosed = (page: Page): Promise<unknown> => page.waitForSelector('dialog[open]', { hidden: true });
const showsText = (page: Page, words: string): Promise<unknown> =>
  page.waitForFunction((wanted) => document.body.innerText.includes(wanted), {}, words);

describe('the console of an administrator', () => {
  it('adds a stream, and reports invalid options', async () => {
    await using gateway = await startGateway();
    await using page = await open(gateway);
    await press(page, 'Add stream');
    await fill(page, 'name', 'door');
    await fill(page, 'source', 'test-pattern:?size=160x120');
    await page.keyboard.press('Enter');
    await showsText(page, 'There is already a stream called door');
    await fill(page, 'name', 'yard');
    await fill(page, 'virtualPorts', '7-6');
    await page.keyboard.press('Enter');
    await showsText(page, 'virtual-ports is "7-6"');
    expect(await violations(page, 'dialog')).toEqual([]);
    await fill(page, 'virtualPorts', '7000-7003');
    await page.keyboard.press('Enter');
    await dialogClosed(page);
    await page.waitForSelector('[data-stream=yard]');
    expect(readFileSync(file, 'utf8')).toBe(
      `${FILE}  yard:\n    source: test-pattern:?size=160x120\n    virtualPorts: 7000-7003\n`,
    );
  });

  it('saves a native client in the file only on request', async () => {
    await using gateway = await startGateway();
    await using page = await open(gateway, '?stream=camera');
    await page.waitForSelector('.add [name=persist]');
    const add = async (address: string): Promise<void> => {
      await page.type('#client-address', address);
      await page.keyboard.press('Enter');
      await showsText(page, `Added ${address}`);
    };
    await add('tcp://127.0.0.1:1?id=5567');
    await page.click('.add [name=persist]');
    await add('tcp://127.0.0.1:1?id=5568');
    expect(readFileSync(file, 'utf8')).toBe(`${FILE}    clients:\n      - tcp://127.0.0.1:1?id=5567\n`);
  });

  it('changes one option, and keeps the password and the rest of the file', async () => {
    await using gateway = await startGateway();
    await using page = await open(gateway, '?stream=camera');
    await press(page, 'Edit stream');
    await page.waitForSelector('dialog[open]');
    const source = await page.$eval('dialog [name=source]', (field) => (field as HTMLInputElement).value);
    expect(source).toBe('mjpeg:http://viewer:…@127.0.0.1:9/');
    expect(await page.content()).not.toContain('s3cr3t');
    await page.click('dialog summary');
    await page.select('dialog [name=idle]', 'silence');
    await page.keyboard.press('Enter');
    await page.click('dialog .primary');
    await dialogClosed(page);
    expect(readFileSync(file, 'utf8')).toBe(`${FILE}    idle: silence\n`);
  });

  it('removes a stream after a confirmation, which Escape cancels, and from the file only on request', async () => {
    await using gateway = await startGateway();
    await using page = await open(gateway, '?stream=camera');
    await press(page, 'Remove stream');
    await page.waitForSelector('dialog[open]');
    expect(await page.evaluate(() => document.activeElement?.textContent?.trim())).toBe('Cancel');
    await page.keyboard.press('Escape');
    await dialogClosed(page);
    await press(page, 'Remove stream');
    await page.click('dialog[open] [name=persist]');
    await Promise.all([page.waitForNavigation(), page.click('dialog[open] .danger')]);
    // The only remaining stream.
    await showsText(page, 'Edit stream');
    expect(readFileSync(file, 'utf8')).toBe(FILE);
    expect((await fetch(`${gateway.url}/api/streams/camera`)).status).toBe(404);
  });

  it('reports a fault in the configuration file until it is corrected', async () => {
    await using gateway = await GatewayProcess.start('--config', file);
    await using page = await openWindow(browser, await gateway.administratorUrl()).then((window) =>
      Object.assign(window, { [Symbol.asyncDispose]: () => closeWindow(window) }),
    );
    await showsText(page, 'Add stream');
    writeFileSync(file, FILE.replace('source: test', 'sourc: test'));
    await showsText(page, 'The configuration file was not applied');
    expect(await page.$eval('.notice', (notice) => notice.textContent)).toContain(`${file}:4`);
    expect(await violations(page)).toEqual([]);
    writeFileSync(file, FILE);
    await page.waitForFunction(() => document.querySelector('.notice') === null);
  });

  it('does not offer these actions to other users', async () => {
    await using gateway = await startGateway();
    await using page = await open(gateway);
    await page.goto(`${gateway.url}/?stream=door`);
    await page.evaluate(async () => void (await fetch('api/session', { method: 'DELETE' })));
    await page.reload();
    await showsText(page, 'Source');
    expect(await page.$$('.actions')).toEqual([]);
  });
});
