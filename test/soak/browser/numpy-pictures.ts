import type { Browser } from 'puppeteer-core';
import sharp from 'sharp';
import { expect } from 'vitest';
import type { ArrayStyleTexts } from '../../../shared/arrays/array-style.ts';
import type { GearwayViewer } from '../../../web/viewer/gearway-viewer.ts';
import { difference, JPEG_MEAN, mjpegPicture } from '../../browser/picture-checks.ts';
import { ViewerPage } from '../../browser/viewer-page.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { LocalGateway } from '../../helpers/local-gateway.ts';
import { PythonPeer } from '../../helpers/peers.ts';

/** NumPy's results for one array. */
interface Expected {
  readonly case: string;
  readonly shape: readonly number[];
  /** float64, as base64. */
  readonly values: string;
  readonly shown: readonly { readonly rgba: string; readonly low: number; readonly high: number }[];
}

const SPECIAL_COLORS = { nanColor: '#ff00ff', belowColor: '#0000ff', aboveColor: '#ff0000' } as const;

/** Colormaps with an automatic range, with the range of the type, and with given ranges. */
const STYLES: readonly ArrayStyleTexts[] = [
  {},
  ...['turbo', 'viridis', 'inferno', 'magma', 'jet', '#000000,#ff8000,#ffffff', '#123456,#fedcba'].map((colormap) => ({
    colormap,
    range: 'auto',
  })),
  ...['gray', 'turbo', 'jet'].map((colormap) => ({ colormap, range: 'type', noData: 'none' })),
  { colormap: 'viridis', range: '400,4000', ...SPECIAL_COLORS },
  { colormap: 'inferno', range: '-0.5,5.5', invert: true, noData: '0', ...SPECIAL_COLORS },
];

/**
 * Python expressions. Consecutive arrays differ in type: within one type, the automatic range follows the next array only gradually.
 */
const ARRAYS: readonly string[] = [
  'depth()',
  'ramp(np.uint8, 20, 180)',
  'np.zeros((48, 64), np.uint16)',
  'ramp(np.int16, -2000, 5000)',
  'np.full((48, 64), 1234, np.uint16)',
  'ramp(np.int32, -70_000, 900_000)',
  'special(np.float32)',
  'ramp(np.uint16, 0, 60_000).astype(">u2")',
  'special(np.float64)',
  'np.full((48, 64), np.nan, np.float32)',
  'ramp(np.int32, 10**9, 10**9 + 1000).reshape(48, 64, 1)',
  'np.full((48, 64), 0.5, np.float32)',
  'np.zeros((48, 64), np.float64)',
  'depth(200, 301)',
];

/** Number of inspected pixels per array. */
const INSPECTED = 80;

const COLOR_STYLES: readonly ArrayStyleTexts[] = [
  {},
  { channelOrder: 'rgb' },
  { range: '50,200', invert: true },
  { range: 'auto', channelOrder: 'rgb' },
];

const COLORS = 'np.random.default_rng(3).integers(0, 256, (48, 64, 4), dtype=np.uint8)';
const COLOR_ARRAYS: readonly string[] = [
  `${COLORS}[:, :, :3].copy()`,
  COLORS,
  `${COLORS}[:, :, :3].astype(np.uint16) * 257`,
];

/** RGBA of a viewer's snapshot with a style, and the range that it reports. */
async function viewerPixels(
  page: ViewerPage,
  style: ArrayStyleTexts,
): Promise<{ rgba: Buffer; low: number; high: number }> {
  const { rgba, low, high } = await page.page.evaluate(async (texts) => {
    const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
    const defaults = {
      range: '',
      colormap: '',
      invert: false,
      noData: '',
      nanColor: '',
      belowColor: '',
      aboveColor: '',
      channelOrder: 'bgr',
    };
    Object.assign(viewer, defaults, texts);
    await viewer.updateComplete;
    const { blob, width, height } = (await viewer.snapshot())!;
    const context = new OffscreenCanvas(width, height).getContext('2d')!;
    context.drawImage(await createImageBitmap(blob, { colorSpaceConversion: 'none' }), 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return {
      rgba: btoa(Array.from(data, (value) => String.fromCharCode(value)).join('')),
      low: viewer.shownArray!.low,
      high: viewer.shownArray!.high,
    };
  }, style);
  return { rgba: Buffer.from(rgba, 'base64'), low, high };
}

/** Random pixels for which the viewer's inspector shows values that differ from NumPy's. */
async function wronglyInspected(page: ViewerPage, { case: name, shape, values }: Expected): Promise<string[]> {
  const [height = 0, width = 0, channels = 1] = shape;
  const bytes = Buffer.from(values, 'base64');
  const points = Array.from({ length: INSPECTED }, () => ({
    x: Math.floor(Math.random() * width),
    y: Math.floor(Math.random() * height),
  }));
  // Values are returned as text, because NaN and infinities cannot be returned from a page.
  const found = await page.page.evaluate(async (pixels) => {
    const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
    return Promise.all(pixels.map(async ({ x, y }) => (await viewer.inspectPixel(x, y))?.values.map(String).join()));
  }, points);
  return points.flatMap(({ x, y }, index) => {
    const sample = (y * width + x) * channels;
    const expected = Array.from({ length: channels }, (_, at) => String(bytes.readDoubleLE((sample + at) * 8))).join();
    return found[index] === expected ? [] : [`${name} at ${x}, ${y} is ${found[index]}, expected ${expected}`];
  });
}

/** Waits until the canvas has these RGBA pixels: drawings of a worker are presented slightly later. */
async function canvasBecomes(page: ViewerPage, [height, width]: readonly number[], rgba: string): Promise<void> {
  await page.page.waitForFunction(
    (columns: number, rows: number, expected: string) => {
      const context = new OffscreenCanvas(columns, rows).getContext('2d')!;
      context.drawImage(document.querySelector('gearway-viewer')!.shadowRoot!.querySelector('canvas')!, 0, 0);
      return (
        btoa(
          Array.from(context.getImageData(0, 0, columns, rows).data, (value) => String.fromCharCode(value)).join(''),
        ) === expected
      );
    },
    {},
    width!,
    height!,
    rgba,
  );
}

const queryOf = (style: ArrayStyleTexts): string =>
  new URLSearchParams(Object.entries(style).map(([name, value]) => [name, String(value)])).toString();

/** RGBA of a picture rendered by the gateway. */
async function gatewayPixels(url: string, style: ArrayStyleTexts): Promise<Buffer> {
  const response = await fetch(`${url}/streams/main/snapshot.png?${queryOf(style)}`);
  if (!response.ok) throw new Error(await response.text());
  return sharp(Buffer.from(await response.arrayBuffer()))
    .toColourspace('srgb')
    .ensureAlpha()
    .raw({ depth: 'uchar' })
    .toBuffer();
}

/** Name, whether the viewer draws on the main thread, arrays, and styles. */
export const CASES = [
  ['in the worker, integers', false, ARRAYS.slice(0, 6), STYLES],
  ['in the worker, floats and others', false, ARRAYS.slice(6), STYLES],
  ['in the worker, colours', false, COLOR_ARRAYS, COLOR_STYLES],
  ['on the main thread', true, ARRAYS.slice(5, 8), STYLES.slice(0, 3)],
] as const;

/** Arrays, and the styles in which a viewer shows them. */
export interface PictureCases {
  readonly arrays: readonly string[];
  readonly styles: readonly ArrayStyleTexts[];
  /** Whether the viewer draws on the main thread. */
  readonly isMain?: boolean;
  /** The renderer that must compute the pixels. */
  readonly renderer: 'webgl2' | 'cpu';
  /** Runs in the page before any of its scripts. */
  readonly prepare?: () => void;
}

/**
 * Compares the pixels of arrays that a real NetGear server sends with those that NumPy computes. PNG, MJPEG, and the
 * values in the inspector do not depend on the viewer's renderer, so they are compared only for `cpu`.
 */
export async function comparePictures(
  browser: Browser,
  { arrays, styles, isMain = false, renderer, prepare }: PictureCases,
): Promise<void> {
  const [source] = (await freePorts(1)) as [number];
  await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
  const url = gateway.url;
  await using server = new PythonPeer('colored_arrays.py', { port: source });
  await using page = await ViewerPage.ofGateway(browser, gateway, '?stream=main', prepare);
  await page.page.evaluate((noWorker) => {
    const viewer = document.querySelector<GearwayViewer>('gearway-viewer')!;
    viewer.addEventListener('gearway-frame', ({ detail }) => {
      document.body.dataset['case'] = String((detail.message as { case?: string } | null)?.case);
    });
    viewer.noWorker = noWorker;
    viewer.raw = true;
    // On a busy machine, the viewer must not detect a slow link, over which 8-bit arrays are sent as JPEGs.
    viewer.quality = 'source';
  }, isMain);
  const problems: string[] = [];
  let checked = 0;
  for (const [number, array] of arrays.entries()) {
    const name = `${number} ${array}`;
    server.stdin.write(`${JSON.stringify({ case: name, array, styles })}\n`);
    const expected = await server.waitFor<Expected>('case', (event) => event.case === name);
    // The first frames of an 8-bit array may still be JPEGs.
    await page.page.waitForFunction(
      `document.body.dataset.case === ${JSON.stringify(name)} && document.querySelector('gearway-viewer').shownArray !== null`,
    );
    if (renderer === 'cpu') problems.push(...(await wronglyInspected(page, expected)));
    expect(await page.page.evaluate(`document.querySelector('gearway-viewer').shownArray.renderer`)).toBe(renderer);
    for (const [at, style] of styles.entries()) {
      const { rgba, low, high } = expected.shown[at]!;
      const pixels = Buffer.from(rgba, 'base64');
      const check = (what: string, shown: Buffer): void => {
        const { most } = difference(shown, pixels);
        if (most > 0) problems.push(`${what} of ${name} with ${JSON.stringify(style)} differs by ${most}`);
        checked += 1;
      };
      // Without a style, a PNG contains the unmodified samples.
      const isStyled = renderer === 'cpu' && Object.keys(style).length > 0;
      const [viewer, png] = await Promise.all([viewerPixels(page, style), isStyled ? gatewayPixels(url, style) : null]);
      check('snapshot', viewer.rgba);
      if (png !== null) check('PNG', png);
      if (Math.abs(viewer.low - low) > 1e-9 || Math.abs(viewer.high - high) > 1e-9)
        problems.push(`${name}: range ${viewer.low} to ${viewer.high}, expected ${low} to ${high}`);
      if (at === 1) await canvasBecomes(page, expected.shape, rgba);
    }
  }
  expect(problems).toEqual([]);
  if (renderer === 'webgl2') {
    expect(checked).toBe(arrays.length * styles.length);
    return;
  }
  expect(checked).toBe(arrays.length * (2 * styles.length - 1));
  const last = `${arrays.length} depth()`;
  const style: ArrayStyleTexts = { colormap: 'viridis', range: '300,5500' };
  server.stdin.write(
    `${JSON.stringify({ case: last, array: 'np.sort(depth(), axis=None).reshape(48, 64)', styles: [style] })}\n`,
  );
  const { shown } = await server.waitFor<Expected>('case', (event) => event.case === last);
  await page.page.waitForFunction(`document.body.dataset.case === ${JSON.stringify(last)}`);
  const mjpeg = await sharp(await mjpegPicture(`${url}/`, queryOf(style)))
    .ensureAlpha()
    .raw()
    .toBuffer();
  // JPEG has no transparency.
  const onBlack = Buffer.from(shown[0]!.rgba, 'base64').map((value, byte) => (byte % 4 === 3 ? 255 : value));
  expect(difference(mjpeg, Buffer.from(onBlack)).mean).toBeLessThan(JPEG_MEAN);
}
