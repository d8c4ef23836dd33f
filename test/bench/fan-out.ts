import { availableParallelism, cpus } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, BenchOptions } from './bench.ts';
import type { GatewayServer } from './gateway-server.ts';
import { BenchProcess } from './processes.ts';
import type { RawServer } from './raw-server.ts';
import { ARTIFACTS, describeMachine, formatMachine, formatPercent, formatRatio, formatSpread, formatTable, writeFigures } from './report.ts';
import { median, type Summary, summarize } from './statistics.ts';
import type { Viewers } from './viewers.ts';
import { PAYLOAD_BYTES } from './wire.ts';

const VIEWER_COUNTS = [1, 10, 100];

/** Between connecting and measuring: windows settle, code is compiled. */
const SETTLE_MS = 500;

/** Between two measurements, so that one server's sockets are gone before the other's come. */
const PAUSE_MS = 100;

/** The most frames that the gateway keeps in flight. */
const MAX_FRAMES_IN_FLIGHT = 8;

/** From this share of a core on, the viewers' processes may be what limits the rate. */
const VIEWERS_BUSY = 0.9;

/** One measurement of one server. */
interface Measurement {
  readonly framesPerSecond: number;
  /** Of the server's process. */
  readonly cpuUsPerFrame: number;
  /** Cores that the server's process kept busy. */
  readonly serverCores: number;
  /** Cores that the busiest of the viewers' processes kept busy. */
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
  /** Per viewer, of the raw sockets: what the gateway had in flight while warming up. */
  readonly rawFramesInFlight: number;
  readonly rounds: readonly Round[];
}

interface Processes {
  readonly gateway: BenchProcess<GatewayServer>;
  readonly gatewayPort: number;
  readonly raw: BenchProcess<RawServer>;
  readonly rawPort: number;
  readonly viewers: readonly BenchProcess<Viewers>[];
}

/** The whole gateway beside raw sockets that write the same bytes and read as many acknowledgements, in alternation. */
export const fanOut: Bench = {
  name: 'fan-out',
  summary: 'frames/s and CPU per delivered 100 KB frame, the whole gateway beside raw sockets',
  async run(options) {
    const machine = describeMachine();
    const { rounds, seconds, viewers = null } = options;
    console.log(`fan-out: frames of ${PAYLOAD_BYTES / 1000} KB to viewers that discard them, ${rounds} rounds, each ${seconds} s of the gateway and ${seconds} s of raw sockets`);
    console.log(`${formatMachine(machine)}\n`);

    const profileArgs = options.cpuProfile ? ['--cpu-prof', `--cpu-prof-dir=${ARTIFACTS}`] : [];
    await using gateway = new BenchProcess<GatewayServer>('./gateway-server.ts', profileArgs);
    await using raw = new BenchProcess<RawServer>('./raw-server.ts');
    await using viewers1 = new BenchProcess<Viewers>('./viewers.ts');
    const processes = { gateway, gatewayPort: await gateway.ask('listen'), raw, rawPort: await raw.ask('listen'), viewers: [viewers1] };

    const rows: Row[] = [];
    for (const count of viewers ?? VIEWER_COUNTS) rows.push(await measureRow(processes, count, options));
    console.log(formatRows(rows));
    const path = await writeFigures('fan-out', { machine, rounds, seconds, payloadBytes: PAYLOAD_BYTES, rows: rows.map((row) => ({ ...row, summary: summarizeRow(row) })) });
    console.log(`\nAll rounds: ${path}`);
  },
};
