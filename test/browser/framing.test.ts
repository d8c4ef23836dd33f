import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedBrowser } from '../helpers/browsers.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Site } from '../helpers/site.ts';
import { openWatched } from './watched-page.ts';

describe('a frame on a page of another origin', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser('chromium');
  });
  afterAll(async () => {
    await browser.close();
  });

  /** The text in a frame of this page, once it contains the expected part. */
  async function frameSays(page: Page, words: string): Promise<void> {
    const frame = page.frames()[1]!;
    await frame.waitForFunction(
      (wanted) =>
        document.body.innerText.includes(wanted) ||
        document.querySelector('gearway-viewer')?.reason.includes(wanted) === true,
      {},
      words,
    );
  }

  it.each<[string, string, boolean, string]>([
    ['shows which option is missing', '', false, '--allow-origin http://127.0.0.1'],
    ['is live where its origin is listed', '', true, 'frames arrive'],
    ['is live in a sandbox that keeps its origin', 'sandbox="allow-scripts allow-same-origin"', true, 'frames arrive'],
    ['reports a sandbox that removes its origin', 'sandbox="allow-scripts"', true, 'allow-same-origin'],
  ])('%s', async (_name, attributes, isListed, words) => {
    let gatewayUrl = '';
    await using site = await Site.serve(
      () =>
        `<!doctype html><title>site</title><iframe ${attributes} width="600" height="400" src="${gatewayUrl}/viewer?stream=main"></iframe>`,
    );
    await using gateway = await LocalGateway.start(...(isListed ? ['--allow-origin', site.origin] : []));
    // Another site, not only another port.
    gatewayUrl = gateway.url.replace('127.0.0.1', 'localhost');
    await using opened = await openWatched(browser, site.origin);
    await frameSays(opened.page, words);
    if (words.startsWith('--') || words.startsWith('allow'))
      expect(gateway.log.filter((line) => line.includes('refused'))).toHaveLength(1);
  });

  it('reports the missing option to an element on an unlisted page, and in the log', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(
      () =>
        `<!doctype html><title>site</title><script type="module" src="${gatewayUrl}/gearway-viewer.js"></script><gearway-viewer src="${gatewayUrl}/streams/main"></gearway-viewer>`,
    );
    await using gateway = await LocalGateway.start();
    gatewayUrl = gateway.url;
    await using opened = await openWatched(browser, site.origin);
    await opened.page.waitForFunction(
      (option) => document.querySelector('gearway-viewer')?.reason.includes(option),
      {},
      `--allow-origin ${site.origin}`,
    );
    expect(gateway.log.filter((line) => line.includes(`--allow-origin ${site.origin}`))).not.toEqual([]);
  });
});
