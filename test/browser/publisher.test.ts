import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeCode } from '../../shared/close-code.ts';
import type { StreamStatus } from '../../shared/status.ts';
import type { GearwayPublisher } from '../../web/publisher/gearway-publisher.ts';
import { launchBrowser, sharedBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { Folder, writeNumberedCamera } from '../helpers/media.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { violations } from './accessibility.ts';
import { PublisherPage } from './publisher-page.ts';
import { ViewerPage } from './viewer-page.ts';

/** A gateway that waits for publishers. */
const start = (...args: string[]): Promise<LocalGateway> => LocalGateway.start('--source', 'push:', ...args);

/** The bundled page, which starts automatically. */
async function publish(browser: Browser, url: string, query = ''): Promise<PublisherPage> {
  return PublisherPage.open(browser, `${url}/publish?stream=main&start${query}`);
}

/** The labels of the element's own buttons that are visible. */
function shownButtons({ page }: PublisherPage): Promise<(string | null)[]> {
  return page.$$eval('gearway-publisher >>> button', (buttons) =>
    buttons.filter((button) => button.checkVisibility()).map(({ textContent }) => textContent),
  );
}

describe('a camera whose pictures are numbered', () => {
  const COUNT = 150;
  const CAMERA_FPS = 10;
  let folder: Folder;
  let browser: Browser;
  beforeAll(async () => {
    folder = await Folder.create();
    browser = await launchBrowser('chromium', {
      camera: await writeNumberedCamera(`${folder.file('numbers')}.y4m`, { count: COUNT, fps: CAMERA_FPS }),
    });
  });
  afterAll(async () => {
    await browser.close();
    await folder[Symbol.asyncDispose]();
  });

  /**
   * Waits until a viewer has shown several new pictures, which may be smaller: on a busy machine, the gateway sends it
   * less.
   */
  async function seesNew(viewer: ViewerPage, times: number): Promise<void> {
    const seen = new Set<number>();
    await expect
      .poll(async () => seen.add((await viewer.numbers(640))?.picture ?? -1).size, { timeout: 30_000, interval: 100 })
      .toBeGreaterThan(times);
    for (const number of seen) expect(number).toBeLessThan(COUNT);
  }

  it('reaches two real clients and two viewers in order, and gets their return data, even after the page was reopened', async () => {
    const [a, b] = (await freePorts(2)) as [number, number];
    await using gateway = await start(
      '--client',
      `tcp://127.0.0.1:${a}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${b}?pattern=0`,
    );
    await using first = new PythonPeer('client.py', { port: a, pattern: 1, multiclient: true, height: 480 });
    await using second = new PythonPeer('client.py', {
      port: b,
      pattern: 0,
      bidirectional: true,
      returns: { gripper: 'open' },
      height: 480,
    });
    await using viewerBrowser = await sharedBrowser('chromium');
    await using one = await ViewerPage.ofGateway(viewerBrowser, gateway);
    await using another = await ViewerPage.ofGateway(viewerBrowser, gateway);
    await Promise.all([one, another].map((viewer) => viewer.becomes('waiting')));
    expect(await one.reason).toBe('waiting for a publisher');
    let before: ClientReport;
    {
      await using publisher = await publish(browser, gateway.url, '&name=phone&fps=30');
      const openedAtMs = performance.now();
      // Otherwise a publisher on a busy machine sends smaller pictures, whose numbers the Python clients cannot read.
      await publisher.set('fixed', true);
      await publisher.becomes('live');
      expect(await publisher.place).toBe('worker');
      await gateway.statusWhere(
        'four live clients',
        ({ clients, source }) =>
          source.state === 'phone (127.0.0.1)' && clients.filter(({ state }) => state === 'live').length === 4,
      );
      await Promise.all([seesNew(one, 8), seesNew(another, 8)]);
      before = await first.waitFor<ClientReport>('progress', ({ count, last }) => count >= 60 && last !== null);
      // Numbers decrease only when the camera's file starts over.
      const rounds = Math.ceil(((performance.now() - openedAtMs) / 1000) * (CAMERA_FPS / COUNT));
      expect(before.disordered).toBeLessThanOrEqual(rounds);
      expect(before.last).toBeLessThan(COUNT);
      await second.waitFor<ClientReport>('progress', ({ count }) => count >= 60);
      const showsText = (text: string): Promise<unknown> =>
        publisher.page.waitForFunction(
          (wanted) => document.querySelector('.returned-data')?.textContent.replaceAll(/\s+/g, ' ').includes(wanted),
          {},
          text,
        );
      await showsText(`${b}{"gripper":"open"}`);
      await one.returnData([1, 'two', null]);
      await showsText(`${await one.port}[1,"two",null]`);
      await another.page.evaluate(() => document.querySelector('gearway-viewer')!.send('stop'));
      await showsText(`${await another.port}"stop"once`);
      await one.returnData(null);
      await expect.poll(() => publisher.page.$eval('.returned-data', (list) => list.textContent)).not.toContain('two');
      await expect.poll(async () => (await publisher.stats).clients).toBe(4);
    }
    const { reason } = await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    expect(reason).toBe('phone (127.0.0.1) has left; waiting for a publisher');
    await Promise.all([one, another].map((viewer) => viewer.becomes('stale')));
    expect(await one.reason).toBe(reason);
    await using again = await publish(browser, gateway.url, '&name=phone');
    await again.becomes('live');
    await Promise.all([one, another].map((viewer) => viewer.becomes('live')));
    await Promise.all([seesNew(one, 3), seesNew(another, 3)]);
    await first.waitFor<ClientReport>('progress', ({ count }) => count > before.count + 20);
    const { counters, clients } = await gateway.status();
    expect(counters.rejected).toBe(0);
    expect(clients.map(({ state }) => state)).toEqual(['live', 'live', 'live', 'live']);
  });

  it('reduces its pictures to the requested rate', async () => {
    await using gateway = await start();
    await using publisher = await publish(browser, gateway.url, '&fps=30');
    await expect.poll(async () => (await publisher.stats).framesPerSecond, { timeout: 15_000 }).toBeGreaterThan(8);
    await publisher.set('fps', 5);
    await expect.poll(async () => (await publisher.stats).framesPerSecond, { timeout: 15_000 }).toBeLessThan(6);
    const { sent } = await publisher.stats;
    const startMs = performance.now();
    await sleep(4000);
    const rate = ((await publisher.stats).sent - sent) / ((performance.now() - startMs) / 1000);
    // Half a second at each end is uncertain, because figures are refreshed twice per second.
    expect(rate).toBeGreaterThan(3.5);
    expect(rate).toBeLessThan(6.5);
  });
});

describe('a page that publishes', () => {
  it('shares a screen, and repeats the last picture while nothing changes', async () => {
    await using gateway = await start();
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, `${gateway.url}/publish`);
    await publisher.press('Share screen');
    await publisher.becomes('live');
    expect(await publisher.tracks()).toEqual(['live']);
    await gateway.statusWhere('frames', ({ counters, state }) => state === 'live' && counters.received > 3);
    await publisher.press('Use camera');
    await publisher.where("element.state === 'live' && element.input === 'camera'");
    const { counters } = await gateway.status();
    await gateway.statusWhere("the camera's frames", ({ counters: now }) => now.received > counters.received + 10);
  });

  it('accepts several changes at the same time, and while a camera is being opened', async () => {
    await using gateway = await LocalGateway.start('--source', 'a=push:', '--source', 'b=push:');
    const url = gateway.url;
    const publishing = async (stream: string): Promise<string> =>
      ((await (await fetch(`${url}/api/streams/${stream}`)).json()) as StreamStatus).source.state;
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, `${url}/publish?stream=a&name=phone`);
    await publisher.hasTarget();
    const act = (work: (element: GearwayPublisher) => void): Promise<void> =>
      publisher.page.$eval('gearway-publisher', work);
    await act((element) => {
      element.start();
      element.src = 'streams/b';
    });
    await expect.poll(() => publishing('b')).toBe('phone (127.0.0.1)');
    expect(await publishing('a')).toBe('waiting for a publisher');
    await using other = await PublisherPage.open(browser, `${url}/publish?stream=a&name=other&start`);
    await other.becomes('live');
    await act((element) => {
      element.src = 'streams/a';
      element.start({ takeOver: true });
    });
    await expect.poll(() => publishing('a')).toBe('phone (127.0.0.1)');
    await act((element) => {
      element.input = 'screen';
      element.start();
    });
    await publisher.where("element.state === 'live' && element.openDevice === null");
    // Texts about cameras are not shown for a screen.
    await act((element) => {
      element.facing = 'user';
      element.size = '480p';
    });
    await sleep(500);
    expect(await publisher.tracks()).toEqual(['live']);
    expect(await publisher.read('input')).toBe('screen');
  });

  it('reports a camera that was not allowed, or does not exist', async () => {
    await using gateway = await start();
    await using browser = await sharedBrowser('chromium');
    await using publisher = await publish(browser, gateway.url);
    await publisher.becomes('failed');
    expect(['denied', 'no-camera']).toContain(await publisher.code);
    expect(await publisher.notice()).toMatch(/ Try again$/);
    expect((await gateway.status()).source.state).toBe('waiting for a publisher');
  });

  it('reports an unplugged camera, and is live again automatically when it is reconnected', async () => {
    await using gateway = await start();
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    // A track that ends without `stop()`, as when a camera is unplugged.
    await using publisher = await PublisherPage.open(browser, `${gateway.url}/publish?stream=main&start`, () => {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      const { MediaStreamTrackGenerator } = globalThis as unknown as {
        MediaStreamTrackGenerator: new (options: { kind: 'video' }) => MediaStreamTrack & { writable: WritableStream };
      };
      navigator.mediaDevices.getUserMedia = async (constraints) => {
        const [track] = (await open(constraints)).getVideoTracks();
        const generated = new MediaStreamTrackGenerator({ kind: 'video' });
        const plugged = new AbortController();
        addEventListener('unplug', () => plugged.abort(), { once: true });
        const { readable } = new MediaStreamTrackProcessor({ track: track! });
        readable.pipeTo(generated.writable, { signal: plugged.signal }).catch(() => track!.stop());
        return new MediaStream([generated]);
      };
    });
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    await publisher.page.evaluate(() => dispatchEvent(new Event('unplug')));
    await publisher.becomes('failed');
    expect(await publisher.code).toBe('ended');
    expect(await publisher.notice()).toMatch(/^Camera disconnected .* Try again$/);
    await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    await publisher.page.evaluate(() => navigator.mediaDevices.dispatchEvent(new Event('devicechange')));
    await publisher.becomes('live');
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
  });

  it('explains how to get a secure page on an insecure one', async () => {
    await using gateway = await start();
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    // This machine, under a name that browsers do not consider local.
    const url = gateway.url.replace('127.0.0.1', '0.0.0.0');
    await using publisher = await PublisherPage.open(browser, `${url}/publish`);
    await publisher.becomes('failed');
    expect(await publisher.code).toBe('insecure');
    expect(await publisher.notice()).toMatch(/^Page is not secure/);
    expect(await publisher.page.$eval('.help', (help) => (help as HTMLElement).innerText)).toContain('--tls-cert');
  });

  it('asks for a token, reports a wrong one, and stores the correct one', async () => {
    const tokens = ['--token', 'administer-this', '--publish-token', 'publish-that', '--view-token', 'view-this'];
    await using gateway = await start(...tokens);
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    await using publisher = await publish(browser, gateway.url);
    await publisher.page.waitForSelector('gearway-publisher > [slot=idle] > .log-in-form');
    expect(await publisher.state).toBe('idle');
    expect(await shownButtons(publisher)).toEqual([]);
    expect(await violations(publisher.page)).toEqual([]);
    const enter = async (token: string): Promise<void> => {
      await publisher.page.waitForFunction(() => document.activeElement?.id === 'token');
      await publisher.page.keyboard.type(token);
      await publisher.page.keyboard.press('Enter');
    };
    const showsText = (words: string): Promise<unknown> =>
      publisher.page.waitForFunction(
        (wanted) => document.querySelector('.log-in-form')?.textContent.includes(wanted),
        {},
        words,
      );
    await showsText('Publishing requires a token');
    for (const wrong of ['wrong', 'view-this']) {
      await enter(wrong);
      await showsText(wrong === 'wrong' ? 'Invalid token.' : 'The view token does not give the right to publish.');
      await publisher.page.waitForFunction(() => document.querySelector<HTMLInputElement>('#token')?.value === '');
    }
    await enter('publish-that');
    await publisher.becomes('live');
    await publisher.page.reload();
    await publisher.becomes('live');
  });

  it('explains that a stream accepts no publishers, before it opens a camera', async () => {
    await using gateway = await LocalGateway.start(
      '--source',
      'door=test-pattern:?size=320x180&fps=10',
      '--source',
      'phone=push:',
    );
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, `${gateway.url}/publish?stream=door&start`);
    const link = await publisher.page.waitForSelector('gearway-publisher > .on-picture > a');
    expect(await publisher.state).toBe('idle');
    // The element's own buttons are not rendered.
    expect(await shownButtons(publisher)).toEqual([]);
    expect(await violations(publisher.page)).toEqual([]);
    await Promise.all([publisher.page.waitForNavigation(), link!.click()]);
    await publisher.press('Start camera');
    await publisher.becomes('live');
  });

  it('reports a stream that accepts no publishers to a user who may not list the streams', async () => {
    await using gateway = await LocalGateway.start('--token', 'administer-this', '--publish-token', 'publish-that');
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    await using publisher = await publish(browser, gateway.url);
    await publisher.page.waitForSelector('#token');
    await publisher.page.type('#token', 'publish-that');
    await publisher.page.keyboard.press('Enter');
    await publisher.where(`element.code === ${closeCode.notForPublishers}`);
    expect(await publisher.notice()).toMatch(/^Publishing not supported/);
  });

  it('has no accessibility violations, in the dark and the light theme', async () => {
    await using gateway = await start();
    await using browser = await sharedBrowser('chromium', { camera: 'fake' });
    for (const width of [1280, 390]) {
      await using publisher = await PublisherPage.open(browser, `${gateway.url}/publish`);
      await publisher.page.setViewport({ width, height: 900 });
      for (const value of ['dark', 'light']) {
        await publisher.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
        expect(await violations(publisher.page)).toEqual([]);
      }
      await publisher.press('Start camera');
      await publisher.becomes('live');
      expect(await violations(publisher.page)).toEqual([]);
      expect(await publisher.page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
  });
});
