import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';
import { closeCode } from '../../../shared/close-code.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { CuttableProxy } from '../../helpers/cuttable-proxy.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { Site } from '../../helpers/site.ts';
import { PublisherPage } from '../publisher-page.ts';
import { ViewerPage } from '../viewer-page.ts';

/** A gateway that waits for publishers. */
const start = (...args: string[]): Promise<LocalGateway> => LocalGateway.start('--source', 'push:', ...args);

/** The stream's newest picture. */
async function snapshot(gateway: LocalGateway): Promise<Buffer> {
  const response = await fetch(`${gateway.url}/streams/main/snapshot.jpg`);
  return Buffer.from(await response.arrayBuffer());
}

/** The sum of a JPEG's first quantization table (ITU-T T.81, B.2.4.1), which is higher for lower quality. */
function coarseness(jpeg: Buffer): number {
  const table = jpeg.indexOf(Buffer.from([0xff, 0xdb])) + 5;
  return jpeg.subarray(table, table + 64).reduce((sum, step) => sum + step, 0);
}

let browser: Browser;
beforeAll(async () => {
  browser = await sharedBrowser(TESTED_BROWSER, { camera: 'fake' });
});
afterAll(async () => {
  await browser.close();
});

/** The bundled page, started with some properties. */
async function open(
  url: string,
  query = '',
  properties: { readonly noWorker?: boolean; readonly fixed?: boolean } = {},
): Promise<PublisherPage> {
  const publisher = await PublisherPage.open(browser, `${url}/publish?stream=main${query}`);
  await publisher.hasTarget();
  await publisher.page.evaluate(
    (settings) => Object.assign(document.querySelector('gearway-publisher')!, settings).start(),
    properties,
  );
  return publisher;
}

describe.each(['worker', 'main'] as const)('the publisher, encoding in %s', (place) => {
  it('sends with the requested settings, changes them immediately, and turns off the camera', async () => {
    await using gateway = await start();
    // Otherwise it sends less while the machine is busy.
    await using publisher = await open(gateway.url, '', { noWorker: place === 'main', fixed: true });
    await publisher.becomes('live');
    expect(await publisher.place).toBe(place);
    await using viewer = await ViewerPage.ofGateway(browser, gateway);
    await viewer.becomes('live');
    await publisher.set('size', '480p');
    await expect
      .poll(async () => readJpegHeader(await snapshot(gateway)).height, { timeout: 15_000 })
      .toBeLessThanOrEqual(480);
    const fine = coarseness(await snapshot(gateway));
    await publisher.set('quality', 10);
    await expect.poll(async () => coarseness(await snapshot(gateway)), { timeout: 15_000 }).toBeGreaterThan(3 * fine);
    await publisher.setMessage({ lane: 3, tags: ['a'] });
    await viewer.page.evaluate(
      () =>
        new Promise<void>((resolve) => {
          document.querySelector('gearway-viewer')!.addEventListener('gearway-frame', ({ detail }) => {
            if (JSON.stringify(detail.message) === '{"lane":3,"tags":["a"]}') resolve();
          });
        }),
    );
    const stats = await publisher.stats;
    expect(stats.refused).toBe(0);
    expect(stats.roundTripMs).toBeGreaterThan(0);
    expect(stats.encodeMs).toBeGreaterThan(0);
    expect(await publisher.tracks()).toEqual(['live']);
    const tracks = await publisher.page.evaluateHandle(() =>
      (
        document.querySelector('gearway-publisher')!.shadowRoot!.querySelector('video')!.srcObject as MediaStream
      ).getTracks(),
    );
    await publisher.press('Stop');
    await publisher.becomes('idle');
    expect(await tracks.evaluate((list) => list.map(({ readyState }) => readyState))).toEqual(['ended']);
    expect(await publisher.tracks()).toEqual([]);
    await gateway.statusWhere('no publisher', ({ source }) => source.state === 'waiting for a publisher');
    await viewer.becomes('stale');
    await publisher.press('Start camera');
    await publisher.becomes('live');
    await viewer.becomes('live');
  });

  it('runs on a page of another origin', async () => {
    let gatewayUrl = '';
    await using page = await Site.serve(
      () =>
        `<!doctype html><meta charset="utf-8"><title>other</title><script type="module" src="${gatewayUrl}/gearway-publisher.js"></script><gearway-publisher src="${gatewayUrl}/streams/main" ${place === 'main' ? 'no-worker' : ''}></gearway-publisher>`,
    );
    await using gateway = await start('--allow-origin', page.origin);
    gatewayUrl = gateway.url;
    await using publisher = await PublisherPage.open(browser, page.origin);
    await publisher.page.waitForFunction(() => customElements.get('gearway-publisher') !== undefined);
    await publisher.page.evaluate(() => document.querySelector('gearway-publisher')!.start());
    await publisher.becomes('live');
    expect(await publisher.place).toBe(place);
    await gateway.statusWhere('frames', ({ counters }) => counters.received > 5);
  });
});

// These tests do not depend on where the publisher encodes.
describe('the publisher', () => {
  it('is refused while another publisher is active, takes over on request, and does not take over repeatedly', async () => {
    await using gateway = await start();
    await using first = await open(gateway.url, '&name=first');
    await first.becomes('live');
    await using second = await open(gateway.url, '&name=second');
    await second.becomes('refused');
    expect(await second.notice()).toBe(
      'Another publisher is active The stream already has a publisher: first (127.0.0.1) Take over Stop',
    );
    await second.press('Take over');
    await second.becomes('live');
    await first.becomes('refused');
    expect(await first.code).toBe(closeCode.takenOver);
    expect(await first.notice()).toBe('Taken over The stream has another publisher now: second (127.0.0.1) Take over');
    // The camera of the first publisher is off, and it does not reconnect.
    expect(await first.tracks()).toEqual([]);
    await sleep(3000);
    expect(await first.state).toBe('refused');
    expect((await gateway.status()).source.state).toBe('second (127.0.0.1)');
    await first.press('Take over');
    await first.becomes('live');
    await second.becomes('refused');
  });

  it('is live again automatically after a restart of the gateway, and shows the reason in the meantime', async () => {
    const [port] = (await freePorts(1)) as [number];
    const gateway = await start('--port', String(port));
    await using publisher = await open(`http://127.0.0.1:${port}`);
    await publisher.becomes('live');
    await gateway[Symbol.asyncDispose]();
    await publisher.becomes('connecting');
    expect(await publisher.reason).toBe('the connection to the gateway was lost');
    expect(await publisher.tracks()).toEqual(['live']);
    await using again = await start('--port', String(port));
    await publisher.becomes('live');
    await again.statusWhere('frames', ({ counters }) => counters.received > 5);
  });

  it('waits for its own old connection to be released after its network was cut', async () => {
    await using gateway = await start();
    await using proxy = await CuttableProxy.start(gateway.url);
    await using publisher = await open(proxy.url);
    await publisher.becomes('live');
    proxy.cut();
    await publisher.becomes('connecting');
    proxy.mend();
    await publisher.becomes('live');
    const { counters } = await gateway.status();
    await gateway.statusWhere('more frames', ({ counters: now }) => now.received > counters.received + 5);
  });
});
