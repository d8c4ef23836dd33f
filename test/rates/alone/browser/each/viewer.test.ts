import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser, TESTED_BROWSER } from '../../../../helpers/browsers.ts';
import { freePorts } from '../../../../helpers/free-port.ts';
import { GatewayProcess } from '../../../../helpers/gateway-process.ts';
import { withinAttempts } from '../../../../helpers/within-attempts.ts';
import { type ClientReport, PythonPeer } from '../../../../helpers/peers.ts';
import { SOAK_SECONDS } from '../../../../helpers/soak.ts';
import { ViewerPage } from '../../../../browser/viewer-page.ts';

/**
 * A third of the usual size, so that three windows and three Python peers fit into one core: the other one may be busy.
 * grid.test.ts has pictures of the usual size.
 */
const PICTURE = { height: 241, width: 401 } as const;

/** A fault affects every second; a short stall of the machine affects one attempt. */
const MEASURED_SECONDS = SOAK_SECONDS / 2;

interface Returned {
  n: number;
  t: number;
  data: Record<string, unknown> | null;
}

describe('gearway-viewer', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });
  const open = (gateway: GatewayProcess, query?: string, prepare?: () => void): Promise<ViewerPage> =>
    ViewerPage.ofGateway(browser, gateway, query, prepare);

  it("shows a real server's frames in three windows, each with its message, and returns their data beside two Python clients", async () => {
    const [source, a, b] = (await freePorts(3)) as [number, number, number];
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}`,
      '--client',
      `tcp://127.0.0.1:${b}`,
    );
    await using first = new PythonPeer('client.py', { port: a, bidirectional: true, returns: 'a', ...PICTURE });
    await using second = new PythonPeer('client.py', { port: b, bidirectional: true, returns: 'b', ...PICTURE });
    await using one = await open(gateway);
    await using two = await open(gateway);
    await using three = await open(gateway, '?stream=main&port=6042');
    const pages = [one, two, three];
    await gateway.statusWhere(
      'two live clients',
      ({ clients }) => clients.filter(({ kind, state: now }) => kind === 'native' && now === 'live').length === 2,
    );
    await Promise.all(pages.map((page) => page.becomes('waiting')));
    await Promise.all(pages.map((page, index) => page.returnData({ viewer: index })));

    await using server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      frames: 30 * (5.5 * SOAK_SECONDS + 10),
      ...PICTURE,
    });
    await Promise.all(pages.map((page) => page.becomes('live')));
    const ports = await Promise.all(pages.map((page) => page.port));
    expect(ports).toEqual([6000, 6001, 6042]);
    const returned = await server.waitFor<Returned>('returned', ({ data }) =>
      [a, b, ...ports].every((name) => (data?.[name!] ?? null) !== null),
    );
    expect(returned.data).toEqual({
      [a]: 'a',
      [b]: 'b',
      6000: { viewer: 0 },
      6001: { viewer: 1 },
      6042: { viewer: 2 },
    });

    await sleep(1500); // The decoders warm up first.
    const reports = (): ClientReport[] => [first, second].map((peer) => peer.events<ClientReport>('progress').at(-1)!);
    await withinAttempts(
      async () => {
        const before = await Promise.all(pages.map((page) => page.stats));
        const reportsBefore = reports();
        await sleep(MEASURED_SECONDS * 1000);
        const after = await Promise.all(pages.map((page) => page.stats));
        const shares = after.map(
          (now, index) => (now.painted - before[index]!.painted) / (now.sequence - before[index]!.sequence),
        );
        return { shares, gaps: reports().map(({ gaps }, index) => gaps - reportsBefore[index]!.gaps), stats: after };
      },
      (figures) => {
        for (const share of figures.shares) expect(share, JSON.stringify(figures)).toBeGreaterThanOrEqual(0.95);
        expect(figures.gaps, JSON.stringify(figures)).toEqual([0, 0]);
      },
    );

    // PNGs are taken after the frames were counted, because they need processor time.
    const seen: { picture: number; message: number | null }[] = [];
    while (seen.length < 3 * SOAK_SECONDS) {
      for (const page of pages) {
        const pair = await page.numbers();
        if (pair !== null) seen.push(pair);
      }
    }
    expect(seen.filter(({ picture, message }) => picture !== message)).toEqual([]);
    for (const report of reports()) {
      expect(report.last).toBeGreaterThan(30 * MEASURED_SECONDS);
      expect(report).toMatchObject({ mismatched: 0, disordered: 0, first: 0 });
    }
  });

  it('keeps the latency of a slow decoder constant, and does not affect the others', async () => {
    await using gateway = await GatewayProcess.start('--source', 'test-pattern:?size=320x240&fps=40');
    await using healthy = await open(gateway);
    await healthy.becomes('live');
    await using slow = await open(gateway, '?stream=main', () => {
      // No worker: decoding happens where it can be slowed down. One at a time, 50 ms each.
      (globalThis as { Worker: unknown }).Worker = undefined;
      const decode = globalThis.createImageBitmap.bind(globalThis) as (
        source: ImageBitmapSource,
      ) => Promise<ImageBitmap>;
      let queue: Promise<unknown> = Promise.resolve();
      globalThis.createImageBitmap = ((image: ImageBitmapSource) => {
        const result = queue.then(() => new Promise((resolve) => setTimeout(resolve, 50))).then(() => decode(image));
        queue = result.catch(() => undefined);
        return result;
      }) as typeof createImageBitmap;
    });
    await slow.becomes('live');
    expect(await slow.place).toBe('main');
    expect(await healthy.place).toBe('worker');
    await sleep(3000);
    await withinAttempts(
      async () => {
        const delays: number[] = [];
        const before = await healthy.stats;
        for (let second = 0; second < MEASURED_SECONDS; second += 1) {
          await sleep(1000);
          delays.push((await slow.stats).delayMs ?? Infinity);
        }
        const after = await healthy.stats;
        const { framesPerSecond } = await slow.stats;
        return {
          delays,
          framesPerSecond,
          share: (after.painted - before.painted) / (after.sequence - before.sequence),
        };
      },
      ({ delays, framesPerSecond, share }) => {
        expect(Math.max(...delays)).toBeLessThan(150);
        expect(framesPerSecond).toBeGreaterThan(12);
        expect(framesPerSecond).toBeLessThan(25);
        expect(share).toBeGreaterThanOrEqual(0.95);
      },
    );
  });
});
