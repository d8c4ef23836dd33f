import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../helpers/browsers.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { Site } from '../helpers/site.ts';
import { WebViewer } from '../helpers/web-viewer.ts';
import { PublisherPage } from './publisher-page.ts';
import { ViewerPage } from './viewer-page.ts';

const docs = (name: string): Promise<string> => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

/** A page's first snippet, with the gateway's address in the place of the usual one. */
async function pasted(name: string, gatewayUrl: string): Promise<string> {
  const [, snippet] = /```html\n([\s\S]*?)```/.exec(await docs(name))!;
  return `<!doctype html><meta charset="utf-8"><title>pasted</title>${snippet!.replaceAll('http://127.0.0.1:8080', gatewayUrl)}`;
}
const BUILT = fileURLToPath(new URL('../../dist/web/', import.meta.url));

// What docs/embedding.md says of Content-Security-Policy.
describe.each(['chromium', 'firefox'] as const)('a page with a policy, in %s', (name) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(name);
  });
  afterAll(async () => {
    await browser.close();
  });

  /** Where the viewer runs on a page of another origin with this policy. */
  async function placeUnder(policy: (gateway: string) => string, script: (gateway: string) => string): Promise<string | null> {
    let gatewayUrl = '';
    const page = (): string =>
      `<!doctype html><meta charset="utf-8"><meta http-equiv="content-security-policy" content="${policy(gatewayUrl)}">` +
      `<title>policy</title><script type="module" src="${script(gatewayUrl)}"></script><gearway-viewer src="${gatewayUrl}/streams/main" controls></gearway-viewer>`;
    await using site = await Site.serve((path) => (path === '/index.html' ? page() : readFile(BUILT + path)));
    await using gateway = await GatewayProcess.start('--allow-origin', site.origin);
    gatewayUrl = await gateway.url;
    await using viewer = await ViewerPage.open(browser, site.origin);
    await viewer.becomes('live');
    await viewer.where("element.shadowRoot.querySelector('[part=controls]') !== null");
    return viewer.place;
  }

  const socketOf = (gateway: string): string => gateway.replace('http:', 'ws:');
  const fromGateway = (gateway: string): string => `${gateway}/gearway-viewer.js`;
  const fromSite = (): string => '/gearway-viewer.js';

  it('runs in the worker when the script is the gateway\'s and blob: workers are allowed', async () => {
    expect(await placeUnder((gateway) => `default-src 'none'; script-src ${gateway}; worker-src blob: ${gateway}; connect-src ${socketOf(gateway)}`, fromGateway)).toBe('worker');
  });

  it('runs in the worker when the script is the page\'s own and its workers are allowed', async () => {
    expect(await placeUnder((gateway) => `default-src 'none'; script-src 'self'; worker-src 'self'; connect-src ${socketOf(gateway)}`, fromSite)).toBe('worker');
  });

  it('runs on the main thread where the policy allows no such worker', async () => {
    expect(await placeUnder((gateway) => `default-src 'none'; script-src ${gateway}; connect-src ${socketOf(gateway)}`, fromGateway)).toBe('main');
  });
});

describe('docs/embedding.md', () => {
  it('begins with a page that works as pasted', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => pasted('embedding.md', gatewayUrl));
    await using gateway = await GatewayProcess.start('--allow-origin', site.origin);
    gatewayUrl = await gateway.url;
    await using browser = await launchBrowser('chromium');
    await using viewer = await ViewerPage.open(browser, 'about:blank');
    const errors: unknown[] = [];
    viewer.page.on('pageerror', (error) => errors.push(error));
    const logged = new Promise<string>((resolve) => viewer.page.on('console', (message) => resolve(message.text())));
    await viewer.page.goto(site.origin);
    expect(await logged).toMatch(/^\d+ /);
    await gateway.statusWhere('the sticky value', ({ clients }) => (clients[0]?.returnData as { speed?: number } | null)?.speed === 0);
    expect(errors).toEqual([]);
  });
});

describe('docs/phone-as-a-camera.md', () => {
  it('begins with a page that works as pasted', async () => {
    let gatewayUrl = '';
    await using site = await Site.serve(() => pasted('phone-as-a-camera.md', gatewayUrl));
    await using gateway = await GatewayProcess.start('--source', 'push:', '--allow-origin', site.origin);
    gatewayUrl = await gateway.url;
    await using browser = await launchBrowser('chromium', { camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, site.origin);
    const logged: string[] = [];
    publisher.page.on('console', (message) => logged.push(message.text()));
    await publisher.press('Start camera');
    await publisher.becomes('live');
    await using viewer = await WebViewer.open(`${gatewayUrl}/streams/main`);
    await expect.poll(() => viewer.messages.at(-1)).toEqual({ place: 'gate' });
    await viewer.return({ kind: 'value', value: 7 });
    await expect.poll(() => logged).toContain(`${(await viewer.welcome).port} 7`);
    expect(logged).toContain('live publishing to main');
  });
});
