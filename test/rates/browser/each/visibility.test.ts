import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StreamStatus } from '../../../../shared/status.ts';
import { launchBrowser, TESTED_BROWSER } from '../../../helpers/browsers.ts';
import { GatewayProcess } from '../../../helpers/gateway-process.ts';
import { withinAttempts } from '../../../helpers/within-attempts.ts';
import { ViewerPage } from '../../../browser/viewer-page.ts';

describe('the element', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  it.each(['without a box', 'scrolled away', 'behind another tab', 'minimised'] as const)(
    'gets nothing while it is %s, and is live again within 300 ms with a frame of at most 100 ms',
    async (how) => {
      await using gateway = await GatewayProcess.start();
      const url = `${await gateway.url}/viewer?stream=main`;
      await using view =
        how === 'behind another tab' ? await ViewerPage.openInTab(browser, url) : await ViewerPage.open(browser, url);
      const { page } = view;
      await view.becomes('live');
      const style = (key: 'display' | 'marginTop', value: string): Promise<void> =>
        page.evaluate(
          (name, text) => {
            document.body.style.overflow = 'auto';
            document.querySelector('gearway-viewer')!.style[name] = text;
            dispatchEvent(new Event(text === '' ? 'shown' : 'hidden'));
          },
          key,
          value,
        );
      const setWindow = async (windowState: 'minimized' | 'normal'): Promise<void> =>
        browser.setWindowBounds(await page.windowId(), { windowState });
      const isPaused = (): Promise<StreamStatus> =>
        gateway.statusWhere('a paused client', ({ clients }) => clients[0]?.state === 'paused');
      const isLive = (): Promise<StreamStatus> =>
        gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
      const other = how === 'behind another tab' ? await page.browserContext().newPage({ type: 'tab' }) : null;
      // A new tab is opened in front; this first pause is not measured.
      if (other !== null) await isPaused();
      const ways = {
        'without a box': { hide: () => style('display', 'none'), show: () => style('display', '') },
        'scrolled away': { hide: () => style('marginTop', '3000px'), show: () => style('marginTop', '') },
        'behind another tab': { hide: async () => other?.bringToFront(), show: () => page.bringToFront() },
        minimised: { hide: () => setWindow('minimized'), show: () => setWindow('normal') },
      } as const;
      await page.bringToFront();
      await isLive();
      await withinAttempts(
        async () => {
          const results: { tookMs: number; ageMs: number }[] = [];
          for (let i = 0; i < 3; i += 1) {
            await ways[how].hide();
            const paused = await isPaused();
            await sleep(1500);
            // The frames in flight have arrived; no more were sent.
            expect((await gateway.status()).clients[0]!.delivered).toBe(paused.clients[0]!.delivered);
            await page.evaluate(() => {
              (globalThis as unknown as { resumed: unknown }).resumed = new Promise((resolve) => {
                const shown = (): void => {
                  if (document.hidden) return;
                  for (const [target, type] of [
                    [document, 'visibilitychange'],
                    [window, 'shown'],
                  ] as const)
                    target.removeEventListener(type, shown);
                  const startMs = performance.now();
                  document
                    .querySelector('gearway-viewer')!
                    .addEventListener(
                      'gearway-frame',
                      ({ detail }) => resolve({ tookMs: performance.now() - startMs, ageMs: detail.ageMs ?? Infinity }),
                      { once: true },
                    );
                };
                for (const [target, type] of [
                  [document, 'visibilitychange'],
                  [window, 'shown'],
                ] as const)
                  target.addEventListener(type, shown);
              });
            });
            await ways[how].show();
            results.push(
              await page.evaluate(
                () => (globalThis as unknown as { resumed: Promise<{ tookMs: number; ageMs: number }> }).resumed,
              ),
            );
            await isLive();
          }
          return results;
        },
        (results) => {
          for (const { tookMs, ageMs } of results) {
            expect(tookMs, JSON.stringify(results)).toBeLessThan(300);
            expect(ageMs, JSON.stringify(results)).toBeLessThan(100);
          }
        },
      );
      // Frames that were not requested do not count as dropped.
      expect((await view.stats).dropped).toBeLessThan(10);
    },
  );
});
