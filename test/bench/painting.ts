import { setTimeout as delay } from 'node:timers/promises';
import type { Page } from 'puppeteer-core';

/** Work of a page in a measuring window. */
export interface Painting {
  /** Total of all pictures of the page. */
  readonly framesPerSecond: number;
  /**
   * Share of the source's frames that was shown by the picture with the fewest frames; 1 if frames are made on request.
   */
  readonly leastShown: number;
  /** Share of the time in which the page's main thread was busy. */
  readonly mainThread: number;
}

/** How a page reports its painted frames. */
interface PaintingPage {
  readonly url: string;
  /** An expression that is true when counting can begin. */
  readonly isReady: string;
  /** Script that runs once when counting begins. */
  readonly prepare: string;
  /** An expression, or a promise of one: for each picture, the number of painted and of available frames. */
  readonly count: string;
}

type Count = readonly { readonly painted: number; readonly sequence: number }[];

/** Time for decoders to warm up and windows to settle. */
const SETTLE_MS = 600;

/** A page with a number of `<gearway-viewer>`s. */
export function viewersPage(url: string, viewers: number): PaintingPage {
  const all = "[...document.querySelectorAll('gearway-viewer')]";
  return {
    url,
    isReady: `${all}.filter(({ state, stats }) => state === 'live' && stats.painted > 0).length === ${viewers}`,
    // The element's own statistics are refreshed twice per second, too seldom for a short measurement.
    prepare: `
      self.counts = ${all}.map((viewer) => {
        const count = { painted: 0, sequence: 0 };
        viewer.addEventListener('gearway-frame', ({ detail }) => {
          count.painted += 1;
          count.sequence = detail.sequence;
        });
        return count;
      })`,
    count: 'self.counts',
  };
}

/** The hand-written page. */
export function barePage(url: string): PaintingPage {
  return {
    url,
    isReady: 'countPainted().then((painted) => painted > 0)',
    prepare: '',
    count: 'countPainted().then((painted) => [{ painted, sequence: painted }])',
  };
}

/** Measures a page for a while. The tab is empty before and afterwards. */
export async function measurePainting(
  page: Page,
  { url, isReady, prepare, count }: PaintingPage,
  seconds: number,
): Promise<Painting> {
  const read = async (): Promise<{ counts: Count; atMs: number; busySeconds: number; atSeconds: number }> => {
    const { counts, atMs } = (await page.evaluate(
      `(async () => ({ counts: await ${count}, atMs: performance.now() }))()`,
    )) as { counts: Count; atMs: number };
    const { TaskDuration: busySeconds = NaN, Timestamp: atSeconds = NaN } = await page.metrics();
    return { counts, atMs, busySeconds, atSeconds };
  };
  try {
    await page.goto(url);
    await page.waitForFunction(isReady);
    await page.evaluate(prepare);
    await delay(SETTLE_MS);
    const before = await read();
    await delay(seconds * 1000);
    const after = await read();
    const painted = after.counts.map((picture, index) => ({
      painted: picture.painted - (before.counts[index]?.painted ?? 0),
      sequence: picture.sequence - (before.counts[index]?.sequence ?? 0),
    }));
    return {
      framesPerSecond: (painted.reduce((sum, picture) => sum + picture.painted, 0) * 1000) / (after.atMs - before.atMs),
      leastShown: Math.min(...painted.map((picture) => picture.painted / Math.max(1, picture.sequence))),
      mainThread: (after.busySeconds - before.busySeconds) / (after.atSeconds - before.atSeconds),
    };
  } finally {
    await page.goto('about:blank');
  }
}
