import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { Site } from '../../helpers/site.ts';
import { ViewerPage } from '../viewer-page.ts';

const BUILT = fileURLToPath(new URL('../../../dist/web/', import.meta.url));

// The Content-Security-Policy of docs/embedding.md.
describe('a page with a policy', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  /** The thread on which the viewer runs, on a page of another origin with this policy. */
  async function placeUnder(
    policy: (gateway: string) => string,
    script: (gateway: string) => string,
  ): Promise<string | null> {
    let gatewayUrl = '';
    const page = (): string =>
      `<!doctype html><meta charset="utf-8"><meta http-equiv="content-security-policy" content="${policy(gatewayUrl)}">` +
      `<title>policy</title><script type="module" src="${script(gatewayUrl)}"></script><gearway-viewer src="${gatewayUrl}/streams/main" controls></gearway-viewer>`;
    await using site = await Site.serve((path) => (path === '/index.html' ? page() : readFile(BUILT + path)));
    await using gateway = await LocalGateway.start('--allow-origin', site.origin);
    gatewayUrl = gateway.url;
    await using viewer = await ViewerPage.open(browser, site.origin);
    await viewer.becomes('live');
    await viewer.where("element.shadowRoot.querySelector('[part=controls]') !== null");
    return viewer.place;
  }

  const socketOf = (gateway: string): string => gateway.replace('http:', 'ws:');
  const fromGateway = (gateway: string): string => `${gateway}/gearway-viewer.js`;
  const fromSite = (): string => '/gearway-viewer.js';

  it("runs in the worker if the script is the gateway's and blob: workers are allowed", async () => {
    expect(
      await placeUnder(
        (gateway) =>
          `default-src 'none'; script-src ${gateway}; worker-src blob: ${gateway}; connect-src ${socketOf(gateway)}`,
        fromGateway,
      ),
    ).toBe('worker');
  });

  it("runs in the worker if the script is the page's own and its workers are allowed", async () => {
    expect(
      await placeUnder(
        (gateway) => `default-src 'none'; script-src 'self'; worker-src 'self'; connect-src ${socketOf(gateway)}`,
        fromSite,
      ),
    ).toBe('worker');
  });

  it('runs on the main thread if the policy does not allow this worker', async () => {
    expect(
      await placeUnder(
        (gateway) => `default-src 'none'; script-src ${gateway}; connect-src ${socketOf(gateway)}`,
        fromGateway,
      ),
    ).toBe('main');
  });
});
