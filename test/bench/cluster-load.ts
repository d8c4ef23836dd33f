import { setTimeout as delay } from 'node:timers/promises';
import { alternate, type Bench, settleMs } from './bench.ts';
import { ClusterStage, STAGE_FPS } from './cluster-stage.ts';
import type { Line } from './report.ts';
import { formatCount, formatPercent } from './report-text.ts';
import { split } from './shares.ts';
import { median, requireFrames } from './statistics.ts';
import { PAYLOAD_BYTES } from './wire.ts';

/** Number of viewers: more than two cores can serve while they also run the viewers. An address may have 1024. */
const VIEWERS = 1000;

/** Number of viewers that connect at the same time, because an address may have 256 connections without a hello. */
const BATCH = 100;

/** Time for windows to settle. */
const SETTLE_MS = 1000;

/** Time for the other gateways to unsubscribe between two measurements. */
const PAUSE_MS = 2000;

/** One distribution of the viewers over the gateways, measured for a while. */
interface Measurement {
  readonly framesPerSecond: number;
  /** Number of delivered frames per CPU second of the gateways that have viewers, in total and of each. */
  readonly perCpuSecond: number;
  readonly perCpuSecondOfEach: readonly number[];
  /** Cores used. */
  readonly gateways: number;
  readonly nats: number;
  readonly viewers: number;
  /** Share of the machine that other processes used. */
  readonly strangers: number;
}

/**
 * Measures the number of frames that each of 1 to 4 gateways delivers per CPU second, with more viewers than the
 * machine can serve.
 */
export const clusterLoad: Bench = {
  name: 'cluster-load',
  summary: 'frames per CPU second of 1 to 4 gateways of a cluster, with more viewers than the machine can serve',
  effort: { rounds: 6, seconds: 2 },
  async run(options) {
    const { rounds, seconds, viewers: counts } = options;
    const count = counts?.at(-1) ?? VIEWERS;
    await using stage = await ClusterStage.start();
    const { source } = stage;

    const measure = async (parts: number): Promise<Measurement> => {
      const shares = split(count, parts);
      // The viewers connect faster while the machine is not busy.
      await source.ask('rest');
      await stage.connect(shares, BATCH);
      await source.ask('push', STAGE_FPS, false);
      await delay(settleMs(SETTLE_MS, options));
      const used = await stage.measure(seconds);
      await source.ask('rest');
      await stage.crowd.ask('disconnect');
      await delay(settleMs(PAUSE_MS, options));
      const seen = used.viewers;
      requireFrames(seen.frames);
      const serving = used.gateways.filter((_, index) => (shares[index] ?? 0) > 0);
      const perCpuSecond = (of: readonly { readonly delivered: number; readonly cpuUs: number }[]): number =>
        of.reduce((sum, { delivered }) => sum + delivered, 0) / (of.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / 1e6);
      return {
        framesPerSecond: (seen.frames * 1000) / seen.elapsedMs,
        perCpuSecond: perCpuSecond(serving),
        perCpuSecondOfEach: serving.map((usage) => perCpuSecond([usage])),
        gateways: used.gateways.reduce((sum, { cpuUs }) => sum + cpuUs / 1000, 0) / seen.elapsedMs,
        nats: used.natsMs / seen.elapsedMs,
        viewers: seen.cpuUs / 1000 / seen.elapsedMs,
        strangers: used.strangers,
      };
    };
    const measured = await alternate(rounds, {
      '1 gateway': () => measure(1),
      '2 gateways': () => measure(2),
      '3 gateways': () => measure(3),
      '4 gateways': () => measure(4),
    });
    const names = Object.keys(measured) as (keyof typeof measured)[];
    const values = (name: keyof typeof measured, key: 'framesPerSecond' | 'perCpuSecond'): number[] =>
      measured[name].map((measurement) => measurement[key]);
    const one = '1 gateway';
    const several = names.filter((name) => name !== one);
    return {
      method: `A NATS server and four gateways, one of which has the source: frames of ${PAYLOAD_BYTES / 1000} KB at ${STAGE_FPS} fps. ${formatCount(count, 'viewer')} in one process request ${count * STAGE_FPS} fps in total, which is more than this machine can serve: at the gateway of the source, or distributed over 2 to 4 gateways, in alternation. CPU time is that of the gateways with viewers, user and system.`,
      lines: [
        ...several.map((name): Line => ({
          what: `${formatCount(count, 'viewer')} at ${name}`,
          unit: 'frames per CPU second of the gateways',
          series: [
            { name, values: values(name, 'perCpuSecond') },
            { name: one, values: values(one, 'perCpuSecond') },
          ],
        })),
        {
          what: `${formatCount(count, 'viewer')}, all processes on the same cores`,
          unit: 'fps',
          series: names.map((name) => ({ name, values: values(name, 'framesPerSecond') })),
        },
      ],
      notes: names.map((name) => {
        const of = (pick: (measurement: Measurement) => number): number => median(measured[name].map(pick));
        const each = (measured[name][0]?.perCpuSecondOfEach ?? [])
          .map((_, index) => of(({ perCpuSecondOfEach }) => perCpuSecondOfEach[index] ?? 0).toFixed(0))
          .join(', ');
        return `${name}: ${each} frames per CPU second of each, that of the source first. Cores used: gateways ${of((m) => m.gateways).toFixed(2)}, NATS server ${of((m) => m.nats).toFixed(2)}, viewers ${of((m) => m.viewers).toFixed(2)}; other programs ${formatPercent(of((m) => m.strangers))} of the machine.`;
      }),
    };
  },
};
