import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { openWatched } from '../watched-page.ts';

const becomes = (page: Page, tag: string, state: string): Promise<unknown> =>
  page.waitForFunction(`document.querySelector('${tag}')?.state === '${state}'`);

describe('the policy of our pages', () => {
  let browser: Browser;
  let gateway: LocalGateway;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER, { camera: 'fake' });
    gateway = await LocalGateway.start('--source', 'main=test-pattern:?size=320x240', '--source', 'cam=push:');
  });
  afterAll(async () => {
    await browser.close();
    await gateway[Symbol.asyncDispose]();
  });

  it('allows everything that the console does: returned pictures, copying, the theme', async () => {
    await using opened = await openWatched(browser, `${gateway.url}/?stream=main`);
    const { page } = opened;
    await becomes(page, 'gearway-viewer', 'live');
    expect(await page.$eval('gearway-viewer', (element) => (element as unknown as { place: string }).place)).toBe(
      'worker',
    );
    await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(64, 48);
      canvas.getContext('2d')!.fillRect(0, 0, 10, 10);
      await document.querySelector('gearway-viewer')!.setReturnData(await canvas.convertToBlob({ type: 'image/jpeg' }));
    });
    await page.waitForFunction(() =>
      [...document.querySelectorAll('img')].some(
        ({ src, naturalWidth }) => src.startsWith('blob:') && naturalWidth > 0,
      ),
    );
    await page.locator('section[aria-label="Connect"] summary').click();
    await page.waitForSelector('.snip button');
    await page.$eval('.snip button', (button) => (button as HTMLElement).click());
    await page.waitForFunction(() => document.querySelector('.snip button')!.textContent !== 'Copy');
    await page.$eval('button.icon', (button) => (button as HTMLElement).click());
    expect(await page.$$eval('svg polyline, svg path', (lines) => lines.length)).toBeGreaterThan(0);
    expect(await opened.problems()).toEqual([]);
  });

  it('allows everything that the viewer does: figures, snapshot, zoom, rotation, the main thread', async () => {
    for (const query of ['?stream=main&rotate=90&mirror&fit=cover', '?stream=main&bare']) {
      await using opened = await openWatched(browser, `${gateway.url}/viewer${query}`);
      const { page } = opened;
      await becomes(page, 'gearway-viewer', 'live');
      await page.waitForFunction(() => document.querySelector('gearway-viewer')!.stats.painted > 0);
      await page.evaluate(async () => {
        const viewer = document.querySelector('gearway-viewer')!;
        viewer.showStats = true;
        viewer.poster = 'data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==';
        await viewer.updateComplete;
        const snapshot = await viewer.snapshot();
        const picture = document.body.appendChild(new Image());
        picture.src = URL.createObjectURL(snapshot!.blob);
        await picture.decode();
        viewer.noWorker = true;
      });
      await page.waitForFunction(
        () =>
          document.querySelector('gearway-viewer')!.place === 'main' &&
          document.querySelector('gearway-viewer')?.state === 'live',
      );
      expect(await opened.problems()).toEqual([]);
    }
  });

  it('allows everything that the publisher does', async () => {
    await using opened = await openWatched(browser, `${gateway.url}/publish?stream=cam&start`);
    await becomes(opened.page, 'gearway-publisher', 'live');
    expect(await opened.problems()).toEqual([]);
  });

  it('allows pictures that are opened directly, and in our pages', async () => {
    for (const path of ['streams/main/snapshot.jpg', 'streams/main/snapshot.png']) {
      await using opened = await openWatched(browser, `${gateway.url}/${path}`);
      expect(await opened.page.$eval('img', ({ naturalWidth }) => naturalWidth)).toBe(320);
    }
    await using opened = await openWatched(browser, `${gateway.url}/viewer?stream=main`);
    await opened.page.evaluate(async () => {
      const picture = document.body.appendChild(new Image());
      picture.src = 'streams/main/mjpeg';
      while (picture.naturalWidth === 0) await new Promise(requestAnimationFrame);
      picture.src = '';
    });
    expect(await opened.problems()).toEqual([]);
  });

  it('allows no inline script, foreign script or connection', async () => {
    await using opened = await openWatched(browser, `${gateway.url}/viewer?stream=main&bare`);
    const outcome = await opened.page.evaluate(async () => {
      const reported: string[] = [];
      document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) =>
        reported.push(effectiveDirective),
      );
      const inline = document.createElement('script');
      inline.textContent = 'globalThis.ran = true';
      const foreign = document.createElement('script');
      foreign.src = 'http://localhost:9/x.js';
      document.body.append(inline, foreign);
      await fetch('http://localhost:9/').catch(() => undefined);
      while (new Set(reported.map((directive) => directive.replace(/-elem$/, ''))).size < 2)
        await new Promise(requestAnimationFrame);
      return { ran: 'ran' in globalThis, reported: reported.map((directive) => directive.replace(/-elem$/, '')) };
    });
    expect(outcome.ran).toBe(false);
    expect(new Set(outcome.reported)).toEqual(new Set(['connect-src', 'script-src']));
  });

  it('shows a refusal in its own style', async () => {
    await using opened = await openWatched(browser, `${gateway.url}/nothing`);
    expect(await opened.page.title()).toBe('Page not found · Gearway');
    expect(await opened.page.$eval('main', (element) => getComputedStyle(element).display)).toBe('grid');
    expect(await opened.problems()).toEqual([]);
  });
});
