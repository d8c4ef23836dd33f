import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { symmetricLink } from '../helpers/shaped-relay.ts';
import { alternate, type Bench, type BenchEffort, settleMs } from './bench.ts';
import { Disposables } from '../helpers/disposables.ts';
import { delayGrowth } from './drawn.ts';
import type { FrameSource } from './frame-source.ts';
import type { LinkRelay } from './link-relay.ts';
import { BenchProcess, endWithBench } from './processes.ts';
import type { Line } from './report.ts';
import { median } from './statistics.ts';
import type { TimedViewers } from './timed-viewers.ts';
import { SMALL_PAYLOAD_BYTES } from './wire.ts';

const FPS = 60;
const FRAME_MS = 1000 / FPS;

const ROUND_TRIPS_MS = [0, 30, 80, 150];
const LEAST_FPS = 55;
/** Longest measured round trip at which the window of 8 frames does not limit the rate. */
const FAR_MS = 80;

const THIN = { roundTripMs: 20, bitsPerSecond: 8e6 };
/** Time in which the link transmits one frame: it carries 50 of 60 fps. */
const TRANSMISSION_MS = (SMALL_PAYLOAD_BYTES * 8000) / THIN.bitsPerSecond;

/** Factor by which the measurement with a thin link is longer, because queues grow slowly. */
const THIN_TIMES = 8;

/** Time for windows to settle: they grow by one frame per round trip. */
const SETTLE_MS = 2000;

interface Measurement {
  readonly framesPerSecond: number;
  readonly delayMs: number;
  /** Maximum increase of the latency from the first third to the last. */
  readonly growthMs: number;
}

/** Measures a distant viewer, and a viewer with a slow link. */
export const distance: Bench = {
  name: 'distance',
  summary: 'fps at 0, 30, 80 and 150 ms round trip; latency at 8 Mbit/s',
  effort: { rounds: 3, seconds: 5 },
  async run(effort) {
    const { rounds, seconds } = effort;
    await using processes = new Disposables();
    const relay = processes.use(new BenchProcess<LinkRelay>('./link-relay.ts'));
    const viewers = processes.use(new BenchProcess<TimedViewers>('./timed-viewers.ts'));
    const [large, small] = await Promise.all([startGateway(processes, 'jpeg'), startGateway(processes, 'small')]);
    const far = await Promise.all(
      ROUND_TRIPS_MS.map(
        async (roundTripMs) =>
          [`${roundTripMs} ms`, await relay.ask('open', large, symmetricLink({ delayMs: roundTripMs / 2 }))] as const,
      ),
    );
    const thinPort = await relay.ask(
      'open',
      small,
      symmetricLink({ delayMs: THIN.roundTripMs / 2, bitsPerSecond: THIN.bitsPerSecond }),
    );
    const measured = await alternate<string, Measurement>(rounds, {
      ...Object.fromEntries(far.map(([name, port]) => [name, () => measure(viewers, port, seconds, effort)])),
      thin: () => measure(viewers, thinPort, seconds * THIN_TIMES, effort),
    });
    const ours = (name: string, of: keyof Measurement): Line['series'] => [
      { name: 'Gearway', values: (measured[name] ?? []).map((measurement) => measurement[of]) },
    ];
    const thin = `${THIN.bitsPerSecond / 1e6} Mbit/s, ${THIN.roundTripMs} ms round trip, ${SMALL_PAYLOAD_BYTES / 1000} KB frames`;
    return {
      method: `${FPS} fps from a NetGear server to a viewer behind a relay that delays both directions, as a link without losses does; the viewer acknowledges each frame with its last byte. Frames have 100 KB. The slow link gets frames of ${SMALL_PAYLOAD_BYTES / 1000} KB for ${seconds * THIN_TIMES} s and carries ${1000 / TRANSMISSION_MS} of them per second. Latency: from a frame's arrival at the gateway until its last byte has reached the viewer.`,
      lines: [
        ...ROUND_TRIPS_MS.map((roundTripMs): Line => ({
          what: `${roundTripMs} ms round trip`,
          unit: 'fps',
          digits: 1,
          series: ours(`${roundTripMs} ms`, 'framesPerSecond'),
          targets: roundTripMs <= FAR_MS ? [{ is: 'value', atLeast: LEAST_FPS }] : [],
        })),
        ...ROUND_TRIPS_MS.map((roundTripMs): Line => ({
          what: `${roundTripMs} ms round trip, median latency`,
          unit: 'ms',
          digits: 1,
          series: ours(`${roundTripMs} ms`, 'delayMs'),
        })),
        { what: thin, unit: 'fps', digits: 1, series: ours('thin', 'framesPerSecond') },
        {
          what: `${thin}, latency of the last third minus that of the first`,
          unit: 'ms',
          digits: 1,
          series: ours('thin', 'growthMs'),
        },
        {
          what: `${thin}, median latency`,
          unit: 'ms',
          digits: 1,
          series: ours('thin', 'delayMs'),
          targets: [{ is: 'value', atMost: Math.round((2 * FRAME_MS + 2 * TRANSMISSION_MS) * 10) / 10 }],
        },
      ],
      notes: [
        "The relay is a process, because this kernel cannot delay packets: TCP's behaviour over distance (slow start, losses) is not in these figures.",
      ],
    };
  },
};

/** @returns the port of a gateway with a separate NetGear server. */
async function startGateway(processes: Disposables, frame: 'jpeg' | 'small'): Promise<number> {
  const [sourcePort = 0] = await freePorts(1);
  const gateway = processes.use(
    endWithBench(await GatewayProcess.start('--source', `netgear:tcp://127.0.0.1:${sourcePort}?pattern=1`)),
  );
  const source = processes.use(new BenchProcess<FrameSource>('./frame-source.ts'));
  await source.ask('send', sourcePort, frame, FPS);
  return Number(new URL(await gateway.url).port);
}

async function measure(
  viewers: BenchProcess<TimedViewers>,
  port: number,
  seconds: number,
  effort: BenchEffort,
): Promise<Measurement> {
  await viewers.ask('connect', port, [0]);
  await delay(settleMs(SETTLE_MS, effort));
  await viewers.ask('start');
  await delay(seconds * 1000);
  const [{ drawn } = { drawn: [] }] = await viewers.ask('stop');
  await viewers.ask('disconnect');
  return {
    framesPerSecond: drawn.length / seconds,
    delayMs: median(drawn.map(({ delayMs }) => delayMs)),
    growthMs: delayGrowth(drawn, seconds),
  };
}
