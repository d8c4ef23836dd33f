import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway } from '../../../../gateway/create-gateway.ts';
import { ArrayRenderer } from '../../../../shared/arrays/array-renderer.ts';
import { type ArrayStyleTexts, parseArrayStyle } from '../../../../shared/arrays/array-style.ts';
import { arrayBytes } from '../../../../shared/ndarray.ts';
import type { ArrayDecoder } from '../../../../web/viewer/arrays/array-decoder.ts';
import { useEmulatedGpu } from '../../../browser/emulated-gpu.ts';
import { ViewerPage } from '../../../browser/viewer-page.ts';
import { launchBrowser, TESTED_BROWSER } from '../../../helpers/browsers.ts';
import { openWindow } from '../../../helpers/windows.ts';
import { CASES, comparePictures } from '../numpy-pictures.ts';

const DTYPES = [
  'bool',
  'uint8',
  'int8',
  ...['u2', 'i2', 'f2', 'u4', 'i4', 'f4', 'u8', 'i8', 'f8'].flatMap((code) => [code, `>${code}`]),
];

const SPECIAL_COLORS = { nanColor: '#ff00ff', belowColor: '#0000ff', aboveColor: '#ff000080' };

interface Drawn {
  /** Samples as Base64. */
  readonly rgba: string;
  readonly renderer: 'webgl2' | 'cpu';
}

/** A page with a decoder of arrays, and the functions that tests call in it. */
interface DecoderPage {
  readonly ArrayDecoder: typeof ArrayDecoder;
  decoder: ArrayDecoder;
  shownWith: 'webgl2' | 'cpu';
  contexts: WebGL2RenderingContext[];
  draw(dtype: string, shape: readonly number[], payload: string): Promise<Drawn>;
}

/** Opens a page that decodes arrays on its main thread. */
async function openDecoder(browser: Browser, url: string): Promise<Page> {
  const page = await openWindow(browser, `${url}viewer?stream=none`, useEmulatedGpu);
  // As text, because Vitest replaces `import()` in functions.
  await page.evaluate(
    `import(new URL('gearway-arrays.js', location.href).href).then((module) => void Object.assign(globalThis, module))`,
  );
  await page.evaluate(() => {
    const here = globalThis as unknown as DecoderPage;
    here.contexts = [];
    const { prototype } = OffscreenCanvas;
    const original = Reflect.get(prototype, 'getContext') as (...args: unknown[]) => unknown;
    prototype.getContext = function getContext(this: OffscreenCanvas, ...args: unknown[]) {
      const context = original.apply(this, args);
      if (context instanceof WebGL2RenderingContext) here.contexts.push(context);
      return context;
    } as typeof prototype.getContext;
    here.decoder = new here.ArrayDecoder(({ renderer }) => {
      here.shownWith = renderer;
    });
    here.draw = async (dtype, shape, payload) => {
      const [height = 0, width = 0] = shape;
      // The bytes of a frame begin anywhere in a message.
      const message = Uint8Array.from(`.${atob(payload)}`, (character) => character.charCodeAt(0));
      const picture = await here.decoder.decode({
        type: 'frame',
        sequence: 1,
        receivedAtUs: 0,
        width,
        height,
        encoding: { kind: 'raw', dtype, shape },
        message: null,
        payload: message.subarray(1),
      });
      const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
      if (picture.source instanceof ImageData) context.putImageData(picture.source, 0, 0);
      else context.drawImage(picture.source, 0, 0);
      picture.close();
      const { data } = context.getImageData(0, 0, width, height);
      return {
        rgba: btoa(Array.from(data, (value) => String.fromCharCode(value)).join('')),
        renderer: here.shownWith,
      };
    };
  });
  return page;
}

/** Draws an array in the page. */
const drawIn = (page: Page, dtype: string, shape: readonly number[], payload: Uint8Array): Promise<Drawn> =>
  page.evaluate(
    (...args) => (globalThis as unknown as DecoderPage).draw(...args),
    dtype,
    shape,
    Buffer.from(payload).toString('base64'),
  );

/** All kinds of values, including NaN and infinities of floats, and zeros. */
function samplesOf(dtype: string, shape: readonly number[]): Uint8Array {
  const bytes = arrayBytes(dtype, shape);
  return Uint8Array.from({ length: bytes }, (_, at) => (at < bytes / 8 ? 0 : Math.imul(at + 1, 2_654_435_761) >>> 24));
}

function pixelsOf(dtype: string, shape: readonly number[], payload: Uint8Array, style: ArrayStyleTexts): Buffer {
  const [height = 0, width = 0] = shape;
  const renderer = new ArrayRenderer(parseArrayStyle(style));
  renderer.prepare({ encoding: { kind: 'raw', dtype, shape }, width, height, payload });
  const pixels = new Uint32Array(width * height);
  renderer.render(0, pixels.length, pixels);
  return Buffer.from(pixels.buffer);
}

/** The largest difference of two pictures as they look on black and on white. */
function visibleDifference(some: Buffer, others: Buffer): number {
  let most = some.length === others.length ? 0 : 255;
  for (let at = 0; at < some.length; at += 1) {
    const alphaAt = at | 3;
    if (at === alphaAt) continue;
    const [alpha, otherAlpha] = [some[alphaAt]! / 255, others[alphaAt]! / 255];
    const onBlack = Math.abs(some[at]! * alpha - others[at]! * otherAlpha);
    const onWhite = Math.abs(some[at]! * alpha + 255 * (otherAlpha - alpha) - others[at]! * otherAlpha);
    most = Math.max(most, onBlack, onWhite);
  }
  return most;
}

describe('arrays of a real NetGear server, drawn with WebGL2', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(TESTED_BROWSER, { gpu: 'emulated' });
  });
  afterAll(async () => {
    await browser.close();
  });

  it.each(CASES)('have the pixels that NumPy computes, %s', async (_name, isMain, arrays, styles) => {
    await comparePictures(browser, { arrays, styles, isMain, renderer: 'webgl2', prepare: useEmulatedGpu });
  });
});

describe('arrays drawn with WebGL2', () => {
  let browser: Browser;
  let gateway: Awaited<ReturnType<typeof createGateway>>;
  let page: Page;
  let url: string;
  beforeAll(async () => {
    browser = await launchBrowser(TESTED_BROWSER, { gpu: 'emulated' });
    gateway = await createGateway({ port: 0, source: 'push:' });
    ({ url } = await gateway.listen());
    page = await openDecoder(browser, url);
  });
  afterAll(async () => {
    await browser.close();
    await gateway.close();
  });

  it('have the pixels of the CPU path, for every type, byte order, number of channels and size', async () => {
    const problems: string[] = [];
    let compared = 0;
    for (const dtype of DTYPES)
      for (const channels of [1, 3, 4])
        for (const style of [
          { colormap: 'turbo', noData: '0', ...SPECIAL_COLORS },
          { range: '-3,200', invert: true, channelOrder: 'rgb' },
        ]) {
          const shape = [7 + (compared % 3), 11 + (compared % 5), channels];
          const payload = samplesOf(dtype, shape);
          await page.evaluate(
            (texts) => (globalThis as unknown as DecoderPage).decoder.setStyle(texts),
            style as ArrayStyleTexts,
          );
          await page.evaluate(() => (globalThis as unknown as DecoderPage).decoder.reset());
          const { rgba, renderer } = await drawIn(page, dtype, shape, payload);
          const most = visibleDifference(Buffer.from(rgba, 'base64'), pixelsOf(dtype, shape, payload, style));
          const isOpaque = channels > 1 || !('aboveColor' in style);
          if (most > (isOpaque ? 0 : 1) || renderer !== 'webgl2')
            problems.push(`${dtype} ${shape.join('×')} with ${JSON.stringify(style)}: ${most}, ${renderer}`);
          compared += 1;
        }
    expect(problems).toEqual([]);
    expect(compared).toBe(DTYPES.length * 3 * 2);
  });

  it('are drawn by the CPU while the context is lost, and for pictures larger than the textures of the GPU', async () => {
    const shape = [6, 8, 1];
    const payload = samplesOf('float32', shape);
    const style = { colormap: 'viridis', range: '0,1', nanColor: '#000' };
    const expected = pixelsOf('float32', shape, payload, style).toString('base64');
    await page.evaluate((texts) => (globalThis as unknown as DecoderPage).decoder.setStyle(texts), style);
    expect(await drawIn(page, 'float32', shape, payload)).toEqual({ rgba: expected, renderer: 'webgl2' });
    await page.evaluate(async () => {
      const [context] = (globalThis as unknown as DecoderPage).contexts;
      const extension = context!.getExtension('WEBGL_lose_context')!;
      const event = (name: string): Promise<unknown> =>
        new Promise((resolve) => context!.canvas.addEventListener(name, resolve, { once: true }));
      const lost = event('webglcontextlost');
      extension.loseContext();
      await lost;
      Object.assign(globalThis, { restore: () => extension.restoreContext(), restored: event('webglcontextrestored') });
    });
    expect(await drawIn(page, 'float32', shape, payload)).toEqual({ rgba: expected, renderer: 'cpu' });
    await page.evaluate('restore(); restored');
    expect(await drawIn(page, 'float32', shape, payload)).toEqual({ rgba: expected, renderer: 'webgl2' });
    // Wider than any texture.
    const wide = [1, 40_000, 1];
    const { renderer } = await drawIn(page, 'uint8', wide, samplesOf('uint8', wide));
    expect(renderer).toBe('cpu');
    expect(await drawIn(page, 'float32', shape, payload)).toEqual({ rgba: expected, renderer: 'webgl2' });
  });

  it('replace the previous picture, also where they are transparent', async () => {
    await using viewer = await ViewerPage.open(browser, `${url}viewer?stream=main`, useEmulatedGpu);
    const show = async (value: number): Promise<readonly number[]> => {
      const samples = new Uint16Array(64 * 48).fill(value);
      gateway.stream.push({ dtype: 'uint16', shape: [48, 64], data: new Uint8Array(samples.buffer) });
      await viewer.where(`element.stats.painted > ${(await viewer.stats).painted}`);
      expect(await viewer.page.evaluate(`document.querySelector('gearway-viewer').shownArray.renderer`)).toBe('webgl2');
      return viewer.page.evaluate(async () => {
        const { blob } = (await document.querySelector('gearway-viewer')!.snapshot())!;
        const context = new OffscreenCanvas(1, 1).getContext('2d')!;
        context.drawImage(await createImageBitmap(blob), 0, 0);
        return [...context.getImageData(0, 0, 1, 1).data];
      });
    };
    await viewer.page.evaluate(() => {
      document.querySelector('gearway-viewer')!.range = '0,100';
    });
    expect(await show(100)).toEqual([255, 255, 255, 255]);
    expect(await show(0)).toEqual([0, 0, 0, 0]);
  });
});
