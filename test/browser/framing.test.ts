import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../helpers/browsers.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { Site } from '../helpers/site.ts';
import { openWindow } from './element-page.ts';

interface Watched extends AsyncDisposable {
  readonly page: Page;
  /** Violations of the policy, and errors of scripts. */
  problems(): Promise<readonly string[]>;
}

async function open(browser: Browser, url: string): Promise<Watched> {
  const errors: string[] = [];
  const page = await openWindow(browser, 'about:blank', () => {
    const violations: string[] = [];
    Object.assign(globalThis, { violations });
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile }) => violations.push(`${violatedDirective}: ${blockedURI} (${sourceFile})`));
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  // Also what a worker violates, and what the browser does not understand of our headers.
  page.on('console', (message) => {
    if (/violat|Content.Security|Permissions-Policy|Cross-Origin/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  return {
    page,
    problems: async () => [...errors, ...((await page.evaluate('globalThis.violations ?? []')) as string[])],
    [Symbol.asyncDispose]: () => page.browserContext().close(),
  };
}

describe('a frame on a page of another origin', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser('chromium');
  });
  afterAll(async () => {
    await browser.close();
  });

  /** The text in a frame of this page, once it has what is looked for. */
  async function frameSays(page: Page, words: string): Promise<void> {
    const frame = page.frames()[1]!;
    await frame.waitForFunction((wanted) => document.body.innerText.includes(wanted) || document.querySelector('gearway-viewer')?.reason.includes(wanted) === true, {}, words);
  }

  it.each<[string, string, boolean, string]>([
    ['shows which option is missing', '', false, '--allow-origin http://127.0.0.1'],
    ['is live where its origin is listed', '', true, 'frames arrive'],
    ['is live in a sandbox that keeps its origin', 'sandbox="allow-scripts allow-same-origin"', true, 'frames arrive'],
    ['names the sandbox that takes its origin away', 'sandbox="allow-scripts"', true, 'allow-same-origin'],
  ])('%s', async (_name, attributes, isListed, words) => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => `<!doctype html><title>site</title><iframe ${attributes} width="600" height="400" src="${gatewayUrl}/viewer?stream=main"></iframe>`);
    await using gateway = await GatewayProcess.start(...(isListed ? ['--allow-origin', site.origin] : []));
    // Another site, not only another port.
    gatewayUrl = (await gateway.url).replace('127.0.0.1', 'localhost');
    await using opened = await open(browser, site.origin);
    await frameSays(opened.page, words);
    if (words.startsWith('--') || words.startsWith('allow')) expect(gateway.stderr.all.filter((line) => line.includes('refused'))).toHaveLength(1);
  });

  it('gives an element on an unlisted page the option, which the log has as well', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => `<!doctype html><title>site</title><script type="module" src="${gatewayUrl}/gearway-viewer.js"></script><gearway-viewer src="${gatewayUrl}/streams/main"></gearway-viewer>`);
    await using gateway = await GatewayProcess.start();
    gatewayUrl = await gateway.url;
    await using opened = await open(browser, site.origin);
    await opened.page.waitForFunction((option) => document.querySelector('gearway-viewer')?.reason.includes(option), {}, `--allow-origin ${site.origin}`);
    await gateway.stderr.waitFor('the refusal', (line) => (line.includes(`--allow-origin ${site.origin}`) ? true : undefined));
  });
});
