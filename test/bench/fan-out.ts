import { cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, BenchOptions } from './bench.ts';
import type { GatewayServer } from './gateway-server.ts';
import { BenchProcess } from './processes.ts';
import type { RawServer } from './raw-server.ts';
import { ARTIFACTS, describeMachine, formatMachine, formatPercent, formatRatio, formatSpread, formatTable, writeFigures } from './report.ts';
import { median, type Summary, summarize } from './statistics.ts';
import type { Usage } from './usage-meter.ts';
import type { Viewers } from './viewers.ts';
import { PAYLOAD_BYTES } from './wire.ts';

const VIEWER_COUNTS = [1, 10, 100];

/** Between connecting and measuring: windows settle, code is compiled. */
const SETTLE_MS = 500;

/** Between two measurements, so that one server's sockets are gone before the other's come. */
const PAUSE_MS = 100;

/** Per viewer of the raw sockets: the gateway's own window for viewers on the same machine. What it used is shown beside. */
const RAW_FRAMES_IN_FLIGHT = 2;

/** From this share of a core on, the viewers' process is what limits the rate. */
const VIEWERS_BUSY = 0.9;

/** From this share of the machine on, other processes are worth a line. */
const OTHERS_BUSY = 0.05;

/** One measurement of one server. */
interface Measurement {
  readonly framesPerSecond: number;
  /** Of the server's process. */
  readonly cpuUsPerFrame: number;
  /** Cores that the server's process kept busy. */
  readonly serverCores: number;
  /** Cores that the viewers' process kept busy. */
  readonly viewerCores: number;
  /** Share of the machine that neither of them used but somebody else. */
  readonly othersShare: number;
}

interface Round {
  readonly gateway: Measurement & { readonly framesInFlight: number };
  readonly raw: Measurement;
}

interface Row {
  readonly viewers: number;
  readonly rounds: readonly Round[];
}

interface Processes {
  readonly gateway: BenchProcess<GatewayServer>;
  readonly gatewayPort: number;
  readonly raw: BenchProcess<RawServer>;
  readonly rawPort: number;
  readonly viewers: BenchProcess<Viewers>;
}

/** The whole gateway beside raw sockets that write the same bytes and read as many acknowledgements, in alternation. */
export const fanOut: Bench = {
  name: 'fan-out',
  summary: 'frames/s and CPU per delivered 100 KB frame, the whole gateway beside raw sockets',
  async run(options) {
    const machine = describeMachine();
    const { rounds, seconds, viewers } = options;
    console.log(`fan-out: frames of ${PAYLOAD_BYTES / 1000} KB to viewers that discard them; ${rounds} rounds, each ${seconds} s of the gateway and ${seconds} s of raw sockets`);
    console.log(`${formatMachine(machine)}\n`);

    const profileArgs = options.cpuProfile ? ['--cpu-prof', `--cpu-prof-dir=${ARTIFACTS}`] : [];
    await using gateway = new BenchProcess<GatewayServer>('./gateway-server.ts', profileArgs);
    await using raw = new BenchProcess<RawServer>('./raw-server.ts');
    await using viewersProcess = new BenchProcess<Viewers>('./viewers.ts');
    const processes = { gateway, gatewayPort: await gateway.ask('listen'), raw, rawPort: await raw.ask('listen', RAW_FRAMES_IN_FLIGHT), viewers: viewersProcess };

    const rows: Row[] = [];
    for (const count of viewers ?? VIEWER_COUNTS) {
      process.stderr.write(`${count} viewers …\n`);
      rows.push(await measureRow(processes, count, options));
    }
    console.log(formatTable([HEADING, ...rows.flatMap(formatRow)]));
    console.log('\nMedian (quartiles); ratio: of each round, median [interval of the median, 95 % from 6 rounds on].');
    for (const line of rows.flatMap(notes)) console.log(line);
    const path = await writeFigures('fan-out', { machine, rounds, seconds, payloadBytes: PAYLOAD_BYTES, rows: rows.map((row) => ({ ...row, ...summarizeRow(row) })) });
    console.log(`All rounds: ${path}`);
  },
};

async function measureRow(processes: Processes, viewers: number, { rounds, seconds }: BenchOptions): Promise<Row> {
  const gateway = (): Promise<Round['gateway']> => measureGateway(processes, viewers, seconds);
  const raw = (): Promise<Measurement> => measureRaw(processes, viewers, seconds);
  // Not counted: code is compiled.
  await gateway();
  await raw();
  const measured: Round[] = [];
  for (let i = 0; i < rounds; i += 1) {
    // In turns who is first, so that a drift of the machine favours neither.
    if (i % 2 === 0) measured.push({ gateway: await gateway(), raw: await raw() });
    else {
      const rawFirst = await raw();
      measured.push({ gateway: await gateway(), raw: rawFirst });
    }
  }
  return { viewers, rounds: measured };
}

async function measureGateway({ gateway, gatewayPort, viewers }: Processes, count: number, seconds: number): Promise<Round['gateway']> {
  const { roundTripMs, ...measurement } = await measure(gateway, viewers, gatewayPort, count, seconds);
  // Little's law: what is under way is the rate times the time that it takes.
  return { ...measurement, framesInFlight: ((measurement.framesPerSecond / count) * roundTripMs) / 1000 };
}

async function measureRaw({ raw, rawPort, viewers }: Processes, count: number, seconds: number): Promise<Measurement> {
  return measure(raw, viewers, rawPort, count, seconds);
}

/** What both servers answer to. */
type Server<U extends Usage> = { start(): void; stop(): U };

/** Has one server measured with so many viewers. What its `stop` says beyond the usage is passed on. */
async function measure<U extends Usage>(server: BenchProcess<Server<U>>, viewers: BenchProcess<Viewers>, port: number, count: number, seconds: number): Promise<Measurement & Omit<U, keyof Usage>> {
  await viewers.ask('connect', port, count);
  await delay(SETTLE_MS);
  const machineBefore = machineTimes();
  const ownBefore = process.cpuUsage();
  await Promise.all([server.ask('start'), viewers.ask('start')]);
  await delay(seconds * 1000);
  const [served, viewed] = await Promise.all([server.ask('stop') as Promise<U>, viewers.ask('stop')]);
  const own = process.cpuUsage(ownBefore);
  const machineAfter = machineTimes();
  await viewers.ask('disconnect');
  await delay(PAUSE_MS);

  const { elapsedMs, cpuUs, ...rest } = served;
  const framesPerSecond = (viewed.frames * 1000) / viewed.elapsedMs;
  const serverCores = cpuUs / 1000 / elapsedMs;
  const totalMs = machineAfter.totalMs - machineBefore.totalMs;
  const oursMs = (cpuUs + viewed.cpuUs + own.user + own.system) / 1000;
  return {
    ...rest,
    framesPerSecond,
    cpuUsPerFrame: (serverCores * 1e6) / framesPerSecond,
    serverCores,
    viewerCores: viewed.cpuUs / 1000 / viewed.elapsedMs,
    othersShare: Math.max(0, (machineAfter.busyMs - machineBefore.busyMs - oursMs) / totalMs),
  };
}

function machineTimes(): { busyMs: number; totalMs: number } {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    busyMs += times.user + times.nice + times.sys + times.irq;
    totalMs += times.user + times.nice + times.sys + times.irq + times.idle;
  }
  return { busyMs, totalMs };
}

interface RowSummary {
  readonly gateway: ServerSummary & { readonly framesInFlight: number };
  readonly raw: ServerSummary;
  /** Gateway to raw sockets, of each round. */
  readonly framesPerSecondRatio: Summary;
  readonly cpuUsPerFrameRatio: Summary;
  readonly othersShare: number;
}

interface ServerSummary {
  readonly framesPerSecond: Summary;
  readonly cpuUsPerFrame: Summary;
  readonly serverCores: number;
  readonly viewerCores: number;
}

function summarizeRow({ rounds }: Row): RowSummary {
  const ratio = (key: 'framesPerSecond' | 'cpuUsPerFrame'): Summary => summarize(rounds.map(({ gateway, raw }) => gateway[key] / raw[key]));
  return {
    gateway: { ...summarizeServer(rounds.map(({ gateway }) => gateway)), framesInFlight: median(rounds.map(({ gateway }) => gateway.framesInFlight)) },
    raw: summarizeServer(rounds.map(({ raw }) => raw)),
    framesPerSecondRatio: ratio('framesPerSecond'),
    cpuUsPerFrameRatio: ratio('cpuUsPerFrame'),
    othersShare: median(rounds.flatMap(({ gateway, raw }) => [gateway.othersShare, raw.othersShare])),
  };
}

function summarizeServer(measurements: readonly Measurement[]): ServerSummary {
  return {
    framesPerSecond: summarize(measurements.map(({ framesPerSecond }) => framesPerSecond)),
    cpuUsPerFrame: summarize(measurements.map(({ cpuUsPerFrame }) => cpuUsPerFrame)),
    serverCores: median(measurements.map(({ serverCores }) => serverCores)),
    viewerCores: median(measurements.map(({ viewerCores }) => viewerCores)),
  };
}

const HEADING = ['viewers', 'measure', 'gateway', 'raw sockets', 'ratio'];

function formatRow(row: Row): string[][] {
  const { gateway, raw, framesPerSecondRatio, cpuUsPerFrameRatio } = summarizeRow(row);
  return [
    [String(row.viewers), 'frames/s', formatSpread(gateway.framesPerSecond), formatSpread(raw.framesPerSecond), formatRatio(framesPerSecondRatio)],
    ['', 'CPU µs per frame', formatSpread(gateway.cpuUsPerFrame, 1), formatSpread(raw.cpuUsPerFrame, 1), formatRatio(cpuUsPerFrameRatio)],
    ['', 'in flight per viewer', gateway.framesInFlight.toFixed(1), String(RAW_FRAMES_IN_FLIGHT), ''],
    ['', 'server / viewers busy', `${formatPercent(gateway.serverCores)} / ${formatPercent(gateway.viewerCores)}`, `${formatPercent(raw.serverCores)} / ${formatPercent(raw.viewerCores)}`, ''],
  ];
}

/** What a reader must know of a row before believing it. */
function notes(row: Row): string[] {
  const { gateway, raw, othersShare } = summarizeRow(row);
  const lines: string[] = [];
  for (const [name, { viewerCores }] of [['gateway', gateway], ['raw sockets', raw]] as const) {
    if (viewerCores >= VIEWERS_BUSY) lines.push(`${row.viewers} viewers, ${name}: the viewers' process is ${formatPercent(viewerCores)} busy, so the frames/s are its limit, not the server's. The CPU per frame holds.`);
  }
  if (othersShare >= OTHERS_BUSY) lines.push(`${row.viewers} viewers: other processes used ${formatPercent(othersShare)} of the machine meanwhile.`);
  return lines;
}
