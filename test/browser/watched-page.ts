import type { Browser, Page } from 'puppeteer-core';
import { closeWindow, openWindow } from '../helpers/windows.ts';

export interface WatchedPage extends AsyncDisposable {
  readonly page: Page;
  /** Violations of the policy, and errors of scripts. */
  problems(): Promise<readonly string[]>;
}

/** Opens a page in a separate window, and records violations of its policies. */
export async function openWatched(browser: Browser, url: string): Promise<WatchedPage> {
  const errors: string[] = [];
  const page = await openWindow(browser, 'about:blank', () => {
    const violations: string[] = [];
    Object.assign(globalThis, { violations });
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile }) =>
      violations.push(`${violatedDirective}: ${blockedURI} (${sourceFile})`),
    );
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  // Including violations by workers, and headers that the browser does not understand.
  page.on('console', (message) => {
    if (/violat|Content.Security|Permissions-Policy|Cross-Origin/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  return {
    page,
    problems: async () => [...errors, ...((await page.evaluate('globalThis.violations ?? []')) as string[])],
    [Symbol.asyncDispose]: () => closeWindow(page),
  };
}
