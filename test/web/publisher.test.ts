import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as elapse } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readJpegHeader } from '../../gateway/codecs/jpeg-header.ts';
import { closeCode } from '../../shared/close-code.ts';
import type { StreamStatus } from '../../shared/status.ts';
import type { GearwayPublisher } from '../../web/publisher/gearway-publisher.ts';
import { type BrowserName, type BrowserOptions, launchBrowser } from '../helpers/browsers.ts';
import { CuttableProxy } from '../helpers/cuttable-proxy.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { Folder, writeNumberedCamera } from '../helpers/media.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { Site } from '../helpers/site.ts';
import { PublisherPage } from './publisher-page.ts';
import { ViewerPage } from './viewer-page.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A gateway that waits for publishers. */
const start = (...args: string[]): Promise<GatewayProcess> => GatewayProcess.start('--source', 'push:', ...args);

/** The bundled page, sending as soon as it is there. */
async function publish(browser: Browser, url: string, query = ''): Promise<PublisherPage> {
  return PublisherPage.open(browser, `${url}/publish?stream=main&start${query}`);
}

/** The stream's newest picture. */
async function snapshot(gateway: GatewayProcess): Promise<Buffer> {
  const response = await fetch(`${await gateway.url}/streams/main/snapshot.jpg`);
  return Buffer.from(await response.arrayBuffer());
}

/** The sum of a JPEG's first quantization table (ITU-T T.81, B.2.4.1): the lower its quality, the more. */
function coarseness(jpeg: Buffer): number {
  const table = jpeg.indexOf(Buffer.from([0xff, 0xdb])) + 5;
  return jpeg.subarray(table, table + 64).reduce((sum, step) => sum + step, 0);
}

describe('a camera whose pictures are numbered', () => {
  const COUNT = 150;
  let folder: Folder;
  let browser: Browser;
  beforeAll(async () => {
    folder = await Folder.create();
    browser = await launchBrowser('chromium', { camera: await writeNumberedCamera(`${folder.file('numbers')}.y4m`, { count: COUNT, fps: 10 }) });
  });
  afterAll(async () => {
    await browser.close();
    await folder[Symbol.asyncDispose]();
  });

  /** Sees to it that a viewer's picture is a newer one again and again. */
  async function seesNew(viewer: ViewerPage, times: number): Promise<void> {
    const seen = new Set<number>();
    await expect.poll(async () => seen.add((await viewer.numbers())?.picture ?? -1).size, { timeout: 30_000, interval: 100 }).toBeGreaterThan(times);
    for (const number of seen) expect(number).toBeLessThan(COUNT);
  }

  it('reaches two real clients and two viewers in order, with their return data on the way back; the page is closed, and opened again', async () => {
    const [a, b] = (await freePorts(2)) as [number, number];
    await using gateway = await start('--client', `tcp://127.0.0.1:${a}?pattern=1`, '--client', `tcp://127.0.0.1:${b}?pattern=0`);
    await using first = new PythonPeer('client.py', { port: a, pattern: 1, multiclient: true, height: 480 });
    await using second = new PythonPeer('client.py', { port: b, pattern: 0, bidirectional: true, returns: { gripper: 'open' }, height: 480 });
    await using viewerBrowser = await launchBrowser('chromium');
    await using one = await ViewerPage.ofGateway(viewerBrowser, gateway);
    await using another = await ViewerPage.ofGateway(viewerBrowser, gateway);
    await Promise.all([one, another].map((viewer) => viewer.becomes('waiting')));
    expect(await one.reason).toBe('waiting for a publisher');
    let before: ClientReport;
    {
      await using publisher = await publish(browser, await gateway.url, '&name=phone&fps=30');
      await publisher.becomes('live');
      expect(await publisher.place).toBe('worker');
      await gateway.statusWhere('four live clients', ({ clients, source }) => source.state === 'phone (127.0.0.1)' && clients.filter(({ state }) => state === 'live').length === 4);
      await Promise.all([seesNew(one, 8), seesNew(another, 8)]);
      before = await first.waitFor<ClientReport>('progress', ({ count }) => count >= 60);
      // Numbers go back only where the camera's file begins again.
      expect(before.disordered).toBeLessThanOrEqual(1);
      expect(before.last).toBeLessThan(COUNT);
      await second.waitFor<ClientReport>('progress', ({ count }) => count >= 60);
      const says = (text: string): Promise<unknown> => publisher.page.waitForFunction((wanted) => document.querySelector('.returned-data')?.textContent.replaceAll(/\s+/g, ' ').includes(wanted), {}, text);
      await says(`${b}{"gripper":"open"}`);
      await one.returnData([1, 'two', null]);
      await says(`${await one.port}[1,"two",null]`);
      await another.page.evaluate(() => document.querySelector('gearway-viewer')!.send('stop'));
      await says(`${await another.port}"stop"once`);
      await one.returnData(null);
      await expect.poll(() => publisher.page.$eval('.returned-data', (list) => list.textContent)).not.toContain('two');
      await expect.poll(async () => (await publisher.stats).clients).toBe(4);
    }
    const { reason } = await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    expect(reason).toBe('phone (127.0.0.1) has left; waiting for a publisher');
    await Promise.all([one, another].map((viewer) => viewer.becomes('stale')));
    expect(await one.reason).toBe(reason);
    await using again = await publish(browser, await gateway.url, '&name=phone');
    await again.becomes('live');
    await Promise.all([one, another].map((viewer) => viewer.becomes('live')));
    await Promise.all([seesNew(one, 3), seesNew(another, 3)]);
    await first.waitFor<ClientReport>('progress', ({ count }) => count > before.count + 20);
    const { counters, clients } = await gateway.status();
    expect(counters.rejected).toBe(0);
    expect(clients.map(({ state }) => state)).toEqual(['live', 'live', 'live', 'live']);
  });

  it('thins its pictures out to the rate that is asked for', async () => {
    await using gateway = await start();
    await using publisher = await publish(browser, await gateway.url, '&fps=30');
    await expect.poll(async () => (await publisher.stats).framesPerSecond, { timeout: 15_000 }).toBeGreaterThan(8);
    await publisher.set('fps', 5);
    await expect.poll(async () => (await publisher.stats).framesPerSecond, { timeout: 15_000 }).toBeLessThan(6);
    const { sent } = await publisher.stats;
    const startMs = performance.now();
    await elapse(4000);
    const rate = ((await publisher.stats).sent - sent) / ((performance.now() - startMs) / 1000);
    // Half a second at each end is uncertain: figures are refreshed twice a second.
    expect(rate).toBeGreaterThan(3.5);
    expect(rate).toBeLessThan(6.5);
  });
});

describe.each([
  { name: 'chromium', place: 'worker' },
  { name: 'chromium', place: 'main' },
  { name: 'firefox', place: 'worker' },
] as const)('the publisher in $name, encoding in $place', ({ name, place }) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(name, { camera: 'fake' });
  });
  afterAll(async () => {
    await browser.close();
  });
  async function open(url: string, query = ''): Promise<PublisherPage> {
    const publisher = await PublisherPage.open(browser, `${url}/publish?stream=main${query}`);
    await publisher.page.evaluate((noWorker) => Object.assign(document.querySelector('gearway-publisher')!, { noWorker }).start(), place === 'main');
    return publisher;
  }

  it('sends what is asked for, changes it at once, and switches the camera off', async () => {
    await using gateway = await start();
    await using publisher = await open(await gateway.url);
    await publisher.becomes('live');
    expect(await publisher.place).toBe(place);
    await using viewer = await ViewerPage.ofGateway(browser, gateway);
    await viewer.becomes('live');
    await publisher.set('size', '480p');
    await expect.poll(async () => readJpegHeader(await snapshot(gateway)).height, { timeout: 15_000 }).toBeLessThanOrEqual(480);
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
    const tracks = await publisher.page.evaluateHandle(() => (document.querySelector('gearway-publisher')!.shadowRoot!.querySelector('video')!.srcObject as MediaStream).getTracks());
    await publisher.press('Stop');
    await publisher.becomes('idle');
    expect(await tracks.evaluate((list) => list.map(({ readyState }) => readyState))).toEqual(['ended']);
    expect(await publisher.tracks()).toEqual([]);
    await gateway.statusWhere('nobody who publishes', ({ source }) => source.state === 'waiting for a publisher');
    await viewer.becomes('stale');
    await publisher.press('Start camera');
    await publisher.becomes('live');
    await viewer.becomes('live');
  });

  it('is refused while another publishes, takes over when its user wants that, and does not fight', async () => {
    await using gateway = await start();
    await using first = await open(await gateway.url, '&name=first');
    await first.becomes('live');
    await using second = await open(await gateway.url, '&name=second');
    await second.becomes('refused');
    expect(await second.notice()).toBe('Another publisher is active The stream has a publisher: first (127.0.0.1) Take over Stop');
    await second.press('Take over');
    await second.becomes('live');
    await first.becomes('refused');
    expect(await first.code).toBe(closeCode.takenOver);
    expect(await first.notice()).toBe('Taken over The stream has another publisher now: second (127.0.0.1) Take over');
    // Its camera is off, and it stays away.
    expect(await first.tracks()).toEqual([]);
    await elapse(3000);
    expect(await first.state).toBe('refused');
    expect((await gateway.status()).source.state).toBe('second (127.0.0.1)');
    await first.press('Take over');
    await first.becomes('live');
    await second.becomes('refused');
  });

  it('is live again by itself when the gateway is, with a sentence meanwhile', async () => {
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

  it('waits for its own place after its network was cut', async () => {
    await using gateway = await start();
    await using proxy = await CuttableProxy.start(await gateway.url);
    await using publisher = await open(proxy.url);
    await publisher.becomes('live');
    proxy.cut();
    await publisher.becomes('connecting');
    proxy.mend();
    await publisher.becomes('live');
    const { counters } = await gateway.status();
    await gateway.statusWhere('more frames', ({ counters: now }) => now.received > counters.received + 5);
  });

  it('runs on a page of another origin', async () => {
    let gatewayUrl = '';
    await using page = await Site.serve(() => `<!doctype html><meta charset="utf-8"><title>other</title><script type="module" src="${gatewayUrl}/gearway-publisher.js"></script><gearway-publisher src="${gatewayUrl}/streams/main" ${place === 'main' ? 'no-worker' : ''}></gearway-publisher>`);
    await using gateway = await start('--allow-origin', page.origin);
    gatewayUrl = await gateway.url;
    await using publisher = await PublisherPage.open(browser, page.origin);
    await publisher.page.waitForFunction(() => customElements.get('gearway-publisher') !== undefined);
    await publisher.page.evaluate(() => document.querySelector('gearway-publisher')!.start());
    await publisher.becomes('live');
    expect(await publisher.place).toBe(place);
    await gateway.statusWhere('frames', ({ counters }) => counters.received > 5);
  });
});

describe('a page that publishes', () => {
  const using = async (options: BrowserOptions, name: BrowserName = 'chromium'): Promise<Browser & AsyncDisposable> => launchBrowser(name, options);

  it('shares a screen, whose last picture is sent again while nothing changes', async () => {
    await using gateway = await start();
    await using browser = await using({ camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, `${await gateway.url}/publish`);
    await publisher.press('Share screen');
    await publisher.becomes('live');
    expect(await publisher.tracks()).toEqual(['live']);
    await gateway.statusWhere('frames', ({ counters, state }) => state === 'live' && counters.received > 3);
    await publisher.press('Use camera');
    await publisher.where("element.state === 'live' && element.input === 'camera'");
    const { counters } = await gateway.status();
    await gateway.statusWhere('the camera\'s frames', ({ counters: now }) => now.received > counters.received + 10);
  });

  it('takes changes that are made together, and while a camera is being opened', async () => {
    await using gateway = await GatewayProcess.start('--source', 'a=push:', '--source', 'b=push:');
    const url = await gateway.url;
    const publishing = async (stream: string): Promise<string> => ((await (await fetch(`${url}/api/streams/${stream}`)).json()) as StreamStatus).source.state;
    await using browser = await using({ camera: 'fake' });
    await using publisher = await PublisherPage.open(browser, `${url}/publish?stream=a&name=phone`);
    const act = (work: (element: GearwayPublisher) => void): Promise<void> => publisher.page.$eval('gearway-publisher', work);
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
    // What is said of cameras is nothing to a screen.
    await act((element) => {
      element.facing = 'user';
      element.size = '480p';
    });
    await elapse(500);
    expect(await publisher.tracks()).toEqual(['live']);
    expect(await publisher.read('input')).toBe('screen');
  });

  it.each(['chromium', 'firefox'] as const)('is live at one picture every five seconds in %s, and told of states in order', async (name) => {
    await using gateway = await start();
    await using browser = await using({ camera: 'fake' }, name);
    await using publisher = await PublisherPage.open(browser, `${await gateway.url}/publish?fps=0.2`);
    await publisher.page.$eval('gearway-publisher', (element) => {
      const told: string[] = [];
      Object.assign(element, { told });
      for (const type of ['state', 'refused', 'failed'] as const) element.addEventListener(`gearway-publisher-${type}`, () => told.push(`${type} ${element.state}`));
      element.start();
    });
    await publisher.becomes('live');
    await elapse(6000);
    await using other = await publish(browser, await gateway.url);
    await other.becomes('refused');
    await other.press('Take over');
    await publisher.becomes('refused');
    const told = await publisher.page.$eval('gearway-publisher', (element) => (element as GearwayPublisher & { told: string[] }).told);
    expect(told).toEqual(['state asking', 'state connecting', 'state live', 'state refused', 'refused refused']);
  });

  it('says that the camera was not allowed, or that there is none', async () => {
    await using gateway = await start();
    await using browser = await using({});
    await using publisher = await publish(browser, await gateway.url);
    await publisher.becomes('failed');
    expect(['denied', 'no-camera']).toContain(await publisher.code);
    expect(await publisher.notice()).toMatch(/ Try again$/);
    expect((await gateway.status()).source.state).toBe('waiting for a publisher');
  });

  it('says when the camera is unplugged, and is live again by itself when it is back', async () => {
    await using gateway = await start();
    await using browser = await using({ camera: 'fake' });
    // A track of the browser's that ends without `stop()`, as a camera's that is unplugged.
    await using publisher = await PublisherPage.open(browser, `${await gateway.url}/publish?stream=main&start`, () => {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      const { MediaStreamTrackGenerator } = globalThis as unknown as { MediaStreamTrackGenerator: new (options: { kind: 'video' }) => MediaStreamTrack & { writable: WritableStream } };
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

  it('says how to get a secure page where it is none', async () => {
    await using gateway = await start();
    await using browser = await using({ camera: 'fake' });
    // This machine, by a name that browsers do not take for it.
    const url = (await gateway.url).replace('127.0.0.1', '0.0.0.0');
    await using publisher = await PublisherPage.open(browser, `${url}/publish`);
    await publisher.becomes('failed');
    expect(await publisher.code).toBe('insecure');
    expect(await publisher.notice()).toMatch(/^Page is not secure/);
    expect(await publisher.page.$eval('.help', (help) => (help as HTMLElement).innerText)).toContain('--tls-cert');
  });

  it('asks for a token, says that one is wrong, and keeps the right one', async () => {
    await using gateway = await start('--token', 'administer-this', '--publish-token', 'publish-that');
    await using browser = await using({ camera: 'fake' });
    await using publisher = await publish(browser, await gateway.url);
    await publisher.becomes('refused');
    const enter = async (token: string): Promise<void> => {
      await publisher.page.waitForFunction(() => document.activeElement?.id === 'token');
      await publisher.page.keyboard.type(token);
      await publisher.page.keyboard.press('Enter');
    };
    const says = (words: string): Promise<unknown> => publisher.page.waitForFunction((wanted) => document.querySelector('.token-form')?.textContent.includes(wanted), {}, words);
    await says('Publishing requires a token');
    for (const wrong of ['wrong', 'wrong']) {
      await enter(wrong);
      await says('Invalid token.');
      await publisher.page.waitForFunction(() => document.querySelector<HTMLInputElement>('#token')?.value === '');
    }
    await enter('publish-that');
    await publisher.becomes('live');
    await publisher.page.reload();
    await publisher.becomes('live');
  });

  it('says when the stream takes no publishers', async () => {
    await using gateway = await GatewayProcess.start();
    await using browser = await using({ camera: 'fake' });
    await using publisher = await publish(browser, await gateway.url);
    await publisher.becomes('refused');
    expect(await publisher.code).toBe(closeCode.notForPublishers);
    expect(await publisher.notice()).toMatch(/^Publishing not supported/);
  });

  it('has nothing that a screen reader stumbles over, in the dark and in the light', async () => {
    await using gateway = await start();
    await using browser = await using({ camera: 'fake' });
    for (const width of [1280, 390]) {
      await using publisher = await PublisherPage.open(browser, `${await gateway.url}/publish`);
      await publisher.page.setViewport({ width, height: 900 });
      for (const value of ['dark', 'light']) {
        await publisher.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value }]);
        expect(await violations(publisher)).toEqual([]);
      }
      await publisher.press('Start camera');
      await publisher.becomes('live');
      expect(await violations(publisher)).toEqual([]);
      expect(await publisher.page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
  });

  async function violations({ page }: PublisherPage): Promise<string[]> {
    await page.evaluate(AXE);
    const found = (await page.evaluate('axe.run().then(({ violations }) => violations)')) as { id: string; nodes: { html: string }[] }[];
    return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('\n')}`);
  }
});
