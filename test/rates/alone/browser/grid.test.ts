import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { launchBrowser } from '../../../helpers/browsers.ts';
import { GatewayProcess } from '../../../helpers/gateway-process.ts';
import { withinAttempts } from '../../../helpers/within-attempts.ts';
import { SOAK_SECONDS } from '../../../helpers/soak.ts';
import { Site } from '../../../helpers/site.ts';

const VIEWERS = 16;

/** Proportional memory of a process and its descendants: private memory plus its share of the rest (Linux). */
function memoryBytes(root: number): number {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      parents.set(Number(entry), Number(/\) \w (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, 'utf8'))?.[1]));
    } catch {
      // The process has ended in the meantime.
    }
  }
  const isUnder = (pid: number): boolean => pid === root || (parents.has(pid) && pid > 1 && isUnder(parents.get(pid)!));
  return [...parents.keys()].filter(isUnder).reduce((sum, pid) => {
    try {
      return sum + 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      return sum;
    }
  }, 0);
}

describe('sixteen viewers on a page', () => {
  it('get the full rate at 640×480 and 15 fps, with little load on the main thread and constant memory', async () => {
    await using site = await Site.serve(() => page);
    await using gateway = await GatewayProcess.start(
      '--source',
      'test-pattern:?size=640x480&fps=15',
      '--allow-origin',
      site.origin,
    );
    const url = await gateway.url;
    const page = `<!doctype html><style>body{margin:0;display:grid;grid-template-columns:repeat(4,1fr)}</style><script type="module" src="${url}/gearway-viewer.js"></script>${`<gearway-viewer src="${url}/streams/main"></gearway-viewer>`.repeat(VIEWERS)}`;
    await using browser = await launchBrowser('chromium');
    const tab = await browser.newPage({ type: 'window' });
    await tab.setViewport({ width: 1280, height: 720 });
    await tab.goto(site.origin);
    await tab.waitForFunction(
      (count) =>
        [...document.querySelectorAll('gearway-viewer')].filter(({ state }) => state === 'live').length === count,
      {},
      VIEWERS,
    );
    // One worker for all of them.
    expect(tab.workers()).toHaveLength(1);
    // Decoders warm up; memory settles.
    await sleep(5000);
    const read = async (): Promise<{
      painted: number[];
      sequence: number[];
      delays: (number | null)[];
      taskSeconds: number;
      atMs: number;
      memory: number;
    }> => {
      const figures = await tab.evaluate(() =>
        [...document.querySelectorAll('gearway-viewer')].map(({ stats }) => stats),
      );
      const { TaskDuration } = await tab.metrics();
      return {
        painted: figures.map(({ painted }) => painted),
        sequence: figures.map(({ sequence }) => sequence),
        delays: figures.map(({ delayMs }) => delayMs),
        taskSeconds: TaskDuration!,
        atMs: performance.now(),
        memory: memoryBytes(browser.process()!.pid!),
      };
    };
    await withinAttempts(
      async () => {
        const before = await read();
        const memories = [before.memory];
        for (let second = 0; second < SOAK_SECONDS; second += 5) {
          await sleep(5000);
          memories.push((await read()).memory);
        }
        const after = await read();
        const shares = after.painted.map(
          (painted, index) => (painted - before.painted[index]!) / (after.sequence[index]! - before.sequence[index]!),
        );
        const mainThread = (after.taskSeconds - before.taskSeconds) / ((after.atMs - before.atMs) / 1000);
        // After the first readings, during which the browser's caches are filled.
        const steady = memories.slice(1);
        const spread = (Math.max(...steady) - Math.min(...steady)) / (Math.max(...steady) + Math.min(...steady));
        return {
          shares,
          mainThread,
          spread,
          megabytes: memories.map((bytes) => Math.round(bytes / 1e6)),
          delays: after.delays,
        };
      },
      (figures) => {
        const report = JSON.stringify(figures);
        for (const share of figures.shares) expect(share, report).toBeGreaterThanOrEqual(0.97);
        expect(figures.mainThread, report).toBeLessThanOrEqual(0.15);
        expect(figures.spread, report).toBeLessThanOrEqual(0.1);
      },
    );
  });
});
