import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Frame } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway } from '../../../gateway/create-gateway.ts';
import { launchBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { readCertificate } from '../../helpers/certificate.ts';
import { Site } from '../../helpers/site.ts';
import { closeWindow, openWindow } from '../../helpers/windows.ts';
import { ViewerPage } from '../viewer-page.ts';

const BUILT = fileURLToPath(new URL('../../../dist/web/', import.meta.url));

const NO_ORIGIN =
  'this page has no origin, because it was opened as a file or in a sandboxed frame; serve it over HTTP, and add allow-same-origin to the frame';

describe('a page that may not use the gateway', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(TESTED_BROWSER, { acceptsAnyCertificate: true });
  });
  afterAll(async () => {
    await browser.close();
  });

  it('over https, with a gateway over http, reports the problem', async () => {
    const page =
      '<!doctype html><title>site</title><script type="module" src="/gearway-viewer.js"></script><gearway-viewer src="http://gw.example:8080/streams/main"></gearway-viewer>';
    const server = createServer(readCertificate(), (request, response) => {
      const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
      if (path === '/') response.setHeader('content-type', 'text/html').end(page);
      else
        readFile(join(BUILT, path)).then(
          (body) => response.setHeader('content-type', 'text/javascript').end(body),
          () => response.writeHead(404).end(),
        );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await using viewer = await ViewerPage.open(
        browser,
        `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      );
      await viewer.where("element.reason.startsWith('browsers do not let')");
      expect(await viewer.reason).toBe(
        'browsers do not let a page loaded over https use a gateway over http (gw.example:8080); use an https address of the gateway (--tls-cert, or a proxy with TLS)',
      );
      expect(
        await viewer.page.evaluate(
          () => document.querySelector('gearway-viewer')!.shadowRoot!.querySelector('.notice')!.textContent,
        ),
      ).toContain('use an https address of the gateway');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  const embedding = (url: string): string =>
    `<!doctype html><title>page</title><script type="module" src="${url}gearway-viewer.js"></script><gearway-viewer src="${url}streams/main"></gearway-viewer>`;

  async function reasonIn(frame: Frame): Promise<string> {
    return frame.evaluate(() => document.querySelector('gearway-viewer')?.reason ?? '');
  }

  it('in a sandboxed frame reports that it has no origin', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    await using site = await Site.serve((path) =>
      path === '/inner.html'
        ? embedding(url)
        : '<!doctype html><title>site</title><iframe sandbox="allow-scripts" src="/inner.html"></iframe>',
    );
    const page = await openWindow(browser, site.origin);
    await expect
      .poll(() => Promise.all(page.frames().map((frame) => reasonIn(frame).catch(() => ''))))
      .toContain(NO_ORIGIN);
    await closeWindow(page);
  });

  it('opened as a file reports that it has no origin', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    const folder = await mkdtemp(join(tmpdir(), 'gearway-page-'));
    try {
      await writeFile(join(folder, 'page.html'), embedding(url));
      const page = await openWindow(browser, `file://${folder}/page.html`);
      await expect.poll(() => reasonIn(page.mainFrame())).toBe(NO_ORIGIN);
      await closeWindow(page);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('reports the same if it is the viewer page itself in a sandboxed frame', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    const page = await openWindow(browser, `${url}healthz`);
    await page.evaluate((address) => {
      const frame = document.createElement('iframe');
      frame.sandbox.add('allow-scripts');
      frame.src = address;
      document.body.replaceChildren(frame);
    }, `${url}viewer`);
    const texts = (): Promise<string[]> =>
      Promise.all(page.frames().map((frame) => frame.evaluate(() => document.body.innerText).catch(() => '')));
    await expect.poll(async () => (await texts()).join(' ')).toMatch(/no origin|without an origin/);
    await closeWindow(page);
  });
});
