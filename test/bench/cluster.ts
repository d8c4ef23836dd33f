import { setTimeout as delay } from 'node:timers/promises';
import { alternate, type Bench, type BenchEffort, isTrial, measureFrames, settleMs } from './bench.ts';
import type { ClusterGateway } from './cluster-gateway.ts';
import { ClusterStage, STAGE_FPS } from './cluster-stage.ts';
import type { PairedViewers } from './paired-viewers.ts';
import { BenchProcess } from './processes.ts';
import type { Line } from './report.ts';
import { split } from './shares.ts';
import { median, percentile, requireFrames } from './statistics.ts';
import { PAYLOAD_BYTES } from './wire.ts';

const VIEWERS = 100;

/** Size of a raw frame of 720p. */
const RAW_BYTES = 1280 * 720 * 3;

/** Time for windows to settle, and for code to be compiled. */
const SETTLE_MS = 1000;

/** Time until the other gateways have unsubscribed. */
const PAUSE_MS = 3500;

/** Rate and duration for counting copies, at which no frame is skipped. */
const SLOW_FPS = 4;
const COPIES_MS = 5000;
const TRIAL_COPIES_MS = 1000;

/** Number of messages in which a frame of 100 KB is sent: its head and its payload. */
const MESSAGES_PER_FRAME = 2;

/** One distribution of the viewers over the gateways, measured for a while. */
interface Measurement {
  readonly framesPerSecond: number;
  /** Cores used. */
  readonly source: number;
  readonly others: number;
  readonly nats: number;
  readonly viewers: number;
  /** Share of the machine that other processes used. */
  readonly strangers: number;
  /** Number of messages to and from the NATS server per pushed frame, without those of the directory. */
  readonly published: number;
  readonly delivered: number;
}

/**
 * Compares viewers of one stream at several gateways over a NATS server with the same viewers at the gateway of the
 * source.
 */
export const cluster: Bench = {
  name: 'cluster',
  summary: 'fps, CPU and latency of viewers at other gateways of a cluster, compared with the gateway of the source',
  effort: { rounds: 10, seconds: 4 },
  async run(options) {
    const { rounds, seconds, viewers: counts } = options;
    const count = counts?.at(-1) ?? VIEWERS;
    await using stage = await ClusterStage.start();
    await using paired = new BenchProcess<PairedViewers>('./paired-viewers.ts');
    const [a, b] = stage.gateways;
    if (a === undefined || b === undefined) throw new TypeError('the stage has four gateways');

    /** @param shares number of viewers at each gateway. */
    const measure = async (shares: readonly number[]): Promise<Measurement> => {
      await stage.connect(shares);
      await delay(settleMs(SETTLE_MS, options));
      const used = await stage.measure(seconds);
      await stage.crowd.ask('disconnect');
      await delay(settleMs(PAUSE_MS, options));
      const seen = used.viewers;
      requireFrames(seen.frames);
      const [source, ...others] = used.gateways.map(({ cpuUs, elapsedMs }) => cpuUs / 1000 / elapsedMs);
      const frames = Math.max(1, used.gateways[0]?.pushed ?? 0);
      return {
        framesPerSecond: (seen.frames * 1000) / seen.elapsedMs,
        source: source ?? 0,
        others: others.reduce((sum, cores) => sum + cores, 0),
        nats: used.natsMs / seen.elapsedMs,
        viewers: seen.cpuUs / 1000 / seen.elapsedMs,
        strangers: used.strangers,
        published: used.messagesIn / frames,
        delivered: used.messagesOut / frames,
      };
    };
    const measured = await alternate(rounds, {
      'the gateway of the source': () => measure([count]),
      'another gateway': () => measure([0, count]),
      '2 gateways': () => measure(split(count, 2)),
      '3 gateways': () => measure(split(count, 3)),
      '4 gateways': () => measure(split(count, 4)),
    });
    process.stderr.write('  latency …\n');
    const latency = await alternate(rounds, {
      jpeg: () => measureLatency(a, paired, stage.ports, false, options),
      raw: () => measureLatency(a, paired, stage.ports, true, options),
    });
    process.stderr.write('  copies …\n');
    const copies = {
      jpeg: await measureFrames('jpeg', () => measureCopies([a, b], paired, stage.ports, false, options)),
      raw: await measureFrames('raw', () => measureCopies([a, b], paired, stage.ports, true, options)),
    };
    const values = (name: keyof typeof measured, key: keyof Measurement): number[] =>
      measured[name].map((measurement) => measurement[key]);
    const own = 'the gateway of the source';
    const other = 'another gateway';
    const names = Object.keys(measured) as (keyof typeof measured)[];
    const cpu = (name: keyof typeof measured): Line => ({
      what: `${count} viewers at ${name}`,
      unit: 'CPU µs per delivered frame',
      digits: 1,
      series: (['source', 'others', 'nats'] as const).map((key) => ({
        name: { source: 'gateway of the source', others: 'other gateways', nats: 'NATS server' }[key],
        values: measured[name].map((measurement) => (measurement[key] * 1e6) / measurement.framesPerSecond),
      })),
    });
    return {
      method: `A NATS server and four gateways, one of which has the source: frames of ${PAYLOAD_BYTES / 1000} KB at ${STAGE_FPS} fps. ${count} viewers in one process read and acknowledge each frame: all at the gateway of the source, all at another one, or distributed over 2 to 4 gateways, in alternation. Then one viewer at the gateway of the source and one at another one: how much later each frame arrives there.`,
      lines: [
        {
          what: `${count} viewers at ${other}`,
          unit: 'fps',
          series: [
            { name: other, values: values(other, 'framesPerSecond') },
            { name: own, values: values(own, 'framesPerSecond') },
          ],
          targets: [{ is: 'ratio', to: own, atLeast: 0.95 }],
        },
        ...names.slice(2).map((name): Line => ({
          what: `${count} viewers at ${name}`,
          unit: 'fps',
          series: [
            { name, values: values(name, 'framesPerSecond') },
            { name: own, values: values(own, 'framesPerSecond') },
          ],
        })),
        ...names.map(cpu),
        ...(['jpeg', 'raw'] as const).map((kind): Line => ({
          what: `later than at the gateway of the source, ${kind === 'jpeg' ? 'JPEGs of 100 KB' : 'raw frames of 2.7 MB'}`,
          unit: 'ms',
          digits: 2,
          series: [{ name: 'Gearway', values: latency[kind].map(({ added }) => median(added)) }],
          ...(kind === 'jpeg' ? { targets: [{ is: 'value', atMost: 3 }] } : {}),
        })),
      ],
      notes: [
        ...names
          .slice(1)
          .map(
            (name) =>
              `${name}: ${median(values(name, 'published')).toFixed(2)} messages per frame to the NATS server, ${median(values(name, 'delivered')).toFixed(2)} from it (${MESSAGES_PER_FRAME} per frame and gateway; the others are for the directory and the sessions); the viewers' process used ${(median(values(name, 'viewers')) * 100).toFixed(0)} % of a core, other programs ${(median(values(name, 'strangers')) * 100).toFixed(0)} % of the machine.`,
          ),
        ...(['jpeg', 'raw'] as const).map(
          (kind) =>
            `${kind === 'jpeg' ? 'JPEGs' : 'Raw frames'}: 95th percentile of the added latency ${median(latency[kind].map(({ added }) => percentile(added, 0.95))).toFixed(2)} ms; a frame reaches the viewer at the gateway of the source after ${median(latency[kind].map(({ first }) => median(first))).toFixed(2)} ms. JavaScript copies a payload ${copies[kind].sent.toFixed(2)} times to send it to the NATS server, and ${copies[kind].received.toFixed(2)} times to receive it.`,
        ),
      ],
    };
  },
};

async function measureLatency(
  source: BenchProcess<ClusterGateway>,
  paired: BenchProcess<PairedViewers>,
  ports: readonly number[],
  isRaw: boolean,
  effort: BenchEffort,
): Promise<{ readonly first: readonly number[]; readonly added: readonly number[] }> {
  await source.ask('push', STAGE_FPS, isRaw);
  await paired.ask('connect', ports.slice(0, 2));
  await delay(settleMs(SETTLE_MS, effort));
  await paired.ask('start');
  await delay(effort.seconds * 1000);
  const result = await paired.ask('stop');
  await paired.ask('disconnect');
  await source.ask('push', STAGE_FPS, false);
  requireFrames(result.added.length);
  return result;
}

/** Copies of the payload per frame, at the gateway of the source and at another one, by JavaScript. */
async function measureCopies(
  [source, other]: readonly [BenchProcess<ClusterGateway>, BenchProcess<ClusterGateway>],
  paired: BenchProcess<PairedViewers>,
  ports: readonly number[],
  isRaw: boolean,
  effort: BenchEffort,
): Promise<{ readonly sent: number; readonly received: number }> {
  await source.ask('push', SLOW_FPS, isRaw);
  await paired.ask('connect', ports.slice(0, 2));
  await delay(settleMs(SETTLE_MS, effort));
  await Promise.all([source.ask('watchCopies'), other.ask('watchCopies'), source.ask('start')]);
  await delay(isTrial(effort) ? TRIAL_COPIES_MS : COPIES_MS);
  const [sent, received, { pushed }] = await Promise.all([
    source.ask('copies'),
    other.ask('copies'),
    source.ask('stop'),
  ]);
  await paired.ask('disconnect');
  await source.ask('push', STAGE_FPS, false);
  requireFrames(pushed);
  const perFrame = pushed * (isRaw ? RAW_BYTES : PAYLOAD_BYTES);
  return { sent: sent / perFrame, received: received / perFrame };
}
