import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createGateway } from '../../../gateway/create-gateway.ts';
import { ViewerPage } from '../../browser/viewer-page.ts';
import { sharedBrowser } from '../../helpers/browsers.ts';
import { withinAttempts } from '../../helpers/within-attempts.ts';
import { SOAK_SECONDS } from '../../helpers/soak.ts';

const FPS = 30;

/** A fault affects every second; a short stall of the machine affects one attempt. */
const MEASURED_SECONDS = SOAK_SECONDS / 2;

/** Clock ticks per second of /proc. */
const TICKS = 100;

/** Four arrays with a smooth gradient and noise, each shifted in phase. */
function frames(dtype: 'uint16' | 'float32', width: number, height: number): Uint8Array[] {
  const Samples = dtype === 'uint16' ? Uint16Array : Float32Array;
  return [0, 1, 2, 3].map((phase) => {
    const samples = new Samples(width * height);
    for (let at = 0; at < samples.length; at += 1)
      samples[at] = 500 + (((at % width) + 2 * Math.floor(at / width) + 10 * phase) % 5000) + ((at * 7919) % 20);
    return new Uint8Array(samples.buffer);
  });
}

/** Processor time of the threads of a process, in seconds: of the main thread, and of all workers. */
function threadSeconds(pid: number): { main: number; worker: number } {
  let [main, worker] = [0, 0];
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const [, name, fields = ''] = /^\d+ \((.*)\) (.*)/s.exec(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))!;
    const [user, system] = fields.split(' ').slice(11, 13);
    const seconds = (Number(user) + Number(system)) / TICKS;
    if (thread === String(pid)) main += seconds;
    else if (name!.startsWith('DedicatedWorker')) worker += seconds;
  }
  return { main, worker };
}

/** The renderer process with the most processor time, which renders the active page. */
function rendererOf(browserPid: number): number {
  const renderers = readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      return (
        readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes('--type=renderer') && isUnder(Number(entry), browserPid)
      );
    } catch {
      return false; // the process has ended
    }
  });
  const seconds = (entry: string): number => {
    const { main, worker } = threadSeconds(Number(entry));
    return main + worker;
  };
  return Number(renderers.toSorted((a, b) => seconds(b) - seconds(a))[0]);
}

function isUnder(pid: number, root: number): boolean {
  if (pid === root) return true;
  const parent = Number(/^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? 0);
  return parent > 1 && isUnder(parent, root);
}

/** Maximum fractions of a core that a stream of 30 fps may use. */
const CASES = [
  { dtype: 'uint16', size: [640, 480], place: 'worker', main: 0.05, worker: 0.3 },
  { dtype: 'uint16', size: [640, 480], place: 'main', main: 0.15, worker: 0 },
  { dtype: 'float32', size: [1280, 720], place: 'worker', main: 0.05, worker: 0.45 },
] as const;

it.each(CASES)(
  'arrays of $dtype and $size at 30 fps, drawn in the $place, take at most $main of the main thread and $worker of the worker',
  async ({ dtype, size: [width, height], place, ...limits }) => {
    await using browser = await sharedBrowser('chromium');
    await using gateway = await createGateway({ port: 0, source: 'push:' });
    const { url } = await gateway.listen();
    await using view = await ViewerPage.open(browser, `${url}viewer?stream=main&bare`);
    await view.page.evaluate((isMain) => {
      // The viewer gets unmodified samples even while the machine is too busy for the full rate.
      Object.assign(document.querySelector('gearway-viewer')!, {
        noWorker: isMain,
        colormap: 'turbo',
        quality: 'source',
      });
    }, place === 'main');
    const payloads = frames(dtype, width, height);
    let number = 0;
    const timer = setInterval(() => {
      gateway.stream.push({ dtype, shape: [height, width], data: payloads[(number += 1) % payloads.length]! });
    }, 1000 / FPS);
    try {
      await view.where('element.stats.painted > 60');
      expect(await view.place).toBe(place);
      const pid = rendererOf(browser.process()!.pid!);
      await withinAttempts(
        async () => {
          const [before, paintedBefore, startMs] = [threadSeconds(pid), (await view.stats).painted, performance.now()];
          await sleep(MEASURED_SECONDS * 1000);
          const [after, painted] = [threadSeconds(pid), (await view.stats).painted - paintedBefore];
          const seconds = (performance.now() - startMs) / 1000;
          // Extrapolated to the full rate, regardless of the rate that the machine reached.
          const part = (spent: number): number => (spent / painted) * FPS;
          return {
            main: part(after.main - before.main),
            worker: part(after.worker - before.worker),
            framesPerSecond: painted / seconds,
          };
        },
        (figures) => {
          const text = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(3)}`);
          console.log(`${dtype} ${width}×${height} in the ${place}: ${text.join(', ')}`);
          expect(figures.main).toBeLessThanOrEqual(limits.main);
          expect(figures.worker).toBeLessThanOrEqual(limits.worker);
        },
      );
    } finally {
      clearInterval(timer);
    }
  },
);
