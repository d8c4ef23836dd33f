import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext, CDPSession, Page } from 'puppeteer-core';
import { errorText } from '../../shared/errors.ts';

/**
 * A profile with a window that stays open, from which pages are opened as pop-up windows. A pop-up takes a fifth of the
 * processor time of a full window, which Chromium draws with tabs and a toolbar.
 */
interface Profile {
  readonly context: BrowserContext;
  /** The window that stays open. */
  readonly keeper: Page;
  readonly session: CDPSession;
  isFree: boolean;
}

const profiles = new WeakMap<Browser, Profile[]>();

let opened = 0;

/**
 * Opens a page in a separate window and profile. Windows that cover each other count as visible.
 *
 * @param prepare runs in the page before any of its scripts.
 */
export async function openWindow(browser: Browser, url: string, prepare?: () => void): Promise<Page> {
  const page = (await isFirefox(browser)) ? await openInFirefox(browser) : await openPopup(await takeProfile(browser));
  checkAtIntervals(page);
  if (prepare !== undefined) await page.evaluateOnNewDocument(prepare);
  if (url !== 'about:blank') await page.goto(url);
  return page;
}

/** Interval between two checks of a condition by a page. */
const POLL_MS = 50;

/** Time in which a page must return its text. */
const TEXT_MS = 5000;

/**
 * Makes `waitForFunction` check at intervals. By default, Puppeteer checks in each animation frame, for which the
 * browser renders the page 60 times per second: most of the processor time of a page that waits. If it fails, its error
 * contains the condition and the text of the page.
 */
function checkAtIntervals(page: Page): void {
  const waitForFunction = page.waitForFunction.bind(page);
  page.waitForFunction = async (condition, options, ...args) => {
    try {
      return await waitForFunction(condition, { polling: POLL_MS, ...options }, ...args);
    } catch (error) {
      const text = Promise.race([page.evaluate('document.body.innerText'), sleep(TEXT_MS, 'no text in time')]);
      const shown = String(await text.catch(errorText));
      const wanted = [String(condition), ...args.map((arg) => JSON.stringify(arg))].join(', ');
      throw new Error(`waiting for ${wanted} failed: ${errorText(error)}; the page shows: ${shown}`, { cause: error });
    }
  };
}

/** Opens a page in a window with tabs, which a pop-up window does not have, and in a separate profile. */
export async function openTab(browser: Browser, url: string): Promise<Page> {
  const page = await (await browser.createBrowserContext()).newPage({ type: 'window' });
  await page.goto(url);
  return page;
}

/** Closes the page and all others of its profile, which loses its data. */
export async function closeWindow(page: Page): Promise<void> {
  const context = page.browserContext();
  const profile = profiles.get(page.browser())?.find((each) => each.context === context);
  if (profile === undefined) await context.close();
  else if (!profile.isFree) await clear(profile);
}

/** Closes all windows that {@link openWindow} has opened in a browser. */
export async function closeWindows(browser: Browser): Promise<void> {
  const kept = profiles.get(browser) ?? [];
  const contexts = browser
    .browserContexts()
    .filter(
      (context) => context !== browser.defaultBrowserContext() && !kept.some((profile) => profile.context === context),
    );
  await Promise.all([
    ...contexts.map((context) => context.close()),
    ...kept.filter(({ isFree }) => !isFree).map((profile) => clear(profile)),
  ]);
}

async function isFirefox(browser: Browser): Promise<boolean> {
  return (await browser.version()).toLowerCase().startsWith('firefox');
}

/** Number of pages of a Firefox that {@link openWindow} has opened. */
const firefoxPages = new WeakMap<Browser, number>();

/**
 * The only page is a tab of the window with which Firefox has started, which takes a third of the processor time of
 * another window. Further ones have windows of their own, because a tab would hide the first one.
 */
async function openInFirefox(browser: Browser): Promise<Page> {
  const count = (change: number): number => {
    firefoxPages.set(browser, (firefoxPages.get(browser) ?? 0) + change);
    return firefoxPages.get(browser)!;
  };
  const type = count(1) === 1 ? 'tab' : 'window';
  const page = await (await browser.createBrowserContext()).newPage({ type });
  page.once('close', () => count(-1));
  return page;
}

async function takeProfile(browser: Browser): Promise<Profile> {
  const known = profiles.get(browser) ?? [];
  profiles.set(browser, known);
  const free = known.find(({ isFree }) => isFree);
  if (free !== undefined) {
    free.isFree = false;
    return free;
  }
  const context = await browser.createBrowserContext();
  const keeper = await context.newPage({ type: 'window' });
  const profile = { context, keeper, session: await keeper.createCDPSession(), isFree: false };
  known.push(profile);
  return profile;
}

async function openPopup({ context, keeper }: Profile): Promise<Page> {
  opened += 1;
  const url = `about:blank#${opened}`;
  const appears = context.waitForTarget((target) => target.url() === url);
  await keeper.evaluate(`void window.open('${url}', '', 'popup,noopener,width=640,height=480')`);
  const page = await (await appears).page();
  if (page === null) throw new Error('the window that was opened is not a page');
  return page;
}

async function clear(profile: Profile): Promise<void> {
  const { context, keeper, session } = profile;
  // A page that has crashed cannot be closed on its own.
  for (const page of await context.pages()) if (page !== keeper) await page.close().catch(() => undefined);
  await session.send('Storage.clearDataForOrigin', { origin: '*', storageTypes: 'all' });
  await session.send('Network.clearBrowserCache');
  profile.isFree = true;
}
