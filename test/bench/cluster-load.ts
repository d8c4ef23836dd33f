import { setTimeout as delay } from 'node:timers/promises';
import { NatsServer } from '../helpers/nats.ts';
import { alternate, type Bench, settleMs } from './bench.ts';
import type { ClusterGateway } from './cluster-gateway.ts';
import { MachineMeter } from './machine.ts';
import { BenchProcess } from './processes.ts';
import type { Line } from './report.ts';
import { formatCount, formatPercent } from './report-text.ts';
import { cpuMs, split } from './shares.ts';
import { median } from './statistics.ts';
import type { Viewers } from './viewers.ts';
import { PAYLOAD_BYTES } from './wire.ts';

const FPS = 30;

/** More than two cores can serve, together with the viewers themselves. An address may have 1024. */
const VIEWERS = 1000;

/** Number of viewers that connect at the same time: an address may have 256 connections without a hello. */
const BATCH = 100;

/** Time for windows to settle. */
const SETTLE_MS = 1000;

/** Until the next measurement begins, the other gateways have unsubscribed. */
const PAUSE_MS = 2000;

/** One distribution of the viewers over the gateways, measured for a while. */
interface Measurement {
  readonly framesPerSecond: number;
  /** Delivered frames per CPU second of the gateways that have viewers, of all of them and of each. */
  readonly perCpuSecond: number;
  readonly perCpuSecondOfEach: readonly number[];
  /** Cores used. */
  readonly gateways: number;
  readonly nats: number;
  readonly viewers: number;
  /** Share of the machine that other processes used. */
  readonly strangers: number;
}

/** More viewers than the machine can serve, at 1 to 4 gateways: what each gateway delivers per CPU second. */
export const clusterLoad: Bench = {
  name: 'cluster-load',
  summary: 'frames per CPU second of 1 to 4 gateways of a cluster, with more viewers than the machine can serve',
  effort: { rounds: 6, seconds: 2 },
  async run(options) {
    const { rounds, seconds, viewers: counts } = options;
    const count = counts?.at(-1) ?? VIEWERS;
    await using nats = await NatsServer.start();
    await using a = new BenchProcess<ClusterGateway>('./cluster-gateway.ts');
    await using b = new BenchProcess<ClusterGateway>('./cluster-gateway.ts');
    await using c = new BenchProcess<ClusterGateway>('./cluster-gateway.ts');
    await using d = new BenchProcess<ClusterGateway>('./cluster-gateway.ts');
    const gateways = [a, b, c, d];
    await using crowd = new BenchProcess<Viewers>('./viewers.ts');
    const ports = [await a.ask('listen', nats.url, 'A', true)];
    await a.ask('push', FPS, false);
    for (const [index, name] of ['B', 'C', 'D'].entries())
      ports.push((await gateways[index + 1]?.ask('listen', nats.url, name, false)) ?? 0);

    const measure = async (parts: number): Promise<Measurement> => {
      const shares = split(count, parts);
      // The viewers connect faster while the machine is not busy.
      await a.ask('rest');
      for (const [index, share] of shares.entries())
        for (let left = share; left > 0; left -= BATCH)
          await crowd.ask('connect', ports[index] ?? 0, Math.min(BATCH, left), { spectates: true });
      await a.ask('push', FPS, false);
      await delay(settleMs(SETTLE_MS, options));
      const machine = new MachineMeter();
      const own = process.cpuUsage();
      const natsMs = cpuMs(nats.pid);
      await Promise.all([crowd.ask('start'), ...gateways.map((gateway) => gateway.ask('start'))]);
      await delay(seconds * 1000);
      const usages = await Promise.all(gateways.map((gateway) => gateway.ask('stop')));
      const seen = await crowd.ask('stop');
      const natsUsedMs = cpuMs(nats.pid) - natsMs;
      const { user, system } = process.cpuUsage(own);
      const gatewaysMs = usages.reduce((sum, { cpuUs }) => sum + cpuUs / 1000, 0);
      const strangers = machine.stop(gatewaysMs + natsUsedMs + (seen.cpuUs + user + system) / 1000);
      await a.ask('rest');
      await crowd.ask('disconnect');
      await delay(settleMs(PAUSE_MS, options));
      const serving = usages.filter((_, index) => (shares[index] ?? 0) > 0);
      const perCpuSecond = (of: readonly { readonly delivered: number; readonly cpuUs: number }[]): number =>
        of.reduce((sum, { delivered }) => sum + delivered, 0) / (of.reduce((sum, { cpuUs }) => sum + cpuUs, 0) / 1e6);
      return {
        framesPerSecond: (seen.frames * 1000) / seen.elapsedMs,
        perCpuSecond: perCpuSecond(serving),
        perCpuSecondOfEach: serving.map((usage) => perCpuSecond([usage])),
        gateways: gatewaysMs / seen.elapsedMs,
        nats: natsUsedMs / seen.elapsedMs,
        viewers: seen.cpuUs / 1000 / seen.elapsedMs,
        strangers,
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
      method: `A NATS server and four gateways, of which one has the source: frames of ${PAYLOAD_BYTES / 1000} KB at ${FPS} fps. ${formatCount(count, 'viewer')} in one process request ${count * FPS} fps in total, which is more than this machine can serve: at the gateway of the source, or distributed over 2 to 4 gateways, in alternation. CPU time is that of the gateways with viewers, user and system.`,
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
