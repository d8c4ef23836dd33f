/**
 * Records the pictures of README.md, docs/console.md, docs/overlays.md, docs/arrays.md and docs/control.md: the
 * console, and examples/python. Each picture is recorded in the size of a desktop and of a phone, in the light and in
 * the dark theme.
 *
 * Usage: npm run pictures [-- NAME …]
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import sharp from 'sharp';
import { PythonExample } from '../browser/python-example.ts';
import { launchBrowser } from '../helpers/browsers.ts';
import { ROOT } from '../helpers/example-lines.ts';
import type { ViewerPage } from '../browser/viewer-page.ts';
import { ConsoleScene } from './console-scene.ts';

const STYLE = `
  :root { color-scheme: light dark; --gearway-accent: light-dark(#0b6bcb, #4db8ff);
    --gearway-on-accent: light-dark(#fff, #04121d); font: 1rem/1.5 system-ui, sans-serif }
  body { display: grid; gap: 16px; justify-items: start; margin: 0; padding: 16px }
  gearway-viewer { width: 100%; aspect-ratio: 4 / 3; border-radius: 12px }`;

/** Widths of the window, by the end of the file's name. */
const WIDTHS = { desktop: 720, phone: 390 };

/** A running page with one viewer. */
interface Scene extends AsyncDisposable {
  readonly view: ViewerPage;
}

/** A picture: the page, and what a user does in it. */
interface Picture {
  readonly open: (browser: Browser) => Promise<Scene>;
  /** Height of the window of a desktop and a phone; default: that of the page. */
  readonly heights?: Readonly<Record<keyof typeof WIDTHS, number>>;
  /** Width of the window of a desktop, if the page requires another width. */
  readonly desktopWidth?: number;
  /** Called for each size. */
  readonly use?: (page: Page) => Promise<void>;
  /** Expression over the `message` of the frame that is recorded. */
  readonly frame?: string;
}

const example =
  (name: string) =>
  (browser: Browser): Promise<Scene> =>
    PythonExample.open(browser, name, STYLE);

/** Time until the plots of the console show a trend. */
const TREND_MS = 15_000;

const DEVICES = [
  { kind: 'latency' },
  { kind: 'slider', name: 'speed', label: 'Speed', min: 0, max: 1, initial: 0.3 },
  { kind: 'joystick', name: 'stick' },
  { kind: 'pointer', name: 'goal', label: 'Set a goal' },
  { kind: 'stop' },
];

const PICTURES: Readonly<Record<string, Picture>> = {
  console: {
    open: (browser) => ConsoleScene.withClients(browser),
    desktopWidth: 1440,
    heights: { desktop: 1010, phone: 844 },
    async use(page) {
      await page.locator('.composer .hold').click();
      await page.waitForSelector('.held');
      await page.evaluate(() => (document.activeElement as HTMLElement).blur());
      await new Promise((resolve) => setTimeout(resolve, TREND_MS));
    },
  },
  'console-devices': {
    open: (browser) => ConsoleScene.withDevices(browser, DEVICES),
    desktopWidth: 1280,
    heights: { desktop: 800, phone: 844 },
    use: drive,
  },
  // All vehicles are in the picture.
  detector: {
    open: example('detector.py'),
    frame: 'message.overlay.length === 4 && message.overlay.every(({ score }) => score > 0.9)',
  },
  'depth-camera': {
    open: example('depth_camera.py'),
    async use(page) {
      const distance = 'gearway-viewer >>> .inspector button[aria-keyshortcuts=D]';
      // The inspector offers distances once it has read a pixel of a frame with intrinsics.
      const at = await clientAt(page, 60, 60);
      await page.mouse.move(at.x, at.y);
      await page.waitForSelector(distance);
      await page.click(distance);
      await dragOnPicture(page, [60, 60], [262, 196]);
    },
    // The ball is near.
    frame: 'message.nearest < 2000',
  },
  dashboard: {
    open: example('driven_robot.py'),
    desktopWidth: 1136,
    use: drive,
  },
  'click-to-label': {
    open: example('click_to_label.py'),
    async use(page) {
      await usable(page, 'gearway-pointer');
      await dragOnPicture(page, [424, 97], [502, 158]);
      await dragOnPicture(page, [222, 332], [300, 374]);
      await page.click('[name=nut] >>> button');
      await clickOnPicture(page, 364, 151);
      await page.click('[name=screw] >>> button');
      await frameWhere(page, 'message.overlay.length >= 3');
      await dragOnPicture(page, [500, 222], [580, 272], false);
    },
  },
};

/** Waits until the message of the frame on screen fulfils an expression over `message`. */
async function frameWhere(page: Page, expression: string): Promise<void> {
  await page.evaluate(`new Promise((resolve) => {
    const viewer = document.querySelector('gearway-viewer');
    const check = ({ detail: { message } }) => {
      if (!(${expression})) return;
      viewer.removeEventListener('gearway-frame', check);
      resolve();
    };
    viewer.addEventListener('gearway-frame', check);
  })`);
}

/** Sets a goal, and drives until the heading of the robot is about 310°. */
async function drive(page: Page): Promise<void> {
  await usable(page, 'gearway-joystick');
  await page.click('gearway-pointer >>> button');
  await clickOnPicture(page, 470, 110);
  await hold(page, 'gearway-joystick', 14, -40);
  await frameWhere(page, 'message.pose.heading > 290 && message.pose.heading < 330');
}

async function usable(page: Page, selector: string): Promise<void> {
  await page.waitForFunction(`document.querySelector(${JSON.stringify(selector)})?.isUsable`);
}

async function clientAt(page: Page, x: number, y: number): Promise<{ x: number; y: number }> {
  await page.waitForFunction(`document.querySelector('gearway-viewer').toClient(0, 0) !== null`);
  return page.evaluate((pixelX, pixelY) => document.querySelector('gearway-viewer')!.toClient(pixelX, pixelY)!, x, y);
}

async function clickOnPicture(page: Page, x: number, y: number): Promise<void> {
  const at = await clientAt(page, x, y);
  await page.mouse.click(at.x, at.y);
}

/** @param isReleased whether the button is released at the end. */
async function dragOnPicture(
  page: Page,
  from: readonly [number, number],
  to: readonly [number, number],
  isReleased = true,
): Promise<void> {
  const [start, end] = [await clientAt(page, ...from), await clientAt(page, ...to)];
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move(end.x, end.y, { steps: 4 });
  if (isReleased) await page.mouse.up();
}

/** Presses the button on the centre of an element, and moves the pointer. */
async function hold(page: Page, selector: string, right: number, down: number): Promise<void> {
  const { x, y, width, height } = (await (await page.$(selector))!.boundingBox())!;
  const centre = { x: x + width / 2, y: y + height / 2 };
  await page.mouse.move(centre.x, centre.y);
  await page.mouse.down();
  await page.mouse.move(centre.x + right, centre.y + down);
}

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(PICTURES, name));
if (unknown.length > 0)
  throw new Error(`there is no picture ${unknown.join()}, expected ${Object.keys(PICTURES).join()}`);

await using browser = await launchBrowser('chromium');
for (const [name, { open, desktopWidth, heights, use, frame }] of Object.entries(PICTURES)) {
  if (names.length > 0 && !names.includes(name)) continue;
  for (const [size, width] of Object.entries(WIDTHS) as [keyof typeof WIDTHS, number][]) {
    await using running = await open(browser);
    const { page } = running.view;
    const viewport = {
      width: size === 'desktop' ? (desktopWidth ?? width) : width,
      height: 600,
      deviceScaleFactor: size === 'phone' ? 1.5 : 1,
    };
    await page.setViewport(viewport);
    const height = heights?.[size] ?? (await page.evaluate('document.documentElement.getBoundingClientRect().height'));
    await page.setViewport({ ...viewport, height: Math.ceil(height as number) });
    await page.bringToFront();
    await use?.(page);
    for (const theme of ['light', 'dark']) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      await page.evaluate(`new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))`);
      await running.view.becomes('live');
      await frameWhere(page, frame ?? 'true');
      const file = join(ROOT, 'docs/images', `${name}-${size}-${theme}.webp`);
      const webp = await sharp(await page.screenshot())
        .webp({ quality: 86, smartSubsample: true })
        .toBuffer();
      await writeFile(file, webp);
      console.log(`${file}: ${webp.byteLength} bytes`);
    }
    await page.mouse.reset();
  }
}
