import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedBrowser } from '../helpers/browsers.ts';
import { hashPassword } from '../../gateway/rights/scrypt-hash.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Folder } from '../helpers/media.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { closeWindow, openWindow } from '../helpers/windows.ts';
import { withinAttempts } from '../helpers/within-attempts.ts';
import { violations } from './accessibility.ts';

let browser: Browser;
beforeAll(async () => {
  browser = await sharedBrowser('chromium');
});
afterAll(async () => {
  await browser.close();
});

async function open(
  url: string,
  { width = 1440, dark = true }: { width?: number; dark?: boolean } = {},
): Promise<Page & AsyncDisposable> {
  const page = await openWindow(browser, 'about:blank');
  await page.setViewport({ width, height: 1000 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
  await page.goto(url);
  return Object.assign(page, { [Symbol.asyncDispose]: () => closeWindow(page) });
}

const showsText = (page: Page, words: string): Promise<unknown> =>
  page.waitForFunction((wanted) => document.body.innerText.includes(wanted), {}, words);

/** Waits until a form shows a refusal, and expects an empty field with the focus. */
async function refused(page: Page, place: string, words: string): Promise<void> {
  await page.waitForFunction(
    (where, wanted) =>
      document.querySelector(`${where} [role=alert]`)?.textContent === wanted &&
      document.activeElement?.getAttribute('aria-invalid') === 'true',
    {},
    place,
    words,
  );
  expect(await page.$eval(`${place} input[name=token]`, (field) => (field as HTMLInputElement).value)).toBe('');
}

async function type(page: Page, value: string): Promise<void> {
  await page.click('textarea', { count: 3 });
  await page.type('textarea', value);
}

/** Confirms the question of the page. */
async function confirm(page: Page): Promise<void> {
  await page.locator('dialog[open] button[value=confirm]').click();
  await page.waitForSelector('dialog[open]', { hidden: true });
}

const isDisabled = (page: Page): Promise<boolean> =>
  page.$eval('.composer .hold', (button) => (button as HTMLButtonElement).disabled);

describe('the console', () => {
  it('shows the clients, and returns a typed value: held until it is stopped, or once', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway.url);
    const errors: unknown[] = [];
    page.on('pageerror', (error) => errors.push(error));
    await showsText(page, 'Console (127.0.0.1)');
    await type(page, '{ "gripper": ');
    expect(await isDisabled(page)).toBe(true);
    await type(page, '{ "gripper": "open" }');
    await page.click('.composer .hold');
    await showsText(page, 'Received');
    await showsText(page, '{"gripper":"open"}');
    expect((await gateway.status()).clients[0]).toMatchObject({
      port: 6000,
      kind: 'web',
      returnData: { gripper: 'open' },
    });
    await page.click('.held .quiet');
    await gateway.statusWhere('cleared return data', ({ clients }) => clients[0]?.returnData === null);
    expect(errors).toEqual([]);
  });

  it('disconnects a client, which shows the reason and does not reconnect', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway.administratorUrl);
    await showsText(page, 'Console (127.0.0.1)');
    await using other = await open(`${gateway.url}/viewer?stream=main`);
    await page.locator('button[aria-label="Disconnect port 6001"]').click();
    await confirm(page);
    await other.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'refused');
    expect(await other.evaluate(() => document.querySelector('gearway-viewer')!.reason)).toMatch(
      /disconnected by the administrator/,
    );
    expect((await gateway.status()).ports).toMatchObject({ taken: 1, held: [] });
    await showsText(page, 'disconnected by the administrator');
  });

  it('is live again within 2 s after the restart of its gateway, without a reload', async () => {
    let gateway = await GatewayProcess.start();
    await using _ = { [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() };
    const url = await gateway.url;
    await using page = await open(url);
    await showsText(page, 'Console (127.0.0.1)');
    await page.evaluate(() => ((globalThis as { marked?: boolean }).marked = true));
    await withinAttempts(
      async () => {
        gateway.signal('SIGTERM');
        await gateway.exited;
        await showsText(page, 'The gateway does not answer');
        gateway = await GatewayProcess.start('--port', new URL(url).port);
        const startMs = performance.now();
        await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
        const tookMs = performance.now() - startMs;
        await gateway.statusWhere('the viewer', ({ clients }) => clients.length === 1);
        await page.waitForFunction(() => !document.body.innerText.includes('The gateway does not answer'));
        return tookMs;
      },
      (tookMs) => expect(tookMs).toBeLessThan(2000),
    );
    expect(await page.evaluate(() => (globalThis as { marked?: boolean }).marked)).toBe(true);
  });

  it('reports that its viewer may only watch, and lists the streams if the requested one is unknown', async () => {
    await using gateway = await LocalGateway.start('--token', 's3cret', '--view-token', 'look');
    await using page = await open(gateway.url);
    await showsText(page, 'This gateway requires a token');
    await page.type('#token', 'look');
    await page.keyboard.press('Enter');
    await showsText(page, 'no right to return data');
    expect(await page.$('textarea')).toBeNull();
    expect(await page.$('button[aria-label^="Disconnect"]')).toBeNull();
    await page.goto(`${gateway.url}/?stream=nope`);
    await showsText(page, 'There is no stream called nope');
    await showsText(page, 'Watch main');
  });

  it('adds and removes a native client, and reports why one cannot be added', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway.administratorUrl);
    const [port] = (await freePorts(1)) as [number];
    await page.waitForSelector('#client-address:enabled');
    await page.type('#client-address', '127.0.0.1:5567');
    await page.keyboard.press('Enter');
    await showsText(page, 'Address is "127.0.0.1:5567", expected tcp://HOST:PORT');
    expect(await page.$eval('#client-address', (input) => input.getAttribute('aria-invalid'))).toBe('true');
    // A click at its position could miss the field, because the page moves when a client is added.
    await page.$eval('#client-address', (input) => (input as HTMLInputElement).select());
    await page.type('#client-address', `tcp://127.0.0.1:${port}?pattern=0`);
    await page.keyboard.press('Enter');
    await showsText(page, `Added tcp://127.0.0.1:${port}?pattern=0`);
    await showsText(page, `Nothing is listening at tcp://127.0.0.1:${port}`);
    expect(await page.$eval('#client-address', (input) => (input as HTMLInputElement).value)).toBe('');
    const button = `button[aria-label="Remove port ${port}"]`;
    const focused = (): Promise<string> =>
      page.evaluate(
        () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '',
      );
    await page.focus(button);
    await page.keyboard.press('Enter');
    await showsText(page, `Remove tcp://127.0.0.1:${port}?`);
    expect(await violations(page)).toEqual([]);
    // Cancelling is the first choice, and changes nothing.
    expect(await focused()).toBe('Cancel');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open]', { hidden: true });
    expect(await focused()).toBe(`Remove port ${port}`);
    expect((await gateway.status()).clients).toHaveLength(2);
    await page.keyboard.press('Enter');
    await confirm(page);
    await page.waitForFunction((gone) => document.querySelector(gone) === null, {}, button);
    // The focus moves to the next client, and a second Enter does not remove it.
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Disconnect port 6000');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open]');
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open]', { hidden: true });
    expect((await gateway.status()).clients.map(({ kind }) => kind)).toEqual(['web']);
  });

  it('offers no changes without the right to administer, explains how to get it, and accepts the token', async () => {
    await using gateway = await LocalGateway.start('--token', 's3cret', '--view-token', 'look');
    await using page = await open(gateway.url);
    await showsText(page, 'This gateway requires a token');
    await page.type('#token', 'look');
    await page.keyboard.press('Enter');
    await showsText(page, 'open the administrator address');
    expect(await page.$('#client-address')).toBeNull();
    expect(await page.$('button[aria-label^="Disconnect"]')).toBeNull();
    await page.type('.key input[name=token]', 'look');
    await page.keyboard.press('Enter');
    await refused(page, '.key', 'The view token does not give the right to administer.');
    await page.type('.key input[name=token]', 'wrong');
    await page.keyboard.press('Enter');
    await refused(page, '.key', 'Invalid token.');
    await page.type('.key input[name=token]', 's3cret');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#client-address:enabled');
  });

  it('logs in with a name and a password, in all tabs, until the user logs out', async () => {
    await using folder = await Folder.create();
    const config = await folder.write(
      'gateway.yaml',
      `streams: { main: { source: "test-pattern:?size=320x180&fps=15" } }\ntokens: { ann: { hash: "${await hashPassword('correct horse')}", rights: [view, return] } }\n`,
    );
    await using gateway = await LocalGateway.start('--config', config);
    await using page = await open(gateway.url);
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'name');
    expect(await violations(page)).toEqual([]);
    await page.keyboard.type('ann');
    await page.keyboard.press('Tab');
    await page.keyboard.type('wrong');
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      () =>
        document.querySelector('.gate [role=alert]')?.textContent === 'Wrong name or password.' &&
        document.activeElement?.getAttribute('name') === 'password',
    );
    const values = await page.$$eval('.gate input', (fields) =>
      (fields as HTMLInputElement[]).map(({ name, value, autocomplete }) => [name, value, autocomplete]),
    );
    expect(values).toEqual([
      ['name', 'ann', 'username'],
      ['password', '', 'current-password'],
      ['token', '', 'current-password'],
    ]);
    expect(await violations(page)).toEqual([]);
    await page.keyboard.type('correct horse');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    await showsText(page, 'Log out');
    expect(await page.$eval('.account .user', (user) => user.textContent)).toBe('ann');
    // Scripts have neither the password nor the cookie.
    expect(await page.evaluate(() => [document.cookie, sessionStorage.getItem('gearway-token')])).toEqual(['', null]);
    const other = await page.browserContext().newPage();
    await other.goto(`${gateway.url}/viewer?stream=main`);
    await other.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    await page.bringToFront();
    await page.locator('.account button').click();
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'name');
    await other.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'refused');
    expect(await page.$('.account')).toBeNull();
  });

  it('shares a stream by a link, whose viewer ends when it is revoked', async () => {
    await using gateway = await LocalGateway.start('--token', 's3cret');
    await using page = await open(`${gateway.url}/`);
    await page.waitForSelector('#token');
    await page.type('#token', 's3cret');
    await page.keyboard.press('Enter');
    await page.locator('.source .actions ::-p-text(Share)').click();
    await page.waitForSelector('.share-dialog[open]');
    await page.locator('.share-dialog .primary').click();
    await page.waitForSelector('.share-dialog .snip code');
    await page.waitForSelector('.share-dialog .qr svg');
    expect(await violations(page)).toEqual([]);
    const link = new URL(await page.$eval('.share-dialog .snip code', (code) => code.textContent));
    expect(link.search).toBe('?stream=main');
    await using guest = await open(`${gateway.url}/viewer${link.search}${link.hash}`);
    await guest.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    expect(await guest.evaluate(() => document.querySelector('gearway-viewer')?.port)).toBeNull();
    await guest.reload();
    await guest.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    // The guest cannot use the console.
    await using console = await open(`${gateway.url}/${link.hash}`);
    await console.waitForSelector('#token');
    await page.locator('.share-dialog [aria-label^=Revoke]').click();
    await guest.waitForFunction(
      () => document.querySelector('gearway-viewer [role=alert]')?.textContent === 'This link was revoked.',
    );
    await page.waitForFunction(() => document.querySelector('.share-dialog li') === null);
  });

  it('reads the administrator key from its address, keeps the key for all tabs, and removes it from the address', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(`${gateway.administratorUrl}`);
    await page.waitForSelector('#client-address:enabled');
    expect(await page.evaluate(() => [location.hash, history.length])).toEqual(['', 2]);
    await page.reload();
    await page.waitForSelector('#client-address:enabled');
    // Another browser does not have it.
    await using other = await open(gateway.url);
    await other.waitForSelector('.key input[name=token]');
    await other.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    // Entering the address in the open page does not reload it.
    await other.evaluate((hash) => void (location.hash = hash), `key=${gateway.key}`);
    await other.waitForSelector('#client-address:enabled');
    expect(await other.evaluate(() => location.hash)).toBe('');
  });

  it('reports that a key is outdated, and still shows the picture', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(`${gateway.url}/#key=of-yesterday`);
    await page.waitForFunction(() =>
      document.querySelector('.key [role=alert]')?.textContent.startsWith('Invalid key'),
    );
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    await page.type('.key input[name=token]', gateway.key);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#client-address:enabled');
    // The viewer reconnects with the rights of the key.
    await gateway.statusWhere('the only client', ({ clients }) => clients.length === 1);
  });

  it.each([
    ['/', 'main'],
    ['/viewer', 'main'],
    ['/viewer?stream=main', 'gearway-viewer'],
  ])('reports a wrong token on %s, in a field that is ready for another one', async (path, place) => {
    await using gateway = await LocalGateway.start('--token', 's3cret');
    await using page = await open(`${gateway.url}${path}`, { dark: false });
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'token');
    expect(await page.$eval('[role=alert]', (alert) => alert.textContent)).toBe('');
    for (const wrong of ['wrong', 'wrong']) {
      await page.keyboard.type(wrong);
      await page.keyboard.press('Enter');
      await refused(page, place, 'Invalid token.');
      expect(await violations(page)).toEqual([]);
    }
    await page.keyboard.type('s3cret');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    expect(await page.$('[role=alert]:not(:empty)')).toBeNull();
    await page.reload();
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    expect(gateway.log.filter((line) => line.includes('failed log-in'))).toHaveLength(1);
  });

  it('reports which clients do not match, and which are missing', async () => {
    const [wrong, missing] = (await freePorts(2)) as [number, number];
    await using peer = new PythonPeer('client.py', { port: wrong, pattern: 0 });
    await peer.waitFor('ready');
    await using gateway = await LocalGateway.start(
      '--start',
      'all',
      '--client',
      `tcp://127.0.0.1:${wrong}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${missing}`,
    );
    await using page = await open(gateway.administratorUrl);
    await showsText(page, `Waiting for ${wrong}, ${missing} to connect`);
    await showsText(page, `The client at tcp://127.0.0.1:${wrong} has pattern 0, but its address specifies pattern 1`);
    await showsText(page, 'Refused');
    await showsText(page, `Nothing is listening at tcp://127.0.0.1:${missing}`);
    for (const port of [wrong, missing]) {
      await page.locator(`button[aria-label="Remove port ${port}"]`).click();
      await confirm(page);
      await page.waitForFunction(
        (label) => document.querySelector(`button[aria-label="${label}"]`) === null,
        {},
        `Remove port ${port}`,
      );
    }
    await page.waitForFunction(
      () =>
        document.querySelector('gearway-viewer')?.state === 'live' &&
        !document.body.innerText.includes('(--start all)'),
    );
  });

  it.each([
    ['samples', true],
    ['a JPEG', false],
  ])('shows return data as a picture, enlarged on a click: %s', async (_what, raw) => {
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--token', 's3cret', '--client', `tcp://127.0.0.1:${port}`);
    await using peer = new PythonPeer('client.py', {
      port,
      bidirectional: true,
      returns: { $array: 'uint8', shape: [300, 400, 3] },
      raw_returns: raw,
    });
    await peer.waitFor('progress');
    await using page = await open(gateway.url);
    await page.waitForSelector('#token');
    await page.type('#token', 's3cret');
    await page.keyboard.press('Enter');
    const drawn = (selector: string, width: number): Promise<unknown> =>
      page.waitForFunction(
        (place, wanted) => document.querySelector<HTMLImageElement>(place)?.naturalWidth === wanted,
        {},
        selector,
        width,
      );
    await drawn('.thumb img', 192);
    await showsText(page, raw ? 'uint8 [300, 400, 3]' : 'JPEG, 400×300');
    const small = await page.$eval('.thumb img', (image) => (image as HTMLImageElement).src);
    await page.focus('.thumb');
    await page.keyboard.press('Enter');
    await drawn('dialog[open] img', 400);
    expect(await page.$eval('dialog h2', (title) => title.textContent)).toContain(`Return data of port ${port}`);
    expect(await violations(page)).toEqual([]);
    // The memory of the small image is released.
    expect(
      await page.evaluate(
        (url) =>
          fetch(url).then(
            () => true,
            () => false,
          ),
        small,
      ),
    ).toBe(false);
    await page.keyboard.press('Escape');
    expect(await page.$('dialog[open]')).toBeNull();
    // The data stays the same: nothing is fetched again.
    const before = await page.evaluate(
      () => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/return')).length,
    );
    const asked = await page.evaluate(() => performance.getEntriesByType('resource').length);
    await page.waitForFunction((count) => performance.getEntriesByType('resource').length > count + 2, {}, asked);
    expect(
      await page.evaluate(
        () => performance.getEntriesByType('resource').filter(({ name }) => name.includes('/return')).length,
      ),
    ).toBe(before);
    peer.signal('SIGKILL');
    await page.waitForFunction(() => document.querySelector('.thumb') === null);
  });

  it('shows the stream in the address, with any name, and lists the ports of its server', async () => {
    const [first, second, third, fourth] = (await freePorts(4)) as [number, number, number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${first},${second}?multiserver=true`,
    );
    await using page = await open(`${gateway.url}/?stream=${first}`);
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'waiting');
    expect(await page.$eval('gearway-viewer', ({ reason }) => reason)).toBe(
      `waiting for a NetGear server to connect to tcp://127.0.0.1:${first} with pattern 1`,
    );
    expect(
      await page.$$eval('nav a', (links) =>
        links.map((link) => `${link.textContent} ${link.getAttribute('aria-current')}`),
      ),
    ).toEqual(['All streams null', `${first} page`, `${second} null`]);
    await page.goto(`${gateway.url}/?stream=${second}`);
    await page.waitForFunction(
      (name) => document.querySelector('gearway-viewer')!.src.endsWith(`/${name}`),
      {},
      String(second),
    );
    await page.goto(`${gateway.url}/viewer`);
    await page.waitForFunction(
      (name) => document.title === `${name}, Gearway` && document.querySelector('gearway-viewer')?.state === 'waiting',
      {},
      String(first),
    );
    await using multi = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${third},${fourth}?multiclient=true`,
    );
    await page.goto(multi.url);
    await page.locator('section[aria-label="Web ports"] summary').click();
    await page.waitForSelector('.port-list');
    expect(
      (
        await page.$$eval('.port-list li', (items) =>
          items.map((item) => item.innerText.replaceAll(/\s+/g, ' ').trim()),
        )
      ).join(),
    ).toMatch(new RegExp(`^${third} (?:in use|free),${fourth} free$`));
  });

  it('asks for the token on a viewer page without a stream in its address', async () => {
    await using gateway = await LocalGateway.start('--token', 's3cret');
    await using page = await open(`${gateway.url}/viewer`);
    await page.waitForSelector('input[name=token]');
    await page.type('input[name=token]', 'wrong');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector<HTMLInputElement>('input[name=token]')?.value === '');
    await page.type('input[name=token]', 's3cret');
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      () => document.querySelector('gearway-viewer')?.state === 'live' && document.title === 'main, Gearway',
    );
    expect(await page.$('form')).toBeNull();
  });

  it('is usable by keyboard alone', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway.administratorUrl);
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    await page.waitForSelector('button[aria-label="Disconnect port 6000"]');
    const focused = (): Promise<string> =>
      page.evaluate(() => {
        let element = document.activeElement;
        while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
        const [label] = element instanceof HTMLInputElement ? (element.labels ?? []) : [];
        return (
          element?.getAttribute('aria-label') ?? (label ?? element)?.textContent?.replaceAll(/\s+/g, ' ').trim() ?? ''
        );
      });
    const reached: string[] = [];
    for (let i = 0; i < 60; i += 1) {
      await page.keyboard.press('Tab');
      const name = await focused();
      if (reached.includes(name) && name === reached[0]) break;
      if (name !== '') reached.push(name);
    }
    for (const name of [
      'Toggle dark theme',
      'Live picture of main',
      'Pause',
      'Save snapshot',
      'Statistics',
      'Mirror',
      'Full screen',
      'Value as JSON',
      'Hold until replaced',
      'Send once',
      'Save this one',
      'Message as a tree',
      'Disconnect port 6000',
      'Add a native client',
      'Web ports 1 of 64 in use',
      'Connect phones, Python, web pages',
    ]) {
      expect(reached, name).toContain(name);
    }
    const press = async (key: 'k' | 'i' | 'm' | 'r'): Promise<void> => {
      await page.evaluate(() =>
        document.querySelector('gearway-viewer')!.shadowRoot!.querySelector<HTMLElement>('.stage')!.focus(),
      );
      await page.keyboard.press(key);
    };
    await press('k');
    await gateway.statusWhere('a paused viewer', ({ clients }) => clients[0]?.state === 'paused');
    await press('k');
    await gateway.statusWhere('a live viewer', ({ clients }) => clients[0]?.state === 'live');
    await press('i');
    await press('m');
    await press('r');
    expect(
      await page.$eval('gearway-viewer', ({ showStats, mirror, rotate }) => ({ showStats, mirror, rotate })),
    ).toEqual({ showStats: true, mirror: true, rotate: 90 });
  });

  it.each([
    ['the console', ''],
    ['the console of an administrator', '#key='],
    ['the viewer page', 'viewer'],
  ])('passes axe-core on a phone and a desktop, in both themes: %s', async (_name, path) => {
    await using gateway = await LocalGateway.start('--client', 'tcp://127.0.0.1:65530');
    await using page = await open(path === '#key=' ? gateway.administratorUrl : `${gateway.url}/${path}`);
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');
    if (path !== 'viewer') await showsText(page, 'Console');
    await page.evaluate(() => (document.querySelector('gearway-viewer')!.showStats = true));
    await page.waitForFunction(
      () => document.querySelector('gearway-viewer')!.shadowRoot!.querySelector('.stats table') !== null,
    );
    for (const width of [390, 1440]) {
      await page.setViewport({ width, height: 1000 });
      for (const theme of ['dark', 'light']) {
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
        expect(await violations(page), `${theme}, ${width} px`).toEqual([]);
      }
    }
  });
});
