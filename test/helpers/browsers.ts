import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import puppeteer, { type Browser } from 'puppeteer-core';
import { Child } from './child.ts';
import { peers } from './peers.ts';
import { closeWindows } from './windows.ts';

type BrowserName = 'chromium' | 'firefox';

/** Browser of the tests in test/browser/each: `npm test` runs them in Chromium, `npm run test:soak` in Firefox. */
export const TESTED_BROWSER = (process.env['GEARWAY_TEST_BROWSER'] ?? 'chromium') as BrowserName;

export const WINDOW = { width: 640, height: 480 } as const;

/**
 * Features that are disabled in Chromium. PMProcessPriorityPolicy: the processes of all windows but one have a lower
 * priority (nice 5) than everything else on the machine. WebUIOmnibox…: each window loads two pages for its address
 * bar, which take 0.4 s of processor time, more than most pages of the tests.
 */
const DISABLED_FEATURES = ['PMProcessPriorityPolicy', 'WebUIOmniboxPopup', 'WebUIOmniboxAimPopup'];

const CHROMIUM_FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // With this option, a window behind another one counts as visible.
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  '--disable-background-timer-throttling',
  `--disable-features=${DISABLED_FEATURES.join()}`,
];

export interface BrowserOptions {
  /**
   * The browser's own fake camera, which every page may open. That of Chromium can play a Y4M or MJPEG file in a loop.
   * By default there is no camera, and no permission for one.
   */
  readonly camera?: 'fake' | `${string}.${'y4m' | 'mjpeg'}`;
  /** Frames per second of Chromium's fake camera; default 30. */
  readonly cameraFps?: number;
  /**
   * `emulated`: WebGL, computed by SwiftShader in Chromium and by Mesa in Firefox, which needs a display for it.
   * Default: no WebGL in Firefox, and in Chromium the WebGL of this machine, if any.
   */
  readonly gpu?: 'emulated';
  readonly flags?: readonly string[];
  /** Further environment variables of the browser. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the browser trusts self-signed certificates. */
  readonly acceptsAnyCertificate?: boolean;
}

/**
 * A real browser without a screen: Chromium over CDP, Firefox over WebDriver BiDi. Each page needs a separate window,
 * `newPage({ type: 'window' })`: a page in a background tab counts as hidden.
 */
export async function launchBrowser(
  name: BrowserName,
  options: BrowserOptions = {},
): Promise<Browser & AsyncDisposable> {
  const display = name === 'firefox' && options.gpu === 'emulated' ? await Display.open() : null;
  const browser = await launch(name, { ...options, env: { ...options.env, ...display?.env } });
  const closeBrowser = browser.close.bind(browser);
  const close = async (): Promise<void> => {
    await closeBrowser();
    await display?.[Symbol.asyncDispose]();
  };
  return Object.assign(browser, { close, [Symbol.asyncDispose]: close });
}

/** A display without a screen, on which OpenGL is emulated. */
class Display implements AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  readonly #server: Child;

  private constructor(server: Child, number: string) {
    this.#server = server;
    this.env = { DISPLAY: `:${number}`, LIBGL_ALWAYS_SOFTWARE: '1' };
  }

  static async open(): Promise<Display> {
    // It chooses a free number, and prints it.
    const server = new Child(peers().xvfb, ['-displayfd', '1']);
    const number = await server.stdout.waitFor('the number of the display', (line) => /^\d+$/.exec(line)?.[0]);
    return new Display(server, number);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}

/** Frames per second of the fake camera of a shared browser: encoding them takes most of the time of a publisher. */
export const SHARED_CAMERA_FPS = 10;

const sharedBrowsers = new Map<string, Promise<Browser & AsyncDisposable>>();

/**
 * The browser of this worker, which its files use one after another, because launching one takes most of a second of
 * processor time. Closing it closes its windows; it ends with the worker.
 *
 * @param camera as {@link BrowserOptions.camera}; each kind is a separate browser.
 */
export async function sharedBrowser(
  name: BrowserName,
  { camera }: { readonly camera?: 'fake' } = {},
): Promise<Browser & AsyncDisposable> {
  const kind = `${name} ${camera}`;
  const running = await sharedBrowsers.get(kind);
  if (running?.connected === true) return running;
  const options = camera === undefined ? {} : { camera, cameraFps: SHARED_CAMERA_FPS };
  const launched = launch(name, options).then((browser) => {
    const close = (): Promise<void> => closeWindows(browser);
    return Object.assign(browser, { close, [Symbol.asyncDispose]: close });
  });
  sharedBrowsers.set(kind, launched);
  return launched;
}

function launch(
  name: BrowserName,
  { camera, cameraFps = 30, gpu, flags = [], env = {}, acceptsAnyCertificate = false }: BrowserOptions,
): Promise<Browser> {
  const executablePath = findOnPath(peers()[name]);
  if (name === 'firefox') {
    const extraPrefsFirefox = {
      ...(camera === undefined
        ? {}
        : { 'media.navigator.streams.fake': true, 'media.navigator.permission.disabled': true }),
      ...(gpu === undefined ? {} : { 'webgl.force-enabled': true }),
    };
    return puppeteer.launch({
      browser: 'firefox',
      executablePath,
      headless: true,
      env: { ...process.env, ...env },
      acceptInsecureCerts: acceptsAnyCertificate,
      defaultViewport: WINDOW,
      extraPrefsFirefox,
      args: [...flags],
    });
  }
  return puppeteer.launch({
    executablePath,
    headless: true,
    // Chromium ends with its pipe, even if the process that launched it is killed. With a port instead, it would keep
    // running and use a quarter of a core.
    pipe: true,
    env: { ...process.env, ...env },
    acceptInsecureCerts: acceptsAnyCertificate,
    defaultViewport: WINDOW,
    // Otherwise each WebSocket message is also sent to the driver, and the page is several times slower.
    networkEnabled: false,
    args: [
      ...CHROMIUM_FLAGS,
      ...(camera === undefined ? [] : cameraFlags(camera, cameraFps)),
      ...(gpu === undefined ? [] : ['--use-angle=swiftshader', '--enable-unsafe-swiftshader']),
      ...flags,
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
    ],
  });
}

function cameraFlags(camera: string, fps: number): readonly string[] {
  return [
    '--use-fake-ui-for-media-stream',
    `--use-fake-device-for-media-stream=fps=${fps}`,
    ...(camera === 'fake' ? [] : [`--use-file-for-fake-video-capture=${camera}`]),
  ];
}

function findOnPath(name: string): string {
  if (isAbsolute(name)) return name;
  const folder = (process.env['PATH'] ?? '').split(delimiter).find((path) => existsSync(join(path, name)));
  if (folder === undefined) throw new Error(`${name} is no longer on the PATH: run node scripts/setup-peers.mjs`);
  return join(folder, name);
}
