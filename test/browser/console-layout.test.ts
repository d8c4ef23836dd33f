import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess, SMALL_PATTERN } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { WebViewer } from '../helpers/web-viewer.ts';
import { closeWindow, openWindow } from '../helpers/windows.ts';
import { violations } from './accessibility.ts';
import { smallTargets } from './touch-targets.ts';

const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true } as const;
const LONG_NAME = 'A name that is as long as names may be, sixty-four characters 01';

let browser: Browser;
beforeAll(async () => {
  browser = await sharedBrowser('chromium');
});
afterAll(async () => {
  await browser.close();
});

async function open(
  url: string,
  viewport: Parameters<Page['setViewport']>[0] = { width: 1440, height: 900 },
): Promise<Page & AsyncDisposable> {
  const page = await openWindow(browser, 'about:blank');
  await page.setViewport(viewport);
  await page.goto(url);
  return Object.assign(page, { [Symbol.asyncDispose]: () => closeWindow(page) });
}

const showsText = (page: Page, words: string): Promise<unknown> =>
  page.waitForFunction((wanted) => document.body.innerText.includes(wanted), {}, words);
const isLive = (page: Page): Promise<unknown> =>
  page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'live');

/** Difference between the widths of page and window, in pixels. */
const overflow = (page: Page): Promise<number> =>
  page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

describe('the console on a phone', () => {
  it('shows return data directly below the picture, which stays visible and live while data is returned', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway.administratorUrl, PHONE);
    await isLive(page);
    await showsText(page, 'Console (127.0.0.1)');
    const gap = await page.evaluate(
      () =>
        document.querySelector('[aria-label="Return data"]')!.getBoundingClientRect().top -
        document.querySelector('gearway-viewer')!.getBoundingClientRect().bottom,
    );
    expect(gap).toBeGreaterThanOrEqual(0);
    expect(gap).toBeLessThan(40);
    // Scroll to the end of the page.
    await page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
    await page.waitForFunction(() => scrollY > 200);
    const { top, bottom } = await page.$eval(
      'gearway-viewer',
      (viewer) => viewer.getBoundingClientRect().toJSON() as DOMRect,
    );
    expect([Math.round(top), bottom > 100]).toEqual([0, true]);
    // The field is not behind the picture when it gets the focus.
    await page.focus('textarea');
    expect(await page.$eval('textarea', (field) => field.getBoundingClientRect().top)).toBeGreaterThan(bottom - 1);
    await page.click('.composer .hold');
    await showsText(page, 'Received');
    expect(await page.$eval('gearway-viewer', ({ state }) => state)).toBe('live');
    expect(await overflow(page)).toBe(0);
  });
});

describe('the pages on a phone', () => {
  it('have targets that are large enough for fingers, and are no wider than the window', async () => {
    await using gateway = await LocalGateway.start('--source', `a=${SMALL_PATTERN}`, '--source', 'b=push:');
    await using locked = await LocalGateway.start('--token', 's3cret');
    await using page = await open('about:blank', PHONE);
    const check = async (): Promise<void> => {
      expect(await smallTargets(page), page.url()).toEqual([]);
      expect(await overflow(page), page.url()).toBe(0);
    };
    await page.goto(gateway.administratorUrl);
    await showsText(page, 'Add stream');
    await check();
    await page.goto(`${gateway.url}/?stream=a`);
    await isLive(page);
    await showsText(page, 'Edit stream');
    await page.locator('section[aria-label="Connect"] summary').click();
    await page.$eval(
      'textarea',
      (field, text) => {
        field.value = text;
        field.dispatchEvent(new Event('input'));
      },
      `"${'a long command '.repeat(20)}"`,
    );
    await page.click('.saved .link');
    await page.click('.composer .hold');
    await showsText(page, 'Received');
    await check();
    // A long command does not widen the form.
    expect(await page.$eval('.composer', ({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)).toBe(0);
    expect(await violations(page)).toEqual([]);
    await page.locator('::-p-text(Share)').click();
    await page.waitForSelector('dialog[open]');
    await check();
    expect(await violations(page, 'dialog')).toEqual([]);
    for (const path of ['viewer?stream=a', 'viewer?stream=a,b', 'viewer?stream=none', 'publish?stream=b']) {
      await page.goto(`${gateway.url}/${path}`);
      await page.waitForFunction(() => {
        const element = document.querySelector('gearway-viewer') ?? document.querySelector('gearway-publisher');
        return ['live', 'idle', 'refused'].includes(element?.state ?? '');
      });
      await page.waitForSelector('gearway-viewer >>> .controls button, .on-picture a, gearway-publisher >>> button');
      await check();
    }
    await page.goto(locked.url);
    await page.waitForSelector('input[name=token]', { visible: true });
    await check();
  });
});

describe('the keyboard focus', () => {
  it('stays in a dialog, returns to its button, and survives actions that remove their button', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway.administratorUrl);
    await isLive(page);
    await showsText(page, 'Edit stream');
    const focused = (): Promise<string> =>
      page.evaluate(() => {
        const { activeElement } = document;
        return (activeElement?.getAttribute('aria-label') ?? activeElement?.textContent ?? '').trim();
      });
    const press = async (selector: string): Promise<void> => {
      await page.waitForSelector(selector);
      await page.focus(selector);
      await page.keyboard.press('Enter');
    };
    for (const [index, name] of ['Share', 'Edit stream', 'Add stream'].entries()) {
      await press(`.actions button:nth-child(${index + 1})`);
      await page.waitForSelector('dialog[open]');
      for (let count = 0; count < 12; count += 1) {
        await page.keyboard.press('Tab');
        expect(
          await page.evaluate(
            () => document.activeElement === document.body || document.activeElement!.closest('dialog[open]') !== null,
          ),
        ).toBe(true);
      }
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog[open]', { hidden: true });
      expect(await focused()).toBe(name);
    }
    await press('.saved .link');
    expect(await focused()).toBe('Saved');
    await press('.saved .remove');
    expect(await focused()).toBe('Value as JSON');
    await press('.composer .hold');
    await press('.held button');
    await page.waitForFunction(() => document.activeElement?.matches('.composer .hold'));
    await page.evaluate(() =>
      localStorage.setItem(
        'gearway-layout / main',
        JSON.stringify({ devices: ['a', 'b', 'c'].map((name) => ({ kind: 'button', name })) }),
      ),
    );
    await page.reload();
    await isLive(page);
    await press('.choice button:last-child');
    await press('.devices .tools button');
    expect(await focused()).toBe('Use');
    await press('[aria-label="Move up: Button c"]');
    expect(await focused()).toBe('Move up: Button c');
    await page.keyboard.press('Enter');
    expect(await focused()).toBe('Move down: Button c');
    await press('[aria-label="Remove: Button b"]');
    expect(await focused()).toBe('Remove: Button a');
    await press('.devices .tools .primary');
    expect(await focused()).toBe('Edit layout');
  });
});

describe('the pages without scripts', () => {
  it.each(['nowhere', 'api/'])('pass axe-core in both themes: %s', async (path) => {
    await using gateway = await LocalGateway.start();
    await using page = await open(`${gateway.url}/${path}`);
    for (const value of ['dark', 'light']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
      expect(await violations(page), value).toEqual([]);
    }
  });
});

describe('the viewer page', () => {
  it('names its stream, and leads to the console, to all streams, or to any port', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(`${gateway.url}/viewer`);
    await isLive(page);
    const links = (): Promise<string[]> =>
      page.$$eval('gearway-viewer a', (anchors) => anchors.map((a) => `${a.innerText} ${a.getAttribute('href')}`));
    expect(await links()).toEqual(['main ./?stream=main']);
    await page.goto(`${gateway.url}/viewer?stream=none`);
    await showsText(page, 'No such stream');
    expect(await links()).toEqual(['none ./?stream=none', 'All streams ./']);
    await page.goto(`${gateway.url}/viewer?stream=main&port=1`);
    await showsText(page, 'No such port');
    await page.locator('gearway-viewer a.primary').click();
    await isLive(page);
    expect(await page.$eval('gearway-viewer', ({ port }) => port)).toBe(6000);
  });
});

describe('the clients of the console', () => {
  describe('with long names', () => {
    let gateway: LocalGateway;
    let page: Page & AsyncDisposable;
    beforeAll(async () => {
      gateway = await LocalGateway.start();
      const viewer = await WebViewer.open(`${gateway.url}/streams/main`, { name: LONG_NAME });
      await viewer.return({ kind: 'value', value: { speed: 1 } });
      page = await open(gateway.administratorUrl);
      await showsText(page, '{"speed":1}');
      await page.waitForSelector('[aria-label="Disconnect port 6000"]');
    });
    afterAll(async () => {
      await page[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    });

    it.each([390, 768, 899, 900, 1280, 1440])('show return data and actions in full at %i px', async (width) => {
      await page.setViewport({ width, height: 900 });
      await page.waitForFunction((wanted) => innerWidth === wanted, {}, width);
      // Read in one step, between two changes of the list.
      const hidden = await page.evaluate(() =>
        [...document.querySelectorAll('[data-client] :is(.data .text, .action button, .state)')]
          .filter((element) => {
            const { left, right, width: size } = element.getBoundingClientRect();
            const panel = element.closest('.panel')!.getBoundingClientRect();
            return size === 0 || left < panel.left || right > panel.right || right > innerWidth;
          })
          .map((element) => element.outerHTML),
      );
      expect(hidden).toEqual([]);
      expect(await overflow(page)).toBe(0);
      const isCard = await page.$eval('[data-client]', (row) => getComputedStyle(row).display === 'grid');
      if (width < 900) expect(isCard).toBe(true);
      if (width >= 1280) expect(isCard).toBe(false);
      // The roles of the table are kept when it is shown as cards.
      expect(
        await page.$$eval('[role=columnheader]', (headings) => headings.map(({ textContent }) => textContent?.trim())),
      ).toContain('Return data');
      expect(await violations(page)).toEqual([]);
    });
  });

  it('are not green while their stream waits', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    await using _viewer = await WebViewer.open(`${gateway.url}/streams/main`, { name: 'watcher' });
    await using page = await open(gateway.url);
    await page.waitForFunction(() => document.querySelectorAll('[data-client]').length === 2);
    expect(
      await page.$$eval('[data-client] .state', (states) =>
        states.map((state) => `${state.textContent} ${state.firstElementChild!.className}`),
      ),
    ).toEqual(['Connected dot idle', 'Connected dot idle']);
    expect(await page.$('header .dot.live, [data-client] .dot.live')).toBeNull();
  });
});

describe('a waiting stream', () => {
  it('whose source is push: offers over the picture to publish from this browser', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    await using page = await open(gateway.url);
    const link = await page.waitForSelector('gearway-viewer a[href="publish?stream=main"]', { visible: true });
    expect(await link?.isIntersectingViewport()).toBe(true);
    expect(await violations(page)).toEqual([]);
  });

  it('shows how to connect, and collapses this section once the stream is live', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    await using page = await open(gateway.url);
    await page.waitForSelector('section[aria-label="Connect"] details[open]');
    await showsText(page, 'Push an image from a shell');
    const { JPEG } = await import('../helpers/viewer.ts');
    await fetch(`${gateway.url}/streams/main/frames`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body: Uint8Array.from(JPEG),
    });
    await page.waitForSelector('section[aria-label="Connect"] details:not([open])');
    await page.click('section[aria-label="Connect"] summary');
    await showsText(page, 'Push an image from a shell');
  });
});

describe('the return data of the console', () => {
  it('is sent once or held, is saved in the browser, and may contain typographic quotes', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway.url);
    await showsText(page, 'Console (127.0.0.1)');
    const write = async (text: string): Promise<void> => {
      await page.click('textarea', { count: 3 });
      await page.type('textarea', text);
    };
    await write('{ gripper: 1 }');
    await showsText(page, 'Column 3: write the name in double quotes: "gripper"');
    await write('{ “gripper”: “open” }');
    await page.click('.composer .once');
    await showsText(page, 'Received');
    expect((await gateway.status()).clients[0]?.returnData).toBeNull();
    await page.click('.composer .hold');
    await gateway.statusWhere(
      'held return data',
      ({ clients }) => JSON.stringify(clients[0]?.returnData) === '{"gripper":"open"}',
    );
    await page.click('.saved .link');
    await write('1');
    await page.reload();
    await page.waitForSelector('.saved .use');
    await page.click('.saved .use');
    expect(await page.$eval('textarea', ({ value }) => value)).toBe('{ “gripper”: “open” }');
    await page.click('.saved .remove');
    expect(await page.$('.saved li')).toBeNull();
  });
});

describe('a viewer without a port', () => {
  it('keeps the form for return data, disabled and with the reason: the page does not move', async () => {
    await using gateway = await LocalGateway.start('--virtual-ports', '6000');
    await using holder = await WebViewer.open(`${gateway.url}/streams/main`);
    expect((await holder.welcome).port).toBe(6000);
    await using page = await open('about:blank', PHONE);
    await page.evaluateOnNewDocument(() => {
      const shifts: number[] = [];
      Object.assign(window, { shifts });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) shifts.push((entry as PerformanceEntry & { value: number }).value);
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await page.goto(gateway.url);
    await isLive(page);
    await showsText(page, 'All virtual ports, 6000, are taken');
    const buttons = await page.$$eval('.composer .buttons button', (all) =>
      all.map((button) => button.matches(':disabled')),
    );
    expect(buttons).toEqual([true, true]);
    expect(await violations(page)).toEqual([]);
    // Removing the form would move everything below it up by 185 pixels, a layout shift of 0.09.
    expect(await page.evaluate('shifts.reduce((sum, value) => sum + value, 0)')).toBeLessThan(0.05);
  });
});

describe('copying', () => {
  it('works where the page may not use the clipboard, as over plain HTTP', async () => {
    await using gateway = await LocalGateway.start('--source', 'push:');
    await using page = await open('about:blank');
    await page.evaluateOnNewDocument(() =>
      Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined }),
    );
    await page.goto(gateway.url);
    await page.locator('[aria-label="Copy: Push an image from a shell"]').click();
    await showsText(page, 'Copied');
    await page.focus('textarea');
    await page.click('textarea', { count: 3 });
    await page.keyboard.down('Control');
    await page.keyboard.press('v');
    await page.keyboard.up('Control');
    expect(await page.$eval('textarea', ({ value }) => value)).toBe(
      `curl -F frame=@picture.jpg ${gateway.url}/streams/main/frames`,
    );
  });
});

describe('the addresses for other devices', () => {
  it('are printed, and shown with a QR code', async () => {
    await using gateway = await GatewayProcess.start('--host', '0.0.0.0', '--insecure');
    const { port } = new URL(await gateway.url);
    const local = `http://127.0.0.1:${port}`;
    const { networkUrls } = (await (await fetch(`${local}/api/gateway`)).json()) as { networkUrls: string[] };
    expect(gateway.stdout.all.filter((line) => line.startsWith('In your network: '))).toEqual(
      networkUrls.map((url) => `In your network: ${url}`),
    );
    for (const url of networkUrls) expect((await fetch(`${url}healthz`)).status).toBe(200);
    await using page = await open(local);
    await isLive(page);
    await page.locator('section[aria-label="Connect"] summary').click();
    const [first] = networkUrls;
    if (first === undefined) await showsText(page, 'Only this machine can open the gateway');
    else await page.waitForSelector(`[aria-label="QR code of ${first}?stream=main"]`);
  });

  it('are missing for a gateway on the loopback interface, and the page explains how to get addresses', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway.url);
    await isLive(page);
    await page.locator('section[aria-label="Connect"] summary').click();
    await showsText(page, '--host 0.0.0.0 --token SECRET');
    expect(await page.$('.qr')).toBeNull();
  });
});

describe('the wall', () => {
  const SOURCES = [
    '--source',
    'yard=test-pattern:?size=320x180&fps=5',
    '--source',
    'hall=test-pattern:?size=320x240&fps=5',
    '--source',
    'door=push:',
    '--source',
    'arm=test-pattern:?size=320x180&fps=5',
    '--source',
    'roof=push:',
  ];

  it('shows all streams with their pictures and problems; one click opens a stream', async () => {
    await using gateway = await LocalGateway.start(...SOURCES);
    await using page = await open(gateway.url, { width: 390, height: 1600 });
    await page.waitForFunction(
      () =>
        [...document.querySelectorAll<HTMLImageElement>('.tile img')].filter(({ naturalWidth }) => naturalWidth > 0)
          .length === 3,
    );
    for (const width of [390, 1440]) {
      await page.setViewport({ width, height: 1600 });
      expect(
        await page.$$eval('.tile', (tiles) =>
          tiles
            .map((tile) => (tile as HTMLElement).innerText.replaceAll(/\s+/g, ' '))
            .filter((text) => text.includes('door')),
        ),
      ).toEqual(['No picture door Waiting Waiting for a publisher']);
      expect(await overflow(page)).toBe(0);
      expect(await violations(page)).toEqual([]);
    }
    const first = await page.$eval('[data-stream=yard] img', ({ src }) => src);
    await page.waitForFunction(
      (src) => document.querySelector<HTMLImageElement>('[data-stream=yard] img')!.src !== src,
      {},
      first,
    );
    // A wall is not a client, and occupies no port.
    const streams = (await (await fetch(`${gateway.url}/api/streams`)).json()) as { clients: unknown[] }[];
    expect(streams.flatMap(({ clients }) => clients)).toEqual([]);
    await page.type('[type=search]', 'waiting');
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 2);
    await page.click('[type=search]', { count: 3 });
    await page.type('[type=search]', 'hall');
    await page.waitForFunction(() => document.querySelectorAll('.tile').length === 1);
    await page.click('.tile');
    await isLive(page);
    expect(new URL(page.url()).search).toBe('?stream=hall');
    await page.click('nav .all');
    await page.waitForSelector('.tile');
  });

  it('has tiles of one size, and pages that fit the window, with stream names of any length', async () => {
    const name = 'n'.repeat(64);
    await using gateway = await LocalGateway.start(
      '--source',
      'a=test-pattern:?size=320x180&fps=2',
      '--source',
      `${name}=test-pattern:?size=320x180&fps=2`,
    );
    await using page = await open(gateway.administratorUrl);
    for (const width of [390, 768, 1440]) {
      await page.setViewport({ width, height: 900 });
      // The session remains.
      await page.goto(gateway.url);
      await page.waitForSelector(`[data-stream=${name}] img`);
      const [first, second] = await page.$$eval('.tile', (tiles) =>
        tiles.map((tile) => ({
          width: tile.clientWidth,
          height: tile.clientHeight,
          cut: tile.querySelector('.state')!.getBoundingClientRect().right - tile.getBoundingClientRect().right,
        })),
      );
      expect(second).toEqual({ ...first, cut: expect.closeTo(first!.cut, 1) as number });
      expect(first!.cut).toBeLessThan(0);
      expect(await overflow(page)).toBe(0);
      // The page of the stream has its name in the header.
      await page.click(`[data-stream=${name}] a`);
      await showsText(page, 'Return data');
      await showsText(page, 'Log out');
      await page.waitForSelector('[data-client]');
      expect(await overflow(page)).toBe(0);
      expect(await page.$eval('.account button', (button) => button.getBoundingClientRect().right <= innerWidth)).toBe(
        true,
      );
    }
  });

  it('fetches pictures of the streams on screen only', async () => {
    const many = Array.from({ length: 12 }, (_, index) => [
      '--source',
      `cam-${index + 1}=test-pattern:?size=320x180&fps=2`,
    ]).flat();
    await using gateway = await LocalGateway.start(...many);
    await using page = await open(gateway.url, { width: 390, height: 500 });
    await page.waitForSelector('[data-stream=cam-1] img');
    const fetched = (): Promise<string[]> =>
      page.evaluate(() =>
        performance
          .getEntriesByType('resource')
          .map(({ name }) => /streams\/([^/]+)\/snapshot/.exec(name)?.[1] ?? '')
          .filter((name) => name !== ''),
      );
    await page.waitForFunction(
      () => performance.getEntriesByType('resource').filter(({ name }) => name.includes('snapshot')).length > 8,
    );
    expect(await fetched()).not.toContain('cam-12');
    await page.evaluate(() => document.querySelector('[data-stream=cam-12]')!.scrollIntoView());
    await page.waitForSelector('[data-stream=cam-12] img');
  });

  it('replaces the page of the only stream and its dialogs, or is replaced by it, when the gateway restarts with other streams', async () => {
    const start = (port: string, ...names: string[]): Promise<LocalGateway> =>
      LocalGateway.start(
        '--port',
        port,
        ...names.flatMap((name) => ['--source', `${name}=test-pattern:?size=320x180&fps=5`]),
      );
    const first = await start('0', 'yard');
    const { port } = new URL(first.url);
    await using page = await open(first.url);
    await isLive(page);
    const dialogs = (): Promise<string[]> =>
      page.$$eval('dialog', (elements) => elements.map(({ className }) => className).sort());
    expect(await dialogs()).toEqual(['confirm', 'enlarged']);
    await page.evaluate(() => document.querySelector<HTMLDialogElement>('dialog.enlarged')!.showModal());
    await first[Symbol.asyncDispose]();
    const second = await start(port, 'yard', 'hall');
    await page.waitForSelector('.tile');
    expect(await dialogs()).toEqual([]);
    await second[Symbol.asyncDispose]();
    await using _third = await start(port, 'hall');
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.src.endsWith('/hall'));
    await isLive(page);
    expect(await dialogs()).toEqual(['confirm', 'enlarged']);
  });
});

describe('the grid of the viewer page', () => {
  it('shows the named streams as spectators, after asking for the token once', async () => {
    await using gateway = await LocalGateway.start(
      '--token',
      's3cret',
      '--source',
      'a=test-pattern:?size=320x180&fps=5',
      '--source',
      'b=test-pattern:?size=320x180&fps=5',
      '--source',
      'c=push:',
    );
    await using page = await open(`${gateway.url}/viewer?stream=a,b,c`, { width: 1280, height: 720 });
    await page.waitForSelector('input[name=token]');
    await page.type('input[name=token]', 'wrong');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('[role=alert]')?.textContent === 'Invalid token.');
    await page.type('input[name=token]', 's3cret');
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      () => [...document.querySelectorAll('gearway-viewer')].map(({ state }) => state).join() === 'live,live,waiting',
    );
    expect(gateway.log.filter((line) => line.includes('failed log-in'))).toHaveLength(1);
    expect(await page.$$eval('gearway-viewer', (viewers) => viewers.map(({ port }) => port))).toEqual([
      null,
      null,
      null,
    ]);
    const boxes = await page.$$eval('gearway-viewer', (viewers) =>
      viewers.map((viewer) => viewer.getBoundingClientRect().toJSON() as DOMRect),
    );
    expect(new Set(boxes.map(({ width }) => Math.round(width))).size).toBe(1);
    expect(boxes.every(({ right, bottom }) => right <= 1280 && bottom <= 720)).toBe(true);
    expect(await violations(page)).toEqual([]);
    // The session ends, as after a restart of the gateway. The page asks for a new log-in once for all viewers.
    await page.evaluate(() => fetch('api/session', { method: 'DELETE' }));
    await page.waitForSelector('input[name=token]');
    expect(await page.$$('gearway-viewer')).toEqual([]);
    await page.type('input[name=token]', 's3cret');
    await page.keyboard.press('Enter');
    await page.waitForFunction(
      () => [...document.querySelectorAll('gearway-viewer')].map(({ state }) => state).join() === 'live,live,waiting',
    );
  });
});

describe('a server of another pattern', () => {
  it('is named in the notice over the picture', async () => {
    const { PythonPeer } = await import('../helpers/peers.ts');
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
    await using page = await open(gateway.url);
    await page.waitForFunction(() => document.querySelector('gearway-viewer')?.state === 'waiting');
    await using _server = new PythonPeer('server.py', { port: source, pattern: 0, frames: 600 });
    await page.waitForFunction(() => /; .*pattern/.test(document.querySelector('gearway-viewer')!.reason));
  });
});
