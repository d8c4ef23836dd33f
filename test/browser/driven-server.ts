import type { Browser, Page } from 'puppeteer-core';
import { sharedBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';

/** Result of the server's `send()` for frame `n`, at `t` seconds of Unix time. */
export interface DriveReport {
  readonly n: number;
  readonly t: number;
  readonly data: Record<
    string,
    { drive?: { x?: number; y?: number; axes?: readonly number[] }; stop?: boolean } | null
  > | null;
}

/** A real NetGear server, a gateway for its stream and a browser for the pages that drive it. */
export interface DrivenServer extends AsyncDisposable {
  readonly browser: Browser;
  readonly gateway: GatewayProcess;
  readonly server: PythonPeer;
}

/** @param options further flags of the gateway. */
export async function startDrivenServer(...options: readonly string[]): Promise<DrivenServer> {
  const [port] = (await freePorts(1)) as [number];
  const browser = await sharedBrowser('chromium');
  const source = `netgear:tcp://127.0.0.1:${port}?pattern=1`;
  const gateway = await GatewayProcess.start('--source', source, '--insecure', ...options);
  const server = new PythonPeer('server.py', { port, bidirectional: true, frames: 100_000 });
  return {
    browser,
    gateway,
    server,
    async [Symbol.asyncDispose](): Promise<void> {
      await server[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
      await browser.close();
    },
  };
}

/**
 * Presses W. The page repeats the key like the system until {@link stopRepeating}, because DevTools do not repeat keys.
 */
export async function holdW(page: Page): Promise<void> {
  await page.keyboard.down('w');
  await page.evaluate(() => {
    const repeat = (): boolean =>
      document.body.dispatchEvent(
        new KeyboardEvent('keydown', { key: 'w', code: 'KeyW', repeat: true, bubbles: true, composed: true }),
      );
    Object.assign(window, { repeating: setInterval(repeat, 33) });
  });
}

export const stopRepeating = (page: Page): Promise<void> =>
  page.evaluate(() => clearInterval((window as unknown as { repeating: number }).repeating));
