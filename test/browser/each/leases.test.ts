import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { ViewerPage } from '../viewer-page.ts';

describe('ports of viewers', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });

  it('differ between two tabs, and stay the same over a reload', async () => {
    await using gateway = await LocalGateway.start();
    await using one = await ViewerPage.ofGateway(browser, gateway);
    await one.becomes('live');
    await using two = await ViewerPage.ofGateway(browser, gateway);
    await two.becomes('live');
    for (let i = 0; i < 2; i += 1) {
      expect([await one.port, await two.port]).toEqual([6000, 6001]);
      await Promise.all([one.page.reload(), two.page.reload()]);
      await Promise.all([one.becomes('live'), two.becomes('live')]);
    }
    expect((await gateway.status()).ports).toMatchObject({ taken: 2, held: [] });
  });

  it('differ between two viewers of one page, and stay the same over a reload', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await ViewerPage.ofGateway(browser, gateway);
    await page.becomes('live');
    const addSecond = (): Promise<number | null> =>
      page.page.evaluate(async () => {
        const first = document.querySelector('gearway-viewer')!;
        const second = document.createElement('gearway-viewer');
        second.src = first.src;
        first.parentElement!.append(second);
        await new Promise((resolve) => second.addEventListener('gearway-open', resolve, { once: true }));
        return second.port;
      });
    expect(await addSecond()).toBe(6001);
    await page.page.reload();
    await page.becomes('live');
    expect([await page.port, await addSecond()]).toEqual([6000, 6001]);
    expect((await gateway.status()).clients.map(({ port }) => port)).toEqual([6000, 6001]);
  });

  it('are taken over by a duplicate tab once; the first tab reports this and reconnects only on request', async () => {
    await using gateway = await LocalGateway.start();
    await using first = await ViewerPage.ofGateway(browser, gateway);
    await first.becomes('live');
    await first.returnData('first');
    await gateway.statusWhere('return data', ({ clients }) => clients[0]?.returnData === 'first');
    // A window that a page opens begins with a copy of its session storage, as a duplicated tab does.
    await first.page.evaluate(() => void window.open(location.href, 'second', 'popup'));
    await first.becomes('refused');
    expect(await first.reason).toMatch(/taken over/);
    await gateway.statusWhere(
      'the second viewer',
      ({ clients }) => clients.length === 1 && clients[0]!.port === 6000 && clients[0]!.returnData === null,
    );
    await sleep(3000);
    expect(await first.state).toBe('refused');
    const response = await fetch(`${gateway.url}/api/events`);
    const reader = response.body!.getReader();
    let events = '';
    // Past events arrive immediately; the last one is the connection of the second tab.
    while (!/event: take-over[\s\S]*event: connect\ndata: .*\n\n/.test(events))
      events += new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    expect(events.match(/event: take-over/g)).toHaveLength(1);
    // "Try again" requests another port.
    await first.page.evaluate(() =>
      document.querySelector('gearway-viewer')!.shadowRoot!.querySelector<HTMLButtonElement>('.notice button')!.click(),
    );
    await first.becomes('live');
    expect(await first.port).toBe(6001);
    expect((await gateway.status()).clients).toMatchObject([{ port: 6000 }, { port: 6001, returnData: 'first' }]);
  });

  it('are assigned to the same viewers after a restart of the gateway, if they still exist', async () => {
    const first = await LocalGateway.start();
    const { port: http } = new URL(first.url);
    await using one = await ViewerPage.ofGateway(browser, first);
    await one.becomes('live');
    await using two = await ViewerPage.ofGateway(browser, first);
    await two.becomes('live');
    await first[Symbol.asyncDispose]();
    await Promise.all([one.becomes('connecting'), two.becomes('connecting')]);
    {
      await using second = await LocalGateway.start('--port', http);
      await Promise.all([one.becomes('live'), two.becomes('live')]);
      expect([await one.port, await two.port]).toEqual([6000, 6001]);
      expect((await second.status()).clients.map(({ port }) => port)).toEqual([6000, 6001]);
    }
    await Promise.all([one.becomes('connecting'), two.becomes('connecting')]);
    // Neither of their ports exists now.
    await using third = await LocalGateway.start('--port', http, '--virtual-ports', '7000-7001');
    await Promise.all([one.becomes('live'), two.becomes('live')]);
    expect(new Set([await one.port, await two.port])).toEqual(new Set([7000, 7001]));
    expect((await third.status()).ports).toMatchObject({ taken: 2 });
  });

  it('makes the viewer beyond the last free port a spectator, and notifies it', async () => {
    await using gateway = await LocalGateway.start('--virtual-ports', '6000-6000');
    await using first = await ViewerPage.ofGateway(browser, gateway);
    await first.becomes('live');
    await using late = await ViewerPage.ofGateway(browser, gateway);
    await late.becomes('live');
    expect(await late.port).toBeNull();
    const shown = await late.page.evaluate(() => {
      const viewer = document.querySelector('gearway-viewer')!;
      return {
        reason: viewer.spectatorReason,
        rights: viewer.rights,
        matches: viewer.matches(':state(spectator)'),
        text: viewer.shadowRoot!.querySelector('.chip')!.textContent,
      };
    });
    expect(shown).toEqual({
      reason: expect.stringContaining('all virtual ports') as string,
      rights: ['view', 'publish'],
      matches: true,
      text: expect.stringContaining('View only') as string,
    });
    const refused = (): Promise<string> =>
      late.page.evaluate(() =>
        document
          .querySelector<GearwayViewer>('gearway-viewer')!
          .send(1)
          .then(
            () => '',
            (error: { code: string }) => error.code,
          ),
      );
    expect(await refused()).toBe('no-port');
  });

  it('keeps a reserved port for the owner of its token, and reports this to others', async () => {
    await using gateway = await LocalGateway.start('--reserve', '6007=arm');
    await using thief = await ViewerPage.ofGateway(browser, gateway, '?stream=main&port=6007');
    await thief.becomes('refused');
    expect(await thief.reason).toMatch(/6007 is reserved/);
    await thief.page.evaluate(() => {
      document.querySelector('gearway-viewer')!.token = 'arm';
    });
    await thief.becomes('live');
    expect(await thief.port).toBe(6007);
  });
});
