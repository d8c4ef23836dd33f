import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedBrowser, TESTED_BROWSER } from '../../../helpers/browsers.ts';
import { CuttableProxy } from '../../../helpers/cuttable-proxy.ts';
import { LocalGateway } from '../../../helpers/local-gateway.ts';
import { ViewerPage } from '../../../browser/viewer-page.ts';

describe('ports of viewers', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  it('are assigned again, with their return data, after the network was cut for 20 s', async () => {
    await using gateway = await LocalGateway.start();
    await using proxy = await CuttableProxy.start(gateway.url);
    await using page = await ViewerPage.open(browser, `${proxy.url}/viewer?stream=main&port=6042`);
    await page.becomes('live');
    await page.returnData({ speed: 1 });
    await gateway.statusWhere('return data', ({ clients }) => clients[0]?.returnData !== null);
    proxy.cut();
    const cutMs = performance.now();
    await page.becomes('connecting');
    expect(performance.now() - cutMs).toBeLessThan(10_000);
    // The value does not stay in effect for long: the gateway notices the missing acknowledgements.
    await gateway.statusWhere(
      'that the viewer is gone, and its data',
      ({ clients }) => clients.length === 0,
      16_000 - (performance.now() - cutMs),
    );
    expect((await gateway.status()).ports.held).toEqual([6042]);
    await sleep(20_000 - (performance.now() - cutMs));
    proxy.mend();
    const mendedMs = performance.now();
    await page.becomes('live');
    expect(performance.now() - mendedMs).toBeLessThan(4000);
    await gateway.statusWhere(
      'the port with its return data',
      ({ clients }) => clients.length === 1 && clients[0]!.port === 6042 && clients[0]!.returnData !== null,
      5000,
    );
  });
});
