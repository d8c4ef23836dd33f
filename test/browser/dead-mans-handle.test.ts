import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../helpers/browsers.ts';
import { CuttableProxy } from '../helpers/cuttable-proxy.ts';
import { VirtualGamepad } from '../helpers/virtual-gamepad.ts';
import { closeWindow, openTab, openWindow } from '../helpers/windows.ts';
import { type DrivenServer, type DriveReport, holdW, startDrivenServer, stopRepeating } from './driven-server.ts';

/**
 * How long a device is held, in frames of 33 ms: longer than the time to live of its value, which must therefore be
 * repeated.
 */
const HELD_FRAMES = 36;

/** Maximum number of such periods. In each, a page without processor time for half a second releases the device. */
const HELD_PERIODS = 5;

/** Time after which a device is held again. */
const HOLD_AGAIN_MS = 5000;

/** An interruption while a device is held. */
type Interruption = (page: Page, proxy: CuttableProxy) => unknown;

/** A device with the name `drive`. */
interface HeldDevice {
  readonly element: 'gearway-keys' | 'gearway-gamepad';
  readonly hold: (page: Page) => unknown;
  /**
   * Releases the device and holds it again if the server does not get its value: the page may have lost the focus to
   * another window, whose closing takes time on a busy machine.
   */
  readonly holdAgain?: (page: Page) => unknown;
  /** How far the device drives forward, 0 to 1. */
  readonly forward: (value: NonNullable<DriveReport['data']>[string]) => number;
}

const KEYS: HeldDevice = { element: 'gearway-keys', hold: holdW, forward: (value) => value?.drive?.y ?? 0 };

/** Interruptions that end the values of every device. */
const INTERRUPTIONS: readonly [string, Interruption, open?: typeof openTab][] = [
  ['the tab is killed', async (page) => void (await page.createCDPSession()).send('Page.crash').catch(() => undefined)],
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
];

describe('a device that is held', () => {
  let driven: DrivenServer;
  beforeAll(async () => {
    driven = await startDrivenServer();
  });
  afterAll(async () => driven[Symbol.asyncDispose]());

  /** A page with a device of a real server, over a connection that can be cut. */
  const open = async (browser: Browser, device: HeldDevice, openPage = openWindow) => {
    const proxy = await CuttableProxy.start(await driven.gateway.url);
    const page = await openPage(browser, `${proxy.url}/viewer?stream=main&bare`);
    await page.addScriptTag({ url: `${proxy.url}/gearway-devices.js`, type: 'module' });
    await page.evaluate((element) => {
      document.body.append(Object.assign(document.createElement(element), { name: 'drive' }));
    }, device.element);
    await page.waitForFunction("document.querySelector('gearway-viewer').state === 'live'");
    await page.waitForFunction((element) => document.querySelector(element)!.isUsable, {}, device.element);
    const port = await page.evaluate(() => String(document.querySelector('gearway-viewer')!.port));
    const forward = ({ data }: DriveReport): number => device.forward(data?.[port] ?? null);
    return {
      page,
      proxy,
      forward,
      /** Waits until the server gets the value of the held device, and then the same value for some time. */
      async drives(): Promise<void> {
        // Other programs may have used this port before.
        const startSeconds = Date.now() / 1000;
        await device.hold(page);
        const isHeld = (timeoutMs?: number): Promise<DriveReport> =>
          driven.server.waitFor<DriveReport>(
            'returned',
            (report) => report.t >= startSeconds && forward(report) === 1,
            timeoutMs,
          );
        let { n: begin } = await isHeld(device.holdAgain && HOLD_AGAIN_MS).catch(async (error: unknown) => {
          if (device.holdAgain === undefined) throw error;
          const state = await page.evaluate((element) => {
            const { isUsable, isHeld: held, value } = document.querySelector(element)!;
            const pads = navigator.getGamepads().map((pad) => pad && [...pad.axes]);
            return { hasFocus: document.hasFocus(), hidden: document.hidden, isUsable, held, value, pads };
          }, device.element);
          console.warn(`held again; the page was ${JSON.stringify(state)}`);
          await device.holdAgain(page);
          return isHeld();
        });
        for (let period = 1; ; period += 1) {
          await driven.server.waitFor<DriveReport>('progress', ({ n }) => n >= begin + HELD_FRAMES);
          const changes = driven.server.events<DriveReport>('returned').filter(({ n }) => n > begin);
          if (changes.every((report) => forward(report) === 1)) return;
          expect(period, JSON.stringify(changes)).toBeLessThan(HELD_PERIODS);
          const lastChange = changes.at(-1)!.n;
          ({ n: begin } = await driven.server.waitFor<DriveReport>(
            'progress',
            (report) => report.n >= lastChange && forward(report) === 1,
          ));
        }
      },
      /** Waits for the neutral value. @returns the time until the server gets it, in seconds. */
      async stopsAfter(happens: Interruption): Promise<number> {
        const atSeconds = Date.now() / 1000;
        await happens(page, proxy);
        const { t } = await driven.server.waitFor<DriveReport>(
          'returned',
          (report) => report.t >= atSeconds && forward(report) === 0,
        );
        return t - atSeconds;
      },
      async [Symbol.asyncDispose](): Promise<void> {
        proxy.mend();
        await closeWindow(page);
        await proxy[Symbol.asyncDispose]();
      },
    };
  };

  it.each<(typeof INTERRUPTIONS)[number]>([
    [
      'it is released',
      async (page) => {
        await stopRepeating(page);
        await page.keyboard.up('w');
      },
    ],
    ['its release is lost', stopRepeating],
    ...INTERRUPTIONS,
    ['the user leaves the page', (page) => page.evaluate(() => window.location.assign('/publish'))],
    ['the tab is closed', (page) => page.close()],
  ])('with the key W returns its neutral value within 1 s after %s', async (_, happens, openPage) => {
    await using view = await open(driven.browser, KEYS, openPage);
    await view.drives();
    expect(await view.stopsAfter(happens)).toBeLessThan(1);
  });

  describe('a stick of a game controller', () => {
    let gamepad: VirtualGamepad;
    let browser: Browser;
    beforeAll(async () => {
      gamepad = await VirtualGamepad.start();
      browser = await launchBrowser('chromium', { env: gamepad.env });
    });
    afterAll(async () => {
      await browser.close();
      await gamepad[Symbol.asyncDispose]();
    });
    /** Index of the left stick's vertical axis, where down is positive. */
    const STICK = 1;
    const device: HeldDevice = {
      element: 'gearway-gamepad',
      hold: () => gamepad.move(STICK, -1),
      holdAgain: async (page) => {
        gamepad.move(STICK, 0);
        await page.bringToFront();
        await page.waitForFunction(() => document.hasFocus());
        // The element polls at intervals of 40 ms.
        await new Promise((resolve) => setTimeout(resolve, 200));
        gamepad.move(STICK, -1);
      },
      forward: (value) => 0 - (value?.drive?.axes?.[STICK] ?? 0),
    };
    const openWithStick: typeof open = async (...options) => {
      gamepad.plug(true);
      gamepad.move(STICK, 0);
      const view = await open(...options);
      // A browser gives a game controller only to the page that has the focus.
      await view.page.bringToFront();
      await view.page.waitForFunction(() => document.hasFocus());
      return view;
    };

    it.each<(typeof INTERRUPTIONS)[number]>([
      ['it is released', () => gamepad.move(STICK, 0)],
      ['the controller is unplugged', () => gamepad.plug(false)],
      ...INTERRUPTIONS,
    ])('returns its neutral value within 1 s after %s', async (_, happens, openPage) => {
      await using view = await openWithStick(browser, device, openPage);
      await view.drives();
      expect(await view.stopsAfter(happens)).toBeLessThan(1);
    });

    it('must be released before it can be used again', async () => {
      await using view = await openWithStick(browser, device);
      await view.drives();
      await view.stopsAfter((page) => page.evaluate(() => void window.dispatchEvent(new Event('blur'))));
      // Another position of a stick that was not released.
      gamepad.move(STICK, -0.9);
      const { n } = driven.server.events<DriveReport>('returned').at(-1)!;
      await driven.server.waitFor<DriveReport>('progress', (report) => report.n >= n + HELD_FRAMES);
      expect(driven.server.events<DriveReport>('returned').at(-1)!.n).toBe(n);
      const isAtRest = view.page.evaluate(
        () =>
          new Promise((resolve) => {
            const timer = setInterval(() => {
              if (navigator.getGamepads()[0]?.axes[1] !== 0) return;
              clearInterval(timer);
              // The element polls at intervals of 40 ms.
              setTimeout(resolve, 200);
            }, 20);
          }),
      );
      gamepad.move(STICK, 0);
      await isAtRest;
      await view.drives();
    });
  });
});
