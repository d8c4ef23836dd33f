import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Browser } from 'puppeteer-core';
import { launchBrowser } from '../helpers/browsers.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { alternate, type Bench } from './bench.ts';
import { DiscardingViewer } from './discarding-viewer.ts';
import type { Line } from './report.ts';

/** Interval between two connection attempts of a viewer, which is also the error of the measurement. */
const RETRY_MS = 5;

/** Timeout for the start of a gateway. */
const START_TIMEOUT_MS = 20_000;

/** Targets below the time that a user notices. */
const STARTED_WITHIN_MS = 600;
const PAINTED_WITHIN_MS = 500;

const GATEWAY = 'Gearway';
const NODE = 'Node alone';
const EMPTY_PAGE = 'an empty page';

/** Time until the first frame is visible, from starting the command and from opening a page. */
export const start: Bench = {
  name: 'start',
  summary: 'ms from starting the gateway, and from opening its page, to the first frame',
  // A round is one start; the option for seconds has no effect.
  effort: { rounds: 20, seconds: 1 },
  async run({ rounds }) {
    const starts = await alternate(rounds, { [GATEWAY]: startGateway, [NODE]: startNode });
    await using gateway = await GatewayProcess.start();
    await using browser = await launchBrowser('chromium');
    const url = await gateway.url;
    const pages = await alternate(rounds, {
      [GATEWAY]: () => openPage(browser, `${url}/viewer?stream=main`, 'gearway-frame'),
      [EMPTY_PAGE]: () => openPage(browser, `${url}/healthz`, 'load'),
    });
    const series = (measured: Readonly<Record<string, readonly number[]>>): Line['series'] =>
      Object.entries(measured).map(([name, values]) => ({ name, values }));
    return {
      method: `Process: from the start of the command, with the test pattern, until a viewer's WebSocket, which tries to connect every ${RETRY_MS} ms, has the first frame's last byte. Compared with a Node process that does nothing, until it has ended. Page: from the start of the navigation to the viewer page of a running gateway until the animation frame after the first gearway-frame, by the page's clock. Chromium uses a fresh profile of a warm browser each time, so that nothing is cached. Compared with a page of one line of text, until the animation frame after its load event.`,
      lines: [
        {
          what: 'process start to first frame',
          unit: 'ms',
          series: series(starts),
          targets: [{ is: 'value', atMost: STARTED_WITHIN_MS }],
        },
        {
          what: 'page load to first frame',
          unit: 'ms',
          series: series(pages),
          targets: [{ is: 'value', atMost: PAINTED_WITHIN_MS }],
        },
      ],
      notes: [],
    };
  },
};

async function startGateway(): Promise<number> {
  const [port = 0] = await freePorts(1);
  const startMs = performance.now();
  await using gateway = new GatewayProcess('--port', String(port));
  const viewer = await firstServed(port, () => gateway.isRunning && performance.now() - startMs < START_TIMEOUT_MS);
  const tookMs = performance.now() - startMs;
  await viewer.close();
  return tookMs;
}

/** @returns a viewer that has received a frame. */
async function firstServed(port: number, isWorthTrying: () => boolean): Promise<DiscardingViewer> {
  for (;;) {
    const viewer = new DiscardingViewer(port);
    try {
      await viewer.ready;
      return viewer;
    } catch (error) {
      if (!isWorthTrying()) throw error;
      await delay(RETRY_MS);
    }
  }
}

async function startNode(): Promise<number> {
  const startMs = performance.now();
  await once(spawn(process.execPath, ['--eval', '0'], { stdio: 'ignore' }), 'exit');
  return performance.now() - startMs;
}

/** @returns milliseconds from the navigation's start to the animation frame after the event. */
async function openPage(browser: Browser, url: string, event: 'gearway-frame' | 'load'): Promise<number> {
  await using context = Object.assign(await browser.createBrowserContext(), {
    async [Symbol.asyncDispose](): Promise<void> {
      await context.close();
    },
  });
  const page = await context.newPage({ type: 'window' });
  // Listens in the capture phase, because gearway-frame does not bubble.
  await page.evaluateOnNewDocument(
    `window.painted = new Promise((resolve) => addEventListener('${event}', () => requestAnimationFrame(() => resolve(performance.now())), { capture: true, once: true }))`,
  );
  await page.goto(url);
  return (await page.evaluate('window.painted')) as number;
}
