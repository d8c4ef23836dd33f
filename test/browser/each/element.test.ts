import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { CORNERS, ORIENTATIONS, oriented, storedPicture, withSegments } from '../../helpers/jpeg-variants.ts';
import { segment } from '../../helpers/jpeg-builder.ts';
import { sharedBrowser, TESTED_BROWSER } from '../../helpers/browsers.ts';
import { Site } from '../../helpers/site.ts';
import { ViewerPage } from '../viewer-page.ts';

async function start(options: GatewayOptions = {}): Promise<Gateway & { url: string }> {
  const gateway = await createGateway({ port: 0, source: 'push:', ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1) });
}

/** One colour, as BGR samples or as a JPEG. */
function samples(width: number, height: number, [blue, green, red]: readonly [number, number, number]): Uint8Array {
  return Uint8Array.from({ length: width * height * 3 }, (_, index) => [blue, green, red][index % 3]!);
}

const jpeg = (width = 64, height = 48): Promise<Uint8Array> =>
  encodeJpeg({ data: samples(width, height, [30, 60, 200]), width, height, channels: 3 });

describe('the element', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await sharedBrowser(TESTED_BROWSER);
  });
  afterAll(async () => {
    await browser.close();
  });
  const open = (gateway: { url: string }, query = ''): Promise<ViewerPage> =>
    ViewerPage.open(browser, `${gateway.url}/viewer${query}`);

  it.each([
    ['undefined, as a framework that removes them', undefined],
    ['null', null],
    ['true, as React without a value', true],
    ['a number', 7],
    ['a list', [0, 1000]],
  ])('shows arrays and JPEGs with texts set to %s', async (_name, value) => {
    await using gateway = await start();
    await using view = await open(gateway);
    const errors: string[] = [];
    view.page.on('pageerror', (error) => errors.push(String(error)));
    await view.becomes('waiting');
    await view.page.evaluate((set) => {
      const viewer = document.querySelector('gearway-viewer')!;
      const names = ['name', 'fit', 'quality', 'poster', 'overlays', 'overlayClasses', 'overlay', 'unit'];
      const style = ['range', 'colormap', 'noData', 'nanColor', 'belowColor', 'aboveColor', 'channelOrder'];
      Object.assign(viewer, Object.fromEntries([...names, ...style].map((name) => [name, set])));
      viewer.colorBar = true;
      viewer.inspector = true;
    }, value);
    const overlay = [[4, 4, 20, 20, 0.9, 'ball']];
    const depth = { dtype: 'uint16', shape: [48, 64], data: new Uint8Array(48 * 64 * 2).fill(2) };
    for (const frame of [depth, await jpeg(), depth]) {
      const { painted } = await view.stats;
      gateway.stream.push(frame as Uint8Array, { message: { overlay } as never });
      await view.where(`element.stats.painted > ${painted}`);
    }
    await view.where('element.shownArray !== null');
    expect(await view.state).toBe('live');
    expect(errors).toEqual([]);
  });

  it('shows each state as :state(), with its slot', async () => {
    const gateway = await start();
    await using view = await open(gateway, '?bare');
    const { page } = view;
    await view.becomes('waiting');
    expect(await view.reason).toBe('waiting for a publisher');
    const shown = (state: string): Promise<{ matches: boolean; slotted: string }> =>
      page.evaluate((which) => {
        const viewer = document.querySelector('gearway-viewer')!;
        let content = viewer.querySelector(`[slot=${which}]`);
        if (content === null) {
          content = document.createElement('b');
          content.slot = which;
          content.textContent = `mine: ${which}`;
          viewer.append(content);
        }
        return {
          matches: viewer.matches(`:state(${which})`),
          slotted: content.checkVisibility() ? content.textContent : '',
        };
      }, state);
    const seen = async (state: string): Promise<void> => {
      await view.becomes(state);
      await shown(state);
      await page.waitForFunction((which) => document.querySelector(`[slot=${which}]`)!.checkVisibility(), {}, state);
      expect(await shown(state)).toEqual({ matches: true, slotted: `mine: ${state}` });
    };
    await seen('waiting');
    gateway.stream.push(await jpeg());
    await seen('live');
    expect((await shown('waiting')).matches).toBe(false);
    await page.evaluate(() => document.querySelector('gearway-viewer')!.pause());
    await seen('paused');
    gateway.stream.push(await jpeg());
    await page.evaluate(() => document.querySelector('gearway-viewer')!.resume());
    await view.becomes('live');
    await seen('stale');
    gateway.stream.sendAway('web-1', 'enough');
    await seen('refused');
    await gateway.close();
    await page.evaluate(() => document.querySelector('gearway-viewer')!.reconnect());
    await seen('connecting');
    await page.evaluate(() => (document.querySelector('gearway-viewer')!.src = ''));
    await view.where("element.reason === 'no src is set'");
    await page.evaluate(() => (document.querySelector('gearway-viewer')!.src = 'http://[/'));
    await view.where("element.state === 'refused' && element.reason.startsWith('src is')");
  });

  it('shows pictures upright for every EXIF orientation, with their upright size in every event', async () => {
    await using gateway = await start();
    await using view = await open(gateway);
    await view.becomes('waiting');
    const size = { width: 320, height: 240 };
    for (const orientation of ORIENTATIONS) {
      const seen = view.page.evaluate(async () => {
        const viewer = document.querySelector('gearway-viewer')!;
        const { detail } = await new Promise<HTMLElementEventMap['gearway-frame']>((resolve) =>
          viewer.addEventListener('gearway-frame', resolve, { once: true }),
        );
        const bitmap = await createImageBitmap((await viewer.snapshot())!.blob);
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d')!;
        context.drawImage(bitmap, 0, 0);
        const corners = [
          [8, 8],
          [bitmap.width - 8, 8],
          [8, bitmap.height - 8],
          [bitmap.width - 8, bitmap.height - 8],
        ].map(([x, y]) => Array.from(context.getImageData(x!, y!, 1, 1).data.subarray(0, 3)).reverse());
        return { event: [detail.width, detail.height], bitmap: [bitmap.width, bitmap.height], corners };
      });
      const jpegOfIt = oriented(await encodeJpeg(storedPicture(orientation, size)), orientation);
      await sleep(50); // the listener is registered
      gateway.stream.push(jpegOfIt);
      const { event, bitmap, corners } = await seen;
      expect({ event, bitmap }, `orientation ${orientation}`).toEqual({ event: [320, 240], bitmap: [320, 240] });
      for (const [corner, samples] of corners.entries())
        for (const [channel, sample] of samples.entries())
          expect(Math.abs(sample - CORNERS[corner]![channel]!), `orientation ${orientation}`).toBeLessThan(6);
    }
  });

  it('shows a JPEG with an aspect ratio in its JFIF header with square pixels, as the browser itself does', async () => {
    await using gateway = await start();
    await using view = await open(gateway);
    await view.becomes('waiting');
    const plain = Buffer.from(await jpeg());
    const wide = withSegments(
      Buffer.concat([plain.subarray(0, 2), plain.subarray(4 + plain.readUInt16BE(4))]),
      segment(0xe0, ...Buffer.from('JFIF\0'), 1, 1, 0, 0, 2, 0, 1, 0, 0),
    );
    const natural = await view.page.evaluate(
      async (data) => {
        const image = new Image();
        image.src = data;
        await image.decode();
        return [image.naturalWidth, image.naturalHeight];
      },
      `data:image/jpeg;base64,${wide.toString('base64')}`,
    );
    gateway.stream.push(wide);
    await view.becomes('live');
    expect([natural, gateway.stream.status().frame]).toEqual([
      [64, 48],
      expect.objectContaining({ width: 64, height: 48 }),
    ]);
  });

  it('immediately shows the last picture to a viewer that joins late, with its age', async () => {
    await using gateway = await start();
    const from = performance.now();
    gateway.stream.push(await jpeg());
    await sleep(3000);
    await using view = await open(gateway);
    await view.becomes('stale');
    await view.where('element.stats.painted === 1');
    const chip = (): Promise<string> =>
      view.page.evaluate(() =>
        document
          .querySelector('gearway-viewer')!
          .shadowRoot!.querySelector('.chip')!
          .textContent.replaceAll(/\s+/g, ' ')
          .trim(),
      );
    const ageOf = (text: string): number =>
      Number(/^Stale (\d+) s old the source has stopped sending$/.exec(text)?.[1]);
    const shown = await chip();
    // Includes the time that the page took to open.
    const atMost = (performance.now() - from) / 1000;
    expect(ageOf(shown), shown).toBeGreaterThanOrEqual(3);
    expect(ageOf(shown), shown).toBeLessThanOrEqual(atMost);
    expect((await view.stats).delayMs).toBeNull();
    await expect.poll(async () => ageOf(await chip())).toBeGreaterThan(ageOf(shown));
  });

  it('draws the overlay of a message, in the worker', async () => {
    await using gateway = await start();
    await using view = await open(gateway, '?stream=main&bare&overlays');
    await view.becomes('waiting');
    const picture = await jpeg();
    const message = { overlay: [{ polygon: [20, 15, 44, 15, 44, 33, 20, 33], color: '#00ff00', fill: 1 }] };
    const source = setInterval(() => gateway.stream.push(picture, { message }), 100);
    const centre = async (): Promise<number[]> => {
      const image = sharp(await view.page.screenshot()).removeAlpha();
      const { width, height } = await image.metadata();
      const pixel = await image
        .extract({ left: width / 2, top: height / 2, width: 1, height: 1 })
        .raw()
        .toBuffer();
      return [...pixel].map((sample) => Math.round(sample / 64));
    };
    await expect.poll(centre).toEqual([0, 4, 0]);
    // The magnifier shows the pixel under the pointer, although the canvas with overlays has the size of the box.
    await view.page.evaluate(() => {
      const viewer = document.querySelector('gearway-viewer')!;
      viewer.inspector = true;
      viewer.style.cssText = 'position: fixed; left: 0; top: 0; width: 600px; height: 240px; aspect-ratio: auto';
    });
    await view.where('element.pictureRect?.left === 140');
    const magnified = async (): Promise<number[]> => {
      await view.page.mouse.move(262, 92);
      const pixel = await view.page.evaluate(() => {
        const root = document.querySelector('gearway-viewer')!.shadowRoot!;
        const canvas = root.querySelector<HTMLCanvasElement>('canvas.magnifier');
        return [...(canvas?.getContext('2d')?.getImageData(4, 4, 1, 1).data.subarray(0, 3) ?? [])];
      });
      return pixel.map((sample) => Math.round(sample / 64));
    };
    await expect.poll(magnified).toEqual([0, 4, 0]);
    clearInterval(source);
  });

  it('shows the poster until the first picture', async () => {
    await using gateway = await start();
    await using view = await open(gateway);
    await view.becomes('waiting');
    await view.page.evaluate(
      () =>
        (document.querySelector('gearway-viewer')!.poster =
          'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" width="16" height="9"/>'),
    );
    await view.where("element.shadowRoot.querySelector('.poster img') !== null");
    gateway.stream.push(await jpeg());
    await view.where("element.state === 'live' && element.shadowRoot.querySelector('.poster') === null");
  });

  it('converts JavaScript values to Python types, and refuses values without one', async () => {
    await using gateway = await start();
    await using view = await open(gateway);
    await view.becomes('waiting');
    const returned = gateway.stream.returns();
    const next = async (): Promise<unknown> => ((await returned.next()).value as { data: unknown }).data;
    const send = (expression: string): Promise<string> =>
      view.page.evaluate(
        `document.querySelector('gearway-viewer').send(${expression}).then(() => '', (error) => error.code)`,
      ) as Promise<string>;
    for (const [expression, value] of [
      ['null', null],
      ['[true, 1, 1.5, "é", [], {}]', [true, 1, 1.5, 'é', [], {}]],
      ['{ a: NaN, b: -Infinity, c: undefined, d: [undefined] }', { a: NaN, b: -Infinity, d: [null] }],
      ['[2n ** 80n, -5n]', [2n ** 80n, -5n]],
      ['new Float32Array([1, 2.5])', { dtype: 'float32', shape: [2], data: Buffer.from('0000803f00002040', 'hex') }],
      [
        '{ shape: [2, 1], data: new BigInt64Array([1n, -1n]) }',
        { dtype: 'int64', shape: [2, 1], data: Buffer.from('0100000000000000ffffffffffffffff', 'hex') },
      ],
      [
        '{ dtype: "float16", shape: [2], data: new Uint8Array([0, 60, 0, 64]) }',
        { dtype: 'float16', shape: [2], data: Buffer.from('003c0040', 'hex') },
      ],
    ] as const) {
      expect(await send(expression), expression).toBe('');
      const data = await next();
      const plain =
        typeof data === 'object' && data !== null && 'dtype' in data
          ? { ...data, data: Buffer.from((data as unknown as { data: Uint8Array }).data) }
          : data;
      expect(plain, expression).toEqual(value);
    }
    const picture = await jpeg();
    expect(await send(`new Blob([new Uint8Array([${[...picture].join()}])])`)).toBe('');
    expect(Buffer.from((await next()) as Uint8Array).equals(picture)).toBe(true);
    for (const [expression, code] of [
      ['new Date()', 'value-invalid'],
      ['{ a: [() => 1] }', 'value-invalid'],
      ['(() => { const a = []; a.push(a); return a; })()', 'value-invalid'],
      ['new Blob(["no picture"])', 'jpeg-invalid'],
      ['{ dtype: "float32", shape: [2, 2], data: new Uint8Array(15) }', 'array-misfit'],
      ['{ shape: [-1], data: new Uint8Array(1) }', 'array-misfit'],
      ['{ dtype: "no such dtype at all", shape: [1], data: new Uint8Array(1) }', 'value-invalid'],
      ['1, { ttlMs: 0 }', 'value-invalid'],
      ['"x".repeat(1 << 20)', 'too-large'],
      ['new Uint8Array(8 << 20)', 'too-large'],
    ] as const) {
      expect(await send(expression), expression).toBe(code);
    }
    await view.page.evaluate(() => document.querySelector('gearway-viewer')!.remove());
  });

  it('expires return data after its time to live, and reports a refusal', async () => {
    await using gateway = await start();
    await using view = await open(gateway);
    await view.becomes('waiting');
    await view.page.evaluate(() => document.querySelector('gearway-viewer')!.setReturnData('drive', { ttlMs: 400 }));
    expect(gateway.stream.clients[0]!.returnData).toBe('drive');
    await sleep(500);
    expect(gateway.stream.clients[0]!.returnData).toBeNull();
    const code = await view.page.evaluate(async () => {
      const viewer = document.querySelector('gearway-viewer')!;
      const refused = new Promise<string>((resolve) =>
        viewer.addEventListener('gearway-return-refused', ({ detail }) => resolve(detail.code), { once: true }),
      );
      viewer.returnData = { shape: [3], data: new Uint8Array(2) };
      return refused;
    });
    expect(code).toBe('array-misfit');
  });

  it('returns a snapshot of the received bytes, and as PNG', async () => {
    await using gateway = await start();
    const picture = await jpeg();
    gateway.stream.push(picture, { message: { n: 7 } });
    await using view = await open(gateway);
    await view.where('element.stats.painted === 1');
    const snapshot = (
      form: 'png' | 'received',
    ): Promise<{ bytes: number[]; encoding: string; type: string; message: unknown; size: number[] }> =>
      view.page.evaluate(async (which) => {
        const { blob, encoding, message, width, height } = (await document
          .querySelector('gearway-viewer')!
          .snapshot(which))!;
        return {
          bytes: [...new Uint8Array(await blob.arrayBuffer())],
          encoding,
          type: blob.type,
          message,
          size: [width, height],
        };
      }, form);
    expect(await snapshot('received')).toEqual({
      bytes: [...picture],
      encoding: 'jpeg',
      type: 'image/jpeg',
      message: { n: 7 },
      size: [64, 48],
    });
    const png = await snapshot('png');
    expect({ ...png, bytes: png.bytes.slice(1, 4) }).toEqual({
      bytes: [0x50, 0x4e, 0x47],
      encoding: 'png',
      type: 'image/png',
      message: { n: 7 },
      size: [64, 48],
    });
  });

  it('places the picture according to fit, rotation and mirror, and zooms by wheel, drag and keys', async () => {
    await using gateway = await start();
    gateway.stream.push(await jpeg(640, 480));
    await using view = await open(gateway);
    await view.where("element.stats.painted === 1 && element.shadowRoot.querySelector('.controls') !== null");
    const look = (): Promise<{ matrix: number[]; width: number; height: number }> =>
      view.page.evaluate(() => {
        const canvas = document.querySelector('gearway-viewer')!.shadowRoot!.querySelector('canvas')!;
        const { a, b, c, d, e, f } = new DOMMatrix(getComputedStyle(canvas).transform);
        return {
          matrix: [a, b, c, d, e, f].map((number) => Math.round(number * 100) / 100 + 0),
          width: canvas.offsetWidth,
          height: canvas.offsetHeight,
        };
      });
    const becomes = (matrix: string): Promise<void> =>
      view.where(
        `getComputedStyle(element.shadowRoot.querySelector('canvas')).transform.startsWith('matrix(${matrix}')`,
      );
    expect(await look()).toEqual({ matrix: [1, 0, 0, 1, -320, -240], width: 640, height: 480 });
    await view.page.evaluate(() =>
      Object.assign(document.querySelector('gearway-viewer')!, { fit: 'cover', rotate: 90 }),
    );
    await becomes('0, 1.33');
    expect((await look()).matrix).toEqual([0, 1.33, -1.33, 0, -320, -240]);
    await view.page.evaluate(() =>
      Object.assign(document.querySelector('gearway-viewer')!, { fit: 'contain', rotate: 0, mirror: true }),
    );
    await becomes('-1, 0');
    expect((await look()).matrix.slice(0, 4)).toEqual([-1, 0, 0, 1]);
    await view.page.evaluate(() => (document.querySelector('gearway-viewer')!.mirror = false));
    await becomes('1, 0');

    // The wheel scrolls the page, or zooms around the pointer with Control; dragging moves a zoomed picture.
    await view.page.mouse.move(320, 240);
    await view.page.mouse.wheel({ deltaY: -200 });
    await sleep(200);
    expect((await look()).matrix[0]).toBe(1);
    await view.page.evaluate(() =>
      document.querySelector('gearway-viewer')!.shadowRoot!.querySelector<HTMLElement>('.stage')!.focus(),
    );
    for (let i = 0; i < 3; i += 1) await view.page.keyboard.press('+');
    expect((await look()).matrix).toEqual([1.95, 0, 0, 1.95, -320, -240]);
    await view.page.mouse.down();
    await view.page.mouse.move(380, 200, { steps: 4 });
    await view.page.mouse.up();
    expect((await look()).matrix).toEqual([1.95, 0, 0, 1.95, -260, -280]);
    await view.page.keyboard.press('ArrowRight');
    expect((await look()).matrix[4]).toBe(-300);
    await view.page.keyboard.press('0');
    expect((await look()).matrix).toEqual([1, 0, 0, 1, -320, -240]);
  });

  it('complies with a strict policy, on a page of another origin and on our own', async () => {
    let gatewayUrl = '';
    const page =
      (): string => `<!doctype html><title>t</title><meta http-equiv="content-security-policy" content="default-src 'none'; script-src ${gatewayUrl}; connect-src ${gatewayUrl} ${gatewayUrl.replace('http', 'ws')}; worker-src blob: ${gatewayUrl}">
      <script type="module" src="${gatewayUrl}/gearway-viewer.js"></script><gearway-viewer controls show-stats src="${gatewayUrl}/streams/main"></gearway-viewer>`;
    await using site = await Site.serve(page);
    await using gateway = await start({ allowOrigins: [site.origin] });
    gatewayUrl = gateway.url;
    gateway.stream.push(await jpeg());
    await using view = await ViewerPage.open(browser, site.origin, () => {
      const violated: string[] = [];
      Object.assign(globalThis, { violated });
      document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
        // Browsers request it automatically.
        if (!blockedURI.endsWith('/favicon.ico')) violated.push(`${violatedDirective} ${blockedURI}`);
      });
    });
    await view.where(
      "element.stats?.painted === 1 && element.shadowRoot.querySelector('.controls') !== null && element.shadowRoot.querySelector('.stats') !== null",
    );
    expect(await view.page.evaluate(() => (globalThis as unknown as { violated: string[] }).violated)).toEqual([]);
    expect(await view.place).toBe('worker');
    // Our own pages need no blob.
    await using own = await open(gateway);
    await own.where('element.stats.painted === 1');
    expect(await own.place).toBe('worker');
  });

  it('reports the option that a page of an unlisted origin needs', async () => {
    await using gateway = await start();
    await using site = await Site.serve(
      () =>
        `<script type="module" src="${gateway.url}/gearway-viewer.js"></script><gearway-viewer src="${gateway.url}/streams/main"></gearway-viewer>`,
    );
    await using view = await ViewerPage.open(browser, site.origin);
    await view.where(`element.reason?.includes('--allow-origin ${site.origin}')`);
  });

  it('leaves no globals, and reconnects immediately when the network is back', async () => {
    const gateway = await start();
    const { port } = new URL(gateway.url);
    await using view = await open(gateway);
    await view.becomes('waiting');
    const added = await view.page.evaluate(() => {
      const frame = document.createElement('iframe');
      document.body.append(frame);
      const pristine = new Set(Object.getOwnPropertyNames(frame.contentWindow!));
      frame.remove();
      return Object.getOwnPropertyNames(globalThis).filter((key) => !pristine.has(key));
    });
    // Globals of Lit, the page and the test driver.
    expect(added.filter((key) => !/^(?:lit[A-Z]\w+|reactiveElementVersions|\d+|__|puppeteer|cdc_)/.test(key))).toEqual(
      [],
    );
    await gateway.close();
    await view.becomes('connecting');
    await sleep(4000);
    await using again = await start({ port: Number(port) });
    const tookMs = await view.page.evaluate(async () => {
      const viewer = document.querySelector('gearway-viewer') as GearwayViewer;
      const startMs = performance.now();
      const opened = new Promise((resolve) => viewer.addEventListener('gearway-open', resolve, { once: true }));
      dispatchEvent(new Event('online'));
      await opened;
      return performance.now() - startMs;
    });
    // Firefox delays further connections to an address that has just failed.
    expect(tookMs).toBeLessThan(TESTED_BROWSER === 'firefox' ? 2000 : 300);
    expect(again.stream.clients).toHaveLength(1);
  });
});
