import type { Page } from 'puppeteer-core';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import type { PythonPeer } from '../helpers/peers.ts';
import type { BareServer } from './bare-server.ts';
import type { Go2rtc } from './go2rtc.ts';
import { type BenchProcess, endWithBench } from './processes.ts';
import { type PictureSize, startPython } from './python.ts';
import type { Feed, HandedOver } from './shown-delays.ts';

/** Pictures that every feed sends. */
export const SIZE: PictureSize = { width: 1280, height: 720, kilobytes: 100 };

/**
 * Shows an endless MJPEG stream in a page that has finished loading, because a loading page would wait for the end of
 * the stream.
 */
async function showImage(page: Page, pageUrl: string, imageUrl: string): Promise<void> {
  await page.goto(pageUrl);
  await page.evaluate(`document.body.innerHTML = '<img src="${imageUrl}" style="position: fixed; left: 0; top: 0">'`);
}

function toldFrames(peer: PythonPeer): HandedOver[] {
  return peer.events<{ n: number; t: number }>('frame').map(({ n, t }) => ({ number: n, atMs: t * 1000 }));
}

/** A camera program with the real NetGear, and the gateway's command. */
export class Camera implements AsyncDisposable {
  /** The gateway's address, once all processes are ready. */
  readonly url: Promise<string>;
  readonly #camera: PythonPeer;
  readonly #gateway: GatewayProcess;

  /**
   * @param port a free port.
   * @param args further options of the gateway.
   */
  constructor(port: number, size: PictureSize, ...args: string[]) {
    this.#gateway = endWithBench(new GatewayProcess('--source', `netgear:tcp://127.0.0.1:${port}?pattern=1`, ...args));
    this.#camera = startPython('camera.py', { ...size, port });
    this.url = this.#camera.waitFor('ready').then(() => this.#gateway.url);
    // If the start fails, the request for the address reports it.
    this.url.catch(() => undefined);
  }

  film(fps: number): void {
    this.#camera.stdin.write(`${fps}\n`);
  }

  /** @returns all frames handed over so far. */
  stop(): HandedOver[] {
    this.#camera.stdin.write('stop\n');
    return toldFrames(this.#camera);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#camera[Symbol.asyncDispose]();
    await this.#gateway[Symbol.asyncDispose]();
  }
}

/** Camera, gateway, `<gearway-viewer>` on the gateway's viewer page. */
export function elementFeed(camera: Camera): Feed {
  return {
    async open(page, fps) {
      const url = await camera.url;
      camera.film(fps);
      await page.goto(`${url}/viewer?bare`);
    },
    close: async () => camera.stop(),
  };
}

/** Camera, gateway, and the gateway's MJPEG in an `<img>`. */
export function imageFeed(camera: Camera): Feed {
  return {
    async open(page, fps) {
      const url = await camera.url;
      camera.film(fps);
      await showImage(page, `${url}/healthz`, `${url}/streams/main/mjpeg`);
    },
    close: async () => camera.stop(),
  };
}

/** The real WebGear, and its MJPEG in an `<img>`, as on WebGear's own page. */
export class WebGear implements Feed, AsyncDisposable {
  readonly #server: PythonPeer;

  /** @param fps the frame rate, which cannot be changed later. */
  constructor(port: number, size: PictureSize, fps: number) {
    this.#server = startPython('webgear_server.py', { ...size, port, fps, reports: true });
  }

  async open(page: Page): Promise<void> {
    const { url } = await this.#server.waitFor<{ url: string }>('ready');
    await page.goto(url, { waitUntil: 'domcontentloaded' });
  }

  close(): Promise<HandedOver[]> {
    return Promise.resolve(toldFrames(this.#server));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}

/** The hand-written page, from the bare server. */
export function bareFeed(server: BenchProcess<BareServer>, port: number): Feed {
  return {
    async open(page, fps) {
      await server.ask('startFilming', SIZE, fps);
      await page.goto(`http://127.0.0.1:${port}/live`);
    },
    close: () => server.ask('stopFilming'),
  };
}

/** go2rtc with the bare server as its source, and its MJPEG in an `<img>`. */
export function go2rtcFeed(go2rtc: Go2rtc, bare: BenchProcess<BareServer>): Feed {
  return {
    async open(page, fps) {
      const url = await go2rtc.ready();
      await bare.ask('startFilming', SIZE, fps);
      await showImage(page, `${url}/api`, `${url}/api/stream.mjpeg?src=main`);
    },
    close: () => bare.ask('stopFilming'),
  };
}
