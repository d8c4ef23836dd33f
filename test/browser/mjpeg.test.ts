import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway } from '../../gateway/create-gateway.ts';
import { CdpBrowser, type CdpTab } from '../helpers/cdp.ts';
import { flat, levelAt, LEVELS, TOLERANCE } from '../helpers/gray-pictures.ts';

let browser: CdpBrowser;
beforeAll(async () => {
  browser = await CdpBrowser.launch();
});
afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

describe('an <img> with MJPEG', () => {
  /** A separate site, such as a dashboard. */
  async function openSite(): Promise<{ origin: string } & AsyncDisposable> {
    const server = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>Dashboard</title>'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    return {
      origin: `http://127.0.0.1:${port}`,
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  /** The levels that the six pictures of a tab show now. */
  async function sixLevels(tab: CdpTab): Promise<number[]> {
    const { data } = (await tab.send('Page.captureScreenshot', { format: 'jpeg', quality: 90 })) as { data: string };
    return [0, 1, 2, 3, 4, 5].map((index) => levelAt(data, index * 100 + 50, 40));
  }

  // A browser opens at most six connections to a host, and six pictures occupy them permanently. Pictures on another
  // site's page (crossorigin: without cookies and passwords) and under another name are counted separately from the
  // viewer page.
  it.each([
    ['a listed page of another origin', (url: string, origin: string) => ({ page: origin, host: url })],
    [
      'a page of the gateway by its other name',
      (url: string) => ({
        page: `${url.replace('127.0.0.1', 'localhost')}healthz`,
        host: url.replace('127.0.0.1', 'localhost'),
      }),
    ],
  ])('shows six pictures on %s while another tab shows the viewer page', async (_name, addresses) => {
    await using site = await openSite();
    await using gateway = await createGateway({ port: 0, allowOrigins: [site.origin] });
    const { url } = await gateway.listen();
    const jpegs = await Promise.all(LEVELS.map((level) => flat(level, 100, 80)));
    let number = 0;
    const timer = setInterval(() => {
      gateway.stream.push(jpegs[number % jpegs.length]!);
      number += 1;
    }, 100);
    try {
      const { page, host } = addresses(url, site.origin);
      const pictures = await browser.open();
      await pictures.navigate(page);
      // Six different addresses, because the browser uses one connection per address and page.
      const images = [0, 1, 2, 3, 4, 5].map(
        (index) =>
          `<img crossorigin="anonymous" src="${host}streams/main/mjpeg?n=${index}" style="position: fixed; left: ${index * 100}px; top: 0">`,
      );
      await pictures.evaluate(`document.body.innerHTML = ${JSON.stringify(images.join(''))}`);
      await expect
        .poll(() => gateway.stream.clients.filter(({ delivered }) => delivered > 2).length, { timeout: 10_000 })
        .toBe(6);

      const viewer = await browser.open();
      await viewer.navigate(`${url}viewer`);
      await viewer.until(`document.querySelector('gearway-viewer')?.state === 'live'`);
      const painted = (): Promise<number> => viewer.evaluate(`document.querySelector('gearway-viewer').stats.painted`);

      const before = { levels: await sixLevels(pictures), painted: await painted(), clients: gateway.stream.clients };
      await sleep(1000);
      const after = { levels: await sixLevels(pictures), painted: await painted(), clients: gateway.stream.clients };
      const figures = JSON.stringify({ before, after });
      expect(
        after.clients.map(({ kind }) => kind),
        figures,
      ).toEqual(['web', ...Array<string>(6).fill('spectator')]);
      for (const [index, level] of after.levels.entries()) {
        expect(Math.abs(level - before.levels[index]!), figures).toBeGreaterThan(TOLERANCE);
        // The level identifies the picture.
        expect(Math.min(...LEVELS.map((known) => Math.abs(known - level))), figures).toBeLessThanOrEqual(TOLERANCE);
      }
      expect(after.painted - before.painted, figures).toBeGreaterThanOrEqual(5);
      for (const [index, { delivered }] of after.clients.entries())
        expect(delivered - before.clients[index]!.delivered, figures).toBeGreaterThanOrEqual(5);
      await viewer.close();
      await pictures.close();
    } finally {
      clearInterval(timer);
    }
  });
});
