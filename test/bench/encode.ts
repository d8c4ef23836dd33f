import { setTimeout as delay } from 'node:timers/promises';
import { alternate, type Bench } from './bench.ts';
import type { EncodeGateway } from './encode-gateway.ts';
import { BenchProcess } from './processes.ts';
import { makePicture, type PictureSize } from './python.ts';
import { ARTIFACTS } from './report-files.ts';
import type { Line } from './report.ts';
import { formatCount } from './report-text.ts';
import { requireFrames } from './statistics.ts';
import type { Usage } from './usage-meter.ts';
import type { Viewers } from './viewers.ts';

const SIZE: PictureSize = { width: 1280, height: 720, kilobytes: 100 };
const FPS = 30;
const VIEWER_COUNTS = [1, 10, 100];

/** Time for windows to settle and code to be compiled. */
const SETTLE_MS = 500;

const MOST_LOOP_DELAY_MS = 10;

interface Measurement extends Usage {
  readonly pushed: number;
  readonly encoded: number;
  readonly framesPerSecond: number;
}

/** Measures raw frames that viewers receive as JPEG: each must be encoded once, without blocking the event loop. */
export const encode: Bench = {
  name: 'encode',
  summary: 'raw 720p at 30 fps to JPEG: encodings per frame, event-loop delay, CPU',
  effort: { rounds: 6, seconds: 3 },
  async run({ rounds, seconds, viewers: counts, cpuProfile }) {
    await using gateway = new BenchProcess<EncodeGateway>(
      './encode-gateway.ts',
      cpuProfile ? ['--cpu-prof', `--cpu-prof-dir=${ARTIFACTS}`] : [],
    );
    await using viewers = new BenchProcess<Viewers>('./viewers.ts');
    const [samples, jpeg] = await Promise.all([makePicture(SIZE, 'samples'), makePicture(SIZE, 'jpeg')]);
    const port = await gateway.ask('listen', FPS);
    const measure = async (form: 'jpeg' | 'samples', count: number): Promise<Measurement> => {
      await gateway.ask('show', (form === 'jpeg' ? jpeg : samples).toString('base64'), form, SIZE);
      await viewers.ask('connect', port, count);
      await delay(SETTLE_MS);
      await Promise.all([gateway.ask('start'), viewers.ask('start')]);
      await delay(seconds * 1000);
      const [used, { frames, elapsedMs }] = await Promise.all([gateway.ask('stop'), viewers.ask('stop')]);
      await viewers.ask('disconnect');
      requireFrames(used.pushed);
      return { ...used, framesPerSecond: (frames * 1000) / elapsedMs / count };
    };
    const lines: Line[] = [];
    for (const count of counts ?? VIEWER_COUNTS) {
      process.stderr.write(`  ${count} viewers …\n`);
      const measured = await alternate(rounds, {
        raw: () => measure('samples', count),
        JPEG: () => measure('jpeg', count),
      });
      const series = (of: (measurement: Measurement) => number): Line['series'] => [
        { name: 'Gearway', values: measured.raw.map(of) },
        { name: 'frames that arrive as JPEG', values: measured.JPEG.map(of) },
      ];
      lines.push(
        {
          what: formatCount(count, 'viewer'),
          unit: 'encodings per frame',
          digits: 2,
          series: series(({ encoded, pushed }) => encoded / pushed),
          targets: [{ is: 'value', atMost: 1.01 }],
        },
        {
          what: `${formatCount(count, 'viewer')}, event-loop delay, 99 % within`,
          unit: 'ms',
          digits: 1,
          series: series(({ loopDelayMs }) => loopDelayMs),
          targets: [{ is: 'value', atMost: MOST_LOOP_DELAY_MS }],
        },
        {
          what: `${formatCount(count, 'viewer')}, each`,
          unit: 'fps',
          digits: 1,
          series: series(({ framesPerSecond }) => framesPerSecond),
        },
        {
          what: formatCount(count, 'viewer'),
          unit: 'CPU ms per frame of the source',
          digits: 1,
          series: series(({ cpuUs, pushed }) => cpuUs / 1000 / pushed),
        },
      );
    }
    return {
      method: `A program pushes the same ${SIZE.width}x${SIZE.height} picture ${FPS} times per second into a gateway in the same process, as BGR samples and as a JPEG of ${SIZE.kilobytes} KB; viewers in another process read and acknowledge each frame. Encodings are counted where the JPEG library is called; the event loop's delay is the lateness of a 1 ms timer.`,
      lines,
      notes: [],
    };
  },
};
