import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CuttableProxy } from '../helpers/cuttable-proxy.ts';
import { closeWindow, openTab, openWindow } from '../helpers/windows.ts';
import { type DrivenServer, type DriveReport, holdW, startDrivenServer, stopRepeating } from './driven-server.ts';

/** How long W is held, in frames of 33 ms: longer than its time to live, so that it must be repeated. */
const HELD_FRAMES = 36;

/** Maximum number of such periods. In each, a page that gets no processor time for half a second lets go of W. */
const HELD_PERIODS = 5;

describe('W is held, and then', () => {
  let driven: DrivenServer;
  beforeAll(async () => {
    driven = await startDrivenServer();
  });
  afterAll(async () => driven[Symbol.asyncDispose]());

  /**
   * A real server that is driven by a page, over a connection that can be cut.
   *
   * @returns the time until the server gets the neutral value, in seconds.
   */
  const drive = async (
    happens: (page: Page, proxy: CuttableProxy) => unknown,
    open: (browser: Browser, url: string) => Promise<Page> = openWindow,
  ): Promise<number> => {
    const { browser, gateway, server } = driven;
    await using proxy = await CuttableProxy.start(await gateway.url);
    const page = await open(browser, `${proxy.url}/viewer?stream=main&bare`);
    await page.addScriptTag({ url: `${proxy.url}/gearway-devices.js`, type: 'module' });
    await page.evaluate(() => {
      const keys = document.createElement('gearway-keys');
      keys.name = 'drive';
      document.body.append(keys);
    });
    await page.waitForFunction("document.querySelector('gearway-viewer').state === 'live'");
    await page.waitForFunction(() => document.querySelector('gearway-keys')!.isUsable);
    const port = await page.evaluate(() => String(document.querySelector('gearway-viewer')!.port));
    const forward = ({ data }: DriveReport): number => data?.[port]?.drive?.y ?? 0;
    // Other programs may have used this port before.
    const startSeconds = Date.now() / 1000;
    await holdW(page);
    let { n: begin } = await server.waitFor<DriveReport>(
      'returned',
      (report) => report.t >= startSeconds && forward(report) === 1,
    );
    for (let period = 1; ; period += 1) {
      await server.waitFor<DriveReport>('progress', ({ n }) => n >= begin + HELD_FRAMES);
      const changes = server.events<DriveReport>('returned').filter(({ n }) => n > begin);
      if (changes.every((report) => forward(report) === 1)) break;
      expect(period, JSON.stringify(changes)).toBeLessThan(HELD_PERIODS);
      const lastChange = changes.at(-1)!.n;
      ({ n: begin } = await server.waitFor<DriveReport>(
        'progress',
        (report) => report.n >= lastChange && forward(report) === 1,
      ));
    }
    const atSeconds = Date.now() / 1000;
    await happens(page, proxy);
    const { t } = await server.waitFor<DriveReport>(
      'returned',
      (report) => report.t >= atSeconds && forward(report) === 0,
    );
    proxy.mend();
    await closeWindow(page);
    return t - atSeconds;
  };

  it.each<[string, ...Parameters<typeof drive>]>([
    [
      'it is released',
      async (page) => {
        await stopRepeating(page);
        await page.keyboard.up('w');
      },
    ],
    ['its release is lost', stopRepeating],
    [
      'the tab is killed',
      async (page) => void (await page.createCDPSession()).send('Page.crash').catch(() => undefined),
    ],
    ['the network is cut', (_, proxy) => proxy.cut()],
    ['the window loses the focus', (page) => page.evaluate(() => void window.dispatchEvent(new Event('blur')))],
    [
      'another tab is opened over it',
      async (page) => {
        await (await page.browserContext().newPage()).bringToFront();
        await page.waitForFunction(() => document.hidden, { polling: 20 });
      },
      openTab,
    ],
    [
      'the page is frozen',
      async (page) => (await page.createCDPSession()).send('Page.setWebLifecycleState', { state: 'frozen' }),
    ],
    ['the worker is killed', (page) => page.workers().forEach((worker) => void worker.close().catch(() => undefined))],
    ['the user leaves the page', (page) => page.evaluate(() => window.location.assign('/publish'))],
    ['the tab is closed', (page) => page.close()],
  ])('%s: the server gets the neutral value within 1 s', async (_, ...how) => {
    expect(await drive(...how)).toBeLessThan(1);
  });
});
