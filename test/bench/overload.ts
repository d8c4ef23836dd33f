import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { alternate, type Bench } from './bench.ts';
import { delayGrowth } from './drawn.ts';
import type { FrameSource } from './frame-source.ts';
import { BenchProcess, endWithBench } from './processes.ts';
import type { Line } from './report.ts';
import { median, percentile } from './statistics.ts';
import type { Seen, TimedViewers } from './timed-viewers.ts';

const FPS = 60;
const FRAME_MS = 1000 / FPS;

/** Processing time per frame of the slow viewer: two frame intervals, so that it reads half of the frames. */
const WORK_MS = 2 * FRAME_MS;

const HEALTHY = 9;

/** Time for windows to settle. */
const SETTLE_MS = 500;

/**
 * Maximum difference of the latency of a slow viewer between the first and the last third. One more frame in the queue
 * would cause four times this difference.
 */
const FLAT_MS = FRAME_MS / 4;

interface Measurement {
  readonly healthyGapMs: number;
  readonly healthyRate: number;
  /** null in a measurement without a slow viewer. */
  readonly slow: { readonly delayMs: number; readonly growthMs: number; readonly rate: number } | null;
}

/** Latency of a viewer that reads half of the frames, and its effect on nine healthy viewers. */
export const overload: Bench = {
  name: 'overload',
  summary: 'a viewer at half speed: its latency, and the gaps of the healthy viewers with and without it',
  effort: { rounds: 3, seconds: 60 },
  async run({ rounds, seconds }) {
    const [sourcePort = 0] = await freePorts(1);
    await using gateway = endWithBench(
      await GatewayProcess.start('--source', `netgear:tcp://127.0.0.1:${sourcePort}?pattern=1`),
    );
    await using source = new BenchProcess<FrameSource>('./frame-source.ts');
    await using viewers = new BenchProcess<TimedViewers>('./timed-viewers.ts');
    await source.ask('send', sourcePort, 'jpeg', FPS);
    const port = Number(new URL(await gateway.url).port);
    const healthy = Array.from({ length: HEALTHY }, () => 0);
    const measured = await alternate(rounds, {
      'with it': () => measure(viewers, port, [...healthy, WORK_MS], seconds),
      'without it': () => measure(viewers, port, healthy, seconds),
    });
    const slow = measured['with it'].flatMap((round) => (round.slow === null ? [] : [round.slow]));
    const ours = (values: readonly number[]): Line['series'] => [{ name: 'Gearway', values }];
    return {
      method: `Frames of 100 KB at ${FPS} fps from a NetGear server; ${HEALTHY} viewers that draw each immediately, and one that takes ${WORK_MS.toFixed(1)} ms for each; ${seconds} s with it and ${seconds} s without it. Latency: from a frame's arrival at the gateway until it is drawn, the viewer's own work included.`,
      lines: [
        {
          what: 'slow viewer, median latency',
          unit: 'ms',
          digits: 1,
          series: ours(slow.map(({ delayMs }) => delayMs)),
          targets: [{ is: 'value', atMost: round(2 * FRAME_MS + WORK_MS) }],
        },
        {
          what: 'slow viewer, latency of the last third minus that of the first',
          unit: 'ms',
          digits: 1,
          series: ours(slow.map(({ growthMs }) => growthMs)),
          targets: [{ is: 'value', atMost: round(FLAT_MS) }],
        },
        { what: 'slow viewer', unit: 'fps', digits: 1, series: ours(slow.map(({ rate }) => rate)) },
        {
          what: `${HEALTHY} healthy viewers, 95 % of the gaps between frames within`,
          unit: 'ms',
          digits: 1,
          series: gaps(measured),
          targets: [{ is: 'ratio', to: 'without it', atMost: 1.1 }],
        },
        {
          what: `${HEALTHY} healthy viewers, each`,
          unit: 'fps',
          digits: 1,
          series: Object.entries(measured).map(([name, of]) => ({
            name,
            values: of.map(({ healthyRate }) => healthyRate),
          })),
        },
      ],
      notes: [],
    };
  },
};

function gaps(measured: Readonly<Record<string, readonly Measurement[]>>): Line['series'] {
  return Object.entries(measured).map(([name, of]) => ({ name, values: of.map(({ healthyGapMs }) => healthyGapMs) }));
}

async function measure(
  viewers: BenchProcess<TimedViewers>,
  port: number,
  worksMs: readonly number[],
  seconds: number,
): Promise<Measurement> {
  await viewers.ask('connect', port, worksMs);
  await delay(SETTLE_MS);
  await viewers.ask('start');
  await delay(seconds * 1000);
  const seen = await viewers.ask('stop');
  await viewers.ask('disconnect');
  const healthy = seen.slice(0, HEALTHY);
  const slow = seen[HEALTHY];
  return {
    healthyGapMs: percentile(healthy.flatMap(gapsOf), 0.95),
    healthyRate: healthy.reduce((sum, { drawn }) => sum + drawn.length, 0) / healthy.length / seconds,
    slow: slow === undefined ? null : describeSlow(slow, seconds),
  };
}

function gapsOf({ drawn }: Seen): number[] {
  return drawn.slice(1).map(({ atMs }, i) => atMs - (drawn[i]?.atMs ?? 0));
}

function describeSlow({ drawn }: Seen, seconds: number): Measurement['slow'] {
  return {
    delayMs: median(drawn.map(({ delayMs }) => delayMs)),
    growthMs: delayGrowth(drawn, seconds),
    rate: drawn.length / seconds,
  };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
