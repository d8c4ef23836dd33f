import { setTimeout as delay } from 'node:timers/promises';
import { alternate, type Bench, type BenchOptions } from './bench.ts';
import { FRAMES_IN_FLIGHT } from './broadcast.ts';
import type { GatewayServer } from './gateway-server.ts';
import { MachineMeter } from './machine.ts';
import { compareWithMjpegServers } from './mjpeg-servers.ts';
import { BenchProcess } from './processes.ts';
import type { RawServer } from './raw-server.ts';
import { ARTIFACTS } from './report-files.ts';
import type { Line, Report, Target } from './report.ts';
import { formatCount, formatPercent } from './report-text.ts';
import { median, requireFrames } from './statistics.ts';
import type { Usage } from './usage-meter.ts';
import type { Viewers } from './viewers.ts';
import { PAYLOAD_BYTES } from './wire.ts';
import type { WsServer } from './ws-server.ts';

const VIEWER_COUNTS = [1, 10, 100, 500, 1000];

/** Number of viewers with which MJPEG servers are compared. */
const PEER_VIEWERS = 100;

/** Time between connecting and measuring, in which windows settle and code is compiled. */
const SETTLE_MS = 500;

/**
 * Time between two measurements, so that the sockets of one server are closed before those of the next server are
 * opened.
 */
const PAUSE_MS = 100;

/** Share of a core above which the viewers' process limits the rate. */
const VIEWERS_BUSY = 0.9;

/** Share of the machine above which other processes are reported. */
const OTHERS_BUSY = 0.05;

/** Minimum number of viewers for the CPU target: with fewer, the iterations of the event loop dominate. */
const CPU_TARGET_FROM = 10;

/** One measurement of one server. */
interface Measurement {
  readonly framesPerSecond: number;
  /** CPU time of the server's process. */
  readonly cpuUsPerFrame: number;
  readonly framesInFlight: number;
  /** Cores used by the server's process and by the viewers' process. */
  readonly serverCores: number;
  readonly viewerCores: number;
  /** Share of the machine that other processes used. */
  readonly othersShare: number;
  readonly usage: Usage;
}

type ServerName = 'Gearway' | 'ws' | 'raw sockets';

interface Row {
  readonly viewers: number;
  readonly measured: Readonly<Record<ServerName, readonly Measurement[]>>;
}

/** Calls that every server answers. Only the gateway measures the round trips of the viewers. */
type Server = { start(): void; stop(): Usage & { readonly roundTripMs?: number } };

interface Contestant {
  readonly server: BenchProcess<Server>;
  readonly port: number;
}

/**
 * Compares the whole gateway with minimal servers on ws and raw sockets, in alternation, with the same bytes and the
 * same number of acknowledgements.
 */
export const fanOut: Bench = {
  name: 'fan-out',
  summary: 'fps and CPU per delivered 100 KB frame, the whole gateway compared with ws and raw sockets',
  effort: { rounds: 10, seconds: 1 },
  async run(options) {
    const profileArgs = options.cpuProfile ? ['--cpu-prof', `--cpu-prof-dir=${ARTIFACTS}`] : [];
    await using gateway = new BenchProcess<GatewayServer>('./gateway-server.ts', profileArgs);
    await using ws = new BenchProcess<WsServer>('./ws-server.ts');
    await using raw = new BenchProcess<RawServer>('./raw-server.ts');
    await using viewers = new BenchProcess<Viewers>('./viewers.ts');
    const contestants: Record<ServerName, Contestant> = {
      Gearway: { server: gateway, port: await gateway.ask('listen') },
      ws: { server: ws, port: await ws.ask('listen') },
      'raw sockets': { server: raw, port: await raw.ask('listen') },
    };
    const rows: Row[] = [];
    for (const count of options.viewers ?? VIEWER_COUNTS) {
      process.stderr.write(`  ${count} viewers …\n`);
      rows.push(await measureRow(contestants, viewers, count, options));
    }
    const peerViewers = options.viewers?.at(-1) ?? PEER_VIEWERS;
    process.stderr.write(`  ${peerViewers} viewers, MJPEG servers …\n`);
    const peers = await compareWithMjpegServers(
      async () => (await measure(contestants.Gearway, viewers, peerViewers, options.seconds)).framesPerSecond,
      peerViewers,
      options,
    );
    return report(rows, peers);
  },
};

async function measureRow(
  contestants: Record<ServerName, Contestant>,
  viewers: BenchProcess<Viewers>,
  count: number,
  { rounds, seconds }: BenchOptions,
): Promise<Row> {
  const measured = await alternate(rounds, {
    Gearway: () => measure(contestants.Gearway, viewers, count, seconds),
    ws: () => measure(contestants.ws, viewers, count, seconds),
    'raw sockets': () => measure(contestants['raw sockets'], viewers, count, seconds),
  });
  return { viewers: count, measured };
}

/** Measures one server with `count` viewers. */
async function measure(
  { server, port }: Contestant,
  viewers: BenchProcess<Viewers>,
  count: number,
  seconds: number,
): Promise<Measurement> {
  await viewers.ask('connect', port, count);
  await delay(SETTLE_MS);
  const machine = new MachineMeter();
  const ownBefore = process.cpuUsage();
  await Promise.all([server.ask('start'), viewers.ask('start')]);
  await delay(seconds * 1000);
  const [usage, viewed] = await Promise.all([server.ask('stop'), viewers.ask('stop')]);
  const own = process.cpuUsage(ownBefore);
  const othersShare = machine.stop((usage.cpuUs + viewed.cpuUs + own.user + own.system) / 1000);
  await viewers.ask('disconnect');
  await delay(PAUSE_MS);
  requireFrames(viewed.frames);

  const framesPerSecond = (viewed.frames * 1000) / viewed.elapsedMs;
  const serverCores = usage.cpuUs / 1000 / usage.elapsedMs;
  return {
    framesPerSecond,
    cpuUsPerFrame: (serverCores * 1e6) / framesPerSecond,
    // Little's law: the number in flight is the rate times the round trip.
    framesInFlight:
      usage.roundTripMs === undefined ? FRAMES_IN_FLIGHT : ((framesPerSecond / count) * usage.roundTripMs) / 1000,
    serverCores,
    viewerCores: viewed.cpuUs / 1000 / viewed.elapsedMs,
    othersShare,
    usage,
  };
}

function report(rows: readonly Row[], peers: { readonly line: Line; readonly notes: readonly string[] }): Report {
  return {
    method: `Frames of ${PAYLOAD_BYTES / 1000} KB to viewers in one process that read and acknowledge each, and keep nothing; ws and raw sockets write a ready-made frame to each, two in flight, and do nothing else. WebGear and go2rtc send MJPEG over HTTP.`,
    lines: [...rows.flatMap(lines), peers.line],
    notes: [...rows.flatMap(notes), ...peers.notes],
  };
}

function lines({ viewers, measured }: Row): Line[] {
  const series = (key: 'framesPerSecond' | 'cpuUsPerFrame'): Line['series'] =>
    Object.entries(measured).map(([name, values]) => ({ name, values: values.map((value) => value[key]) }));
  const cpuTargets: Target[] = viewers >= CPU_TARGET_FROM ? [{ is: 'ratio', to: 'raw sockets', atMost: 1.3 }] : [];
  return [
    {
      what: formatCount(viewers, 'viewer'),
      unit: 'fps',
      series: series('framesPerSecond'),
      targets: [{ is: 'ratio', to: 'raw sockets', atLeast: 0.85 }],
    },
    {
      what: formatCount(viewers, 'viewer'),
      unit: 'CPU µs per frame',
      digits: 1,
      series: series('cpuUsPerFrame'),
      targets: cpuTargets,
    },
  ];
}

/** Notes for the interpretation of a row. */
function notes({ viewers, measured }: Row): string[] {
  const found: string[] = [];
  for (const [name, measurements] of Object.entries(measured)) {
    const share = median(measurements.map(({ viewerCores }) => viewerCores));
    if (share >= VIEWERS_BUSY)
      found.push(
        `${formatCount(viewers, 'viewer')}, ${name}: the viewers' process is ${formatPercent(share)} busy, so the fps are limited by it, not by the server. The CPU per frame is not affected.`,
      );
  }
  const others = median(
    Object.values(measured).flatMap((measurements) => measurements.map(({ othersShare }) => othersShare)),
  );
  if (others >= OTHERS_BUSY)
    found.push(
      `${formatCount(viewers, 'viewer')}: other processes used ${formatPercent(others)} of the machine during the measurement.`,
    );
  const of = (pick: (measurement: Measurement) => number): number => median(measured.Gearway.map(pick));
  found.push(
    `${formatCount(viewers, 'viewer')}, Gearway: ${of((m) => m.framesInFlight).toFixed(1)} frames in flight per viewer; garbage collection took ${formatPercent(of((m) => m.usage.gcMs / m.usage.elapsedMs))} of the time, at most ${of((m) => m.usage.longestGcMs).toFixed(1)} ms per pause; event-loop delay p99 ${of((m) => m.usage.loopDelayMs).toFixed(1)} ms; its process ${formatPercent(of((m) => m.serverCores))} busy.`,
  );
  return found;
}
