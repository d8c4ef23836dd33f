import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { createGateway } from '../../../gateway/create-gateway.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { GatewayProcess } from '../../helpers/gateway-process.ts';
import { withinAttempts } from '../../helpers/within-attempts.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { PythonPeer } from '../../helpers/peers.ts';
import { ViewerPage } from '../viewer-page.ts';

interface Returned {
  n: number;
  t: number;
  data: Record<string, unknown> | null;
}

describe('gearway-viewer', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });
  const open = (gateway: { readonly url: string | Promise<string> }, query?: string): Promise<ViewerPage> =>
    ViewerPage.ofGateway(browser, gateway, query);

  it("shows a real server's frames in three windows, each with its message, and returns their data", async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
    await using one = await open(gateway);
    await using two = await open(gateway);
    await using three = await open(gateway, '?stream=main&port=6042');
    const pages = [one, two, three];
    await Promise.all(pages.map((page) => page.becomes('waiting')));
    await Promise.all(pages.map((page, index) => page.returnData({ viewer: index })));
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 3000 });
    await Promise.all(pages.map((page) => page.becomes('live')));
    expect(await Promise.all(pages.map((page) => page.port))).toEqual([6000, 6001, 6042]);
    const { data } = await server.waitFor<Returned>('returned', (event) =>
      ['6000', '6001', '6042'].every((port) => (event.data?.[port] ?? null) !== null),
    );
    expect(data).toEqual({ 6000: { viewer: 0 }, 6001: { viewer: 1 }, 6042: { viewer: 2 } });
    for (const page of pages) {
      const seen = new Set<number>();
      while (seen.size < 5) {
        const pair = await page.numbers();
        if (pair === null) continue;
        expect(pair.message).toBe(pair.picture);
        seen.add(pair.picture);
      }
    }
  });

  it('receives large messages as they were sent, even with numbers that JSON does not support', async () => {
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    const large = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`key ${index}`, [index / 3, 'é']]));
    await using page = await open({ url: url.slice(0, -1) });
    await page.becomes('waiting');
    await page.page.evaluate(() => {
      const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
      viewer.addEventListener('gearway-frame', (event) => {
        const { first, ...rest } = event.detail.message as Record<string, unknown>;
        Object.assign(window, { received: [event.mayHave('key 9'), String(first), JSON.stringify(rest)] });
      });
    });
    for (const first of [1, NaN]) {
      const array = { dtype: 'uint8', shape: [4, 4], data: new Uint8Array(16) };
      gateway.stream.push(array, { message: { first, ...large } });
      await page.where(`window.received?.[1] === '${first}'`);
      const [mayHave, , rest] = (await page.page.evaluate('window.received')) as [boolean, string, string];
      expect([mayHave, rest === JSON.stringify(large)]).toEqual([true, true]);
    }
  });

  it('loses its return data when its tab is killed', async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 3000 });
    const page = await open(gateway);
    await page.returnData('drive');
    await server.waitFor<Returned>('returned', ({ data }) => data?.['6000'] === 'drive');
    const killedAt = Date.now() / 1000;
    await page[Symbol.asyncDispose]();
    // Closing a window takes Firefox a second on a busy machine.
    const closedAt = Date.now() / 1000;
    const { data, t } = await server.waitFor<Returned>(
      'returned',
      (event) => event.t >= killedAt && event.data?.['6000'] === undefined,
    );
    expect(data).toEqual({});
    expect(t - closedAt).toBeLessThan(1);
    // The port is reserved for the holder of the key; another viewer gets the next port.
    expect((await gateway.status()).ports).toMatchObject({ free: 63, taken: 1, held: [6000] });
    await using other = await open(gateway);
    await other.becomes('live');
    expect(await other.port).toBe(6001);
  });

  it('gets its port back after a reload, and sends once-only values', async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 3000 });
    await using page = await open(gateway);
    await page.becomes('live');
    await page.page.reload();
    await page.becomes('live');
    expect(await page.port).toBe(6000);
    await page.page.evaluate(() =>
      document.querySelector<GearwayViewer>('gearway-viewer')!.send({ gripper: 'close', force: 0.4 }),
    );
    const { n } = await server.waitFor<Returned>(
      'returned',
      ({ data }) => (data?.['6000'] as { gripper?: string } | null)?.gripper === 'close',
    );
    // The value is sent once, and is null with the next frame.
    await server.waitFor<Returned>('returned', (event) => event.n === n + 1 && event.data?.['6000'] === null);
    const code = await page.page.evaluate(() =>
      document
        .querySelector<GearwayViewer>('gearway-viewer')!
        .send({ dtype: 'float32', shape: [2, 2], data: new Uint8Array(15) })
        .then(
          () => 'accepted',
          (error: { code: string }) => error.code,
        ),
    );
    expect(code).toBe('array-misfit');
  });

  it('is live again with its return data after a restart of the gateway, and reports the reason for waiting', async () => {
    const [http] = (await freePorts(1)) as [number];
    let gateway = await GatewayProcess.start('--port', String(http));
    await using _ = { [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() };
    const getsData = (): Promise<unknown> =>
      gateway.statusWhere(
        'return data',
        ({ clients }) => (clients[0]?.returnData as { speed?: number } | null)?.speed === 0,
      );
    await using page = await open(gateway);
    await page.becomes('live');
    await page.returnData({ speed: 0 });
    await getsData();
    await withinAttempts(
      async () => {
        gateway.signal('SIGTERM');
        expect(await gateway.exited).toBe(0);
        await page.becomes('connecting');
        gateway = await GatewayProcess.start('--port', String(http));
        const startMs = performance.now();
        await page.becomes('live');
        const tookMs = performance.now() - startMs;
        await getsData();
        return tookMs;
      },
      (tookMs) => expect(tookMs).toBeLessThan(2500),
    );
  });

  it('reports why it is refused, and watches once it has the token', async () => {
    await using gateway = await LocalGateway.start('--token', 's3cret');
    await using page = await open(gateway);
    await page.becomes('refused');
    expect(await page.reason).toMatch(/token/);
    await page.page.type('input[name=token]', 's3cret');
    await page.page.click('form button');
    await page.becomes('live');
    await using taken = await open(gateway);
    await taken.becomes('refused');
  });

  it('survives removal, moving and another address', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway);
    await page.becomes('live');
    await page.page.evaluate(() => {
      const viewer = document.querySelector('gearway-viewer')!;
      const box = document.createElement('div');
      document.body.append(box);
      box.append(viewer); // moved: the session stays
    });
    expect(await page.state).toBe('live');
    expect(await page.port).toBe(6000);
    const again = await page.page.evaluate(async () => {
      const viewer = document.querySelector('gearway-viewer')!;
      viewer.remove();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const whileGone = [viewer.port, viewer.state];
      document.body.append(viewer);
      await new Promise((resolve) => viewer.addEventListener('gearway-frame', resolve, { once: true }));
      return { whileGone, now: viewer.port };
    });
    expect(again).toEqual({ whileGone: [null, 'connecting'], now: 6000 });
    await page.page.evaluate(() => {
      document.querySelector('gearway-viewer')!.src = '/streams/nope';
    });
    await page.becomes('refused');
    await page.page.evaluate(() => {
      document.querySelector('gearway-viewer')!.src = '/streams/main';
    });
    await page.becomes('live');
  });

  it('requests nothing while it is out of sight, and resumes', async () => {
    await using gateway = await LocalGateway.start();
    await using page = await open(gateway);
    await page.becomes('live');
    await page.page.evaluate(() => {
      document.querySelector('gearway-viewer')!.style.display = 'none';
    });
    const paused = await gateway.statusWhere('a paused client', ({ clients }) => clients[0]?.state === 'paused');
    await sleep(500);
    // The frames in flight have arrived; no more were sent.
    expect((await gateway.status()).clients[0]!.delivered - paused.clients[0]!.delivered).toBeLessThanOrEqual(1);
    await page.page.evaluate(() => {
      document.querySelector('gearway-viewer')!.style.display = '';
    });
    await page.becomes('live');
    const { painted } = await page.stats;
    await page.where(`element.stats.painted > ${painted}`);
  });
});
