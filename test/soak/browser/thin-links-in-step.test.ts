/** Message and picture of a viewer whose link, encoder and source change. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import jpegTurbo from '@julusian/jpeg-turbo';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { createGateway, type Gateway, GearwayError, type StreamSettings } from '../../../gateway/create-gateway.ts';
import { NetGearSender } from '../../../gateway/netgear/index.ts';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { feature } from '../../../shared/protocol.ts';
import { burnNumber, NUMBERS, readNumber } from '../../bench/picture-number.ts';
import { ViewerPage } from '../../browser/viewer-page.ts';
import { launchBrowser } from '../../helpers/browsers.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { ShapedRelay, symmetricLink } from '../../helpers/shaped-relay.ts';
import { WebViewer } from '../../helpers/web-viewer.ts';

const FPS = 25;
const DELAY_MS = 20;
const SIZES = {
  large: { width: 640, height: 360 },
  small: { width: 480, height: 270 },
} as const;

/** Links that carry the source, H.264 of the source's size, and H.264 of half of it. */
const LINKS = { fast: 50e6, slow: 1.2e6, slower: 0.45e6 } as const;

/** Number of frames that are composited in each situation. */
const FRAMES = 15;

/** A NetGear server whose pictures and messages have the same number. It can be restarted, and continues to count. */
class Camera implements AsyncDisposable {
  size: (typeof SIZES)[keyof typeof SIZES] = SIZES.large;
  readonly #port: number;
  readonly #backgrounds = Object.values(SIZES).map((size) => ({ size, data: squares(size) }));
  #number = 0;
  #sender: NetGearSender | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(port: number) {
    this.#port = port;
  }

  start(): void {
    this.#sender = new NetGearSender({ address: '127.0.0.1', port: this.#port, pattern: 1, check: false });
    this.#running = this.#run(this.#sender);
  }

  async stop(): Promise<void> {
    const sender = this.#sender;
    this.#sender = null;
    await this.#running;
    await sender?.close({ terminate: false });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(sender: NetGearSender): Promise<void> {
    await sender.ready();
    while (this.#sender === sender) {
      const fromMs = performance.now();
      this.#number = (this.#number + 1) % NUMBERS;
      const { width, height } = this.size;
      const data = this.#backgrounds.find(({ size }) => size === this.size)!.data.slice();
      burnNumber(data, width, height, this.#number);
      const jpeg = await encodeJpeg({ data, width, height, channels: 3 });
      await sender.send(jpeg, { message: { n: this.#number } }).catch((error: unknown) => {
        // The stream is being created again.
        if (!(error instanceof GearwayError && error.code === 'disconnected')) throw error;
      });
      await sleep(Math.max(0, 1000 / FPS - (performance.now() - fromMs)));
    }
  }
}

/** BGR samples with many details, whose JPEG is large. */
function squares({ width, height }: { width: number; height: number }): Uint8Array {
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < data.length; at += 1)
    data[at] =
      (Math.imul(((at / 12) | 0) % (width >> 2), 2_654_435_761) ^ Math.imul((at / (12 * width)) | 0, 40_503)) & 127;
  return data;
}

/** PIDs of this process's encoders. */
const encoders = (): number[] =>
  execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('libx264'))
    .map((line) => Number(line.trim().split(' ', 1)[0]));

declare global {
  interface Window {
    /** Numbers of the messages that were drawn, in order. */
    drawnNumbers: number[];
  }
}

/** Draws the message's number in the picture, two rows of blocks below the picture's own. */
const drawNumber = (): void => {
  window.drawnNumbers = [];
  document.querySelector('gearway-viewer')!.overlay = (context, message, { width, height }) => {
    const block = width / 16;
    const { n } = message as { n: number };
    window.drawnNumbers.push(n);
    for (let index = 0; index < 12; index += 1) {
      for (const inverted of [0, 1]) {
        context.fillStyle = ((n >> (11 - index)) & 1) !== inverted ? '#fff' : '#000';
        context.fillRect((2 + index) * block, height / 2 + (1 + inverted) * block, block, block);
      }
    }
  };
};

interface Composited {
  readonly situation: string;
  readonly picture: number;
  readonly message: number;
  /** Time at which the picture was composited. */
  readonly atMs: number;
}

describe('a viewer behind a link that changes', () => {
  let browser: Browser;
  let options: {
    readonly port: 0;
    readonly streams: { readonly main: StreamSettings; readonly spare: StreamSettings };
  };
  let gateway: Gateway;
  let camera: Camera;
  let relay: ShapedRelay;
  let address: string;
  /** Changes the options of the stream through the HTTP API. */
  const administer = async (method: 'DELETE' | 'PUT', body: string | null = null): Promise<void> => {
    const response = await fetch(`${address.replace('/streams/', '/api/streams/')}`, {
      method,
      body,
      headers: {
        authorization: `Bearer ${gateway.administratorKey}`,
        ...(body === null ? {} : { 'content-type': 'application/json' }),
      },
    });
    expect(response.ok, await response.text()).toBe(true);
  };
  beforeAll(async () => {
    browser = await launchBrowser('chromium');
    const [sourcePort = 0] = await freePorts(1);
    const main = { source: `netgear:tcp://127.0.0.1:${sourcePort}?pattern=1` };
    options = { port: 0, streams: { main, spare: { source: 'push:' } } };
    gateway = await createGateway(options);
    const { url, port } = await gateway.listen();
    address = `${url}streams/main`;
    relay = await ShapedRelay.start(port, symmetricLink({ bitsPerSecond: LINKS.fast, delayMs: DELAY_MS }));
    camera = new Camera(sourcePort);
    camera.start();
  });
  afterAll(async () => {
    await camera[Symbol.asyncDispose]();
    await browser.close();
    await relay[Symbol.asyncDispose]();
    await gateway.close();
  });

  it('shows each picture with its message, and none that is older than the last, during all changes', async () => {
    await using view = await ViewerPage.open(browser, `${relay.url}/viewer?stream=main&bare`);
    await view.page.setViewport(SIZES.large);
    await view.becomes('live');
    await view.page.evaluate(drawNumber);
    const seen: Composited[] = [];
    let situation = 'the beginning';
    const client = await view.page.createCDPSession();
    client.on('Page.screencastFrame', ({ data, metadata, sessionId }) => {
      client.send('Page.screencastFrameAck', { sessionId }).catch(() => undefined);
      const image = Buffer.from(data, 'base64');
      const { data: gray, width, height } = jpegTurbo.decompressSync(image, { format: jpegTurbo.FORMAT_GRAY });
      const picture = readNumber(gray, width, height);
      const message = readNumber(gray.subarray(Math.round((width / 16) * 2) * width), width, height);
      if (picture !== null && message !== null)
        seen.push({ situation, picture, message, atMs: (metadata.timestamp ?? NaN) * 1000 });
    });
    await client.send('Page.startScreencast', {
      format: 'jpeg',
      quality: 80,
      maxWidth: SIZES.large.width,
      maxHeight: SIZES.large.height,
      everyNthFrame: 1,
    });
    const others: WebViewer[] = [];
    /** Runs `change`, waits for its effect and for more frames. */
    const goThrough = async (name: string, change: () => unknown, effect: string): Promise<void> => {
      situation = name;
      await change();
      await view.where(effect);
      const from = seen.length;
      await expect.poll(() => seen.length - from, { timeout: 30_000, message: name }).toBeGreaterThan(FRAMES);
    };
    const shape = (bitsPerSecond: number): void => relay.shape(symmetricLink({ bitsPerSecond }));
    const set = (properties: Partial<Pick<GearwayViewer, 'quality'>>): Promise<void> =>
      view.page.evaluate(
        (values) => void Object.assign(document.querySelector<GearwayViewer>('gearway-viewer')!, values),
        properties,
      );
    const isSource = (height: number): string =>
      `element.stats.encoding === 'jpeg' && element.stats.height === ${height} && element.stats.delivery === ''`;
    /** Whether it gets H.264 of this height. */
    const isVideo = (height: number): string =>
      `element.stats.encoding === 'h264' && element.stats.delivery.includes('×${height},')`;
    const { large, small } = SIZES;

    await goThrough('a fast link', () => undefined, isSource(large.height));
    await goThrough('a slow link', () => shape(LINKS.slow), isVideo(large.height));
    await goThrough('a slower link', () => shape(LINKS.slower), isVideo(large.height / 2));
    await goThrough('a link that is less slow', () => shape(LINKS.slow), isVideo(large.height));
    await goThrough(
      'viewers that join and request key frames',
      async () => {
        // Two viewers get each of three steps; this viewer, too, gets one of these steps.
        for (const maxBitsPerSecond of [630e3, 285e3, 145e3, 630e3, 285e3, 145e3]) {
          const want = { video: true, maxBitsPerSecond };
          others.push(await WebViewer.open(address, { spectate: true, features: [feature.renditions], want }));
          await sleep(300);
        }
      },
      "element.stats.encoding === 'h264'",
    );
    for (const other of others) await other[Symbol.asyncDispose]();
    await goThrough(
      'an encoder that is killed',
      async () => {
        const pids = encoders();
        expect(pids.length).toBeGreaterThan(0);
        for (const pid of pids) process.kill(pid, 'SIGKILL');
        await view.where("element.stats.encoding === 'jpeg'");
      },
      "element.stats.encoding === 'h264'",
    );
    await goThrough(
      'a smaller source',
      () => (camera.size = small),
      `element.stats.encoding === 'h264' && element.stats.delivery.includes(' ${small.width}×')`,
    );
    await goThrough(
      'a larger source',
      () => (camera.size = large),
      `element.stats.encoding === 'h264' && element.stats.delivery.includes(' ${large.width}×')`,
    );
    await goThrough(
      'encoders that are killed as soon as they run',
      async () => {
        for (let time = 0; time < 3; time += 1) {
          await expect.poll(encoders).not.toEqual([]);
          for (const pid of encoders()) process.kill(pid, 'SIGKILL');
        }
      },
      "element.stats.encoding === 'h264'",
    );
    await goThrough(
      'a source that repeatedly changes its size',
      async () => {
        for (let time = 0; time < 10; time += 1) {
          camera.size = camera.size === large ? small : large;
          await sleep(100 + 70 * time);
        }
      },
      `element.stats.encoding === 'h264' && element.stats.delivery.includes(' ${large.width}×')`,
    );
    await goThrough(
      'a viewer that repeatedly changes its settings',
      async () => {
        for (let time = 0; time < 12; time += 1) {
          await set({ quality: (['half', 'source', 'quarter', 'auto'] as const)[time % 4]! });
          await sleep(60 + 50 * (time % 5));
        }
      },
      "element.stats.encoding === 'h264'",
    );
    await goThrough(
      'a viewer that repeatedly pauses',
      async () => {
        for (let time = 0; time < 8; time += 1) {
          await view.page.evaluate(() => document.querySelector('gearway-viewer')!.pause());
          await sleep(30 + 60 * (time % 3));
          await view.page.evaluate(() => document.querySelector('gearway-viewer')!.resume());
          await sleep(40 + 150 * (time % 4));
        }
      },
      "element.state === 'live' && element.stats.encoding === 'h264'",
    );
    await goThrough(
      'a stream that is created again by a reload, without and with renditions',
      async () => {
        await gateway.reconfigure({ ...options, renditions: 'off' });
        await view.where("element.state === 'live' && element.stats.encoding === 'jpeg'");
        await gateway.reconfigure(options);
      },
      "element.state === 'live' && element.stats.encoding === 'h264'",
    );
    await goThrough(
      'a stream that is removed and created again by the API',
      async () => {
        await administer('DELETE');
        await view.becomes('refused');
        await administer('PUT', JSON.stringify(options.streams.main));
        await view.page.evaluate(() => document.querySelector('gearway-viewer')!.reconnect());
      },
      "element.state === 'live' && element.stats.encoding === 'h264'",
    );
    await goThrough(
      'a source that restarts',
      async () => {
        await camera.stop();
        await sleep(1000);
        camera.start();
      },
      "element.state === 'live'",
    );
    await goThrough('a fast link again', () => shape(LINKS.fast), isSource(large.height));

    const wrong = seen.filter(({ picture, message }) => picture !== message);
    expect(wrong, `of ${seen.length}`).toEqual([]);
    // Sorted by the time of composition, because the order of the reports is not guaranteed.
    seen.sort((a, b) => a.atMs - b.atMs);
    expect(backwards(seen.map(({ picture }) => picture))).toEqual([]);
    expect(backwards(await view.page.evaluate(() => window.drawnNumbers))).toEqual([]);
  });
});

/** Pairs of successive numbers whose second one is earlier. Numbers start over after NUMBERS. */
function backwards(numbers: readonly number[]): [number, number][] {
  return numbers.slice(1).flatMap((number, index): [number, number][] => {
    const before = numbers[index] ?? number;
    return (number - before + NUMBERS) % NUMBERS > NUMBERS / 2 ? [[before, number]] : [];
  });
}
