import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { describe, expect, it } from 'vitest';
import type { GearwayPublisher } from '../../../../web/publisher/gearway-publisher.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../../helpers/browsers.ts';
import { LocalGateway } from '../../../helpers/local-gateway.ts';
import { PublisherPage } from '../../../browser/publisher-page.ts';

/** A gateway that waits for publishers. */
const start = (...args: string[]): Promise<LocalGateway> => LocalGateway.start('--source', 'push:', ...args);

/** The bundled page, which starts automatically. */
async function publish(browser: Browser, url: string, query = ''): Promise<PublisherPage> {
  return PublisherPage.open(browser, `${url}/publish?stream=main&start${query}`);
}

describe('a page that publishes', () => {
  it('is live at one picture every five seconds, and reports states in order', async () => {
    await using gateway = await start();
    await using browser = await sharedBrowser(TESTED_BROWSER, { camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, `${gateway.url}/publish?fps=0.2`);
    await publisher.hasTarget();
    await publisher.page.$eval('gearway-publisher', (element) => {
      const events: string[] = [];
      Object.assign(element, { events });
      for (const type of ['state', 'refused', 'failed'] as const)
        element.addEventListener(`gearway-publisher-${type}`, () => events.push(`${type} ${element.state}`));
      element.start();
    });
    await publisher.becomes('live');
    await sleep(6000);
    await using other = await publish(browser, gateway.url);
    await other.becomes('refused');
    await other.press('Take over');
    await publisher.becomes('refused');
    const events = await publisher.page.$eval(
      'gearway-publisher',
      (element) => (element as GearwayPublisher & { events: string[] }).events,
    );
    expect(events).toEqual(['state asking', 'state connecting', 'state live', 'state refused', 'refused refused']);
  });
});
