import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../helpers/free-port.ts';
import type { Bench } from './bench.ts';
import type { FrameName, FrameSource } from './frame-source.ts';
import type { Memory, MemoryGateway } from './memory-gateway.ts';
import { BenchProcess } from './processes.ts';
import type { Line } from './report.ts';
import { slope } from './statistics.ts';
import type { StillViewers } from './still-viewers.ts';
import type { Viewers } from './viewers.ts';
import { PAYLOAD_BYTES } from './wire.ts';

const KB = 1000;
const MB = 1e6;

/** Target for the memory of a paused viewer: its socket, its WebSocket and its state. */
const IDLE_KB = 60;
const IDLE_COUNTS = [100, 1000];

/** Maximum number of frames in flight to a viewer that reads nothing. All viewers share these frames. */
const WINDOW = 8;
const STUCK_COUNT = 200;

/**
 * Frames that the kernel does not buffer, so that the gateway has to keep them: a window of two or three, and the
 * latest one.
 */
const LARGE_STUCK_COUNT = 20;
const LARGE_FRAMES = 4;
const LARGE_BYTES = 1280 * 720 * 3;

/**
 * Maximum number of viewers before the first reading: as many as connect concurrently, so that one-time allocations of
 * a crowd are not attributed to further viewers.
 */
const FIRST_VIEWERS = 50;

const FRAMES_PER_SECOND = 30;

/** Time between connecting viewers and the reading. Stuck viewers are disconnected after 10 s. */
const SETTLE_MS = 1000;

const LOAD_VIEWERS = 10;

/** Viewers that connect and leave with each sample of the long run, so that a leak per viewer adds up. */
const PASSING_VIEWERS = 5;

const SAMPLES = 180;
const MIN_SAMPLE_MS = 100;
const MAX_SAMPLE_MS = 2000;

/** Share of the long run, at its start, that is not counted, because heaps first grow to their final size. */
const WARM_UP_SHARE = 1 / 6;

/**
 * Slope in MB per hour that counts as flat. With thousands of frames per second, a leak of the smallest object (16
 * bytes) in every tenth frame exceeds it, and so do 2 KB per viewer that connected and left.
 */
const FLAT = 10;

/** Duration below which the slope of a run is not evaluated, because garbage collection dominates it. */
const JUDGED_FROM_S = 600;

/** Memory of the gateway's process per viewer, and its slope under load. */
export const memory: Bench = {
  name: 'memory',
  summary: 'KB per idle and per stuck viewer; MB per hour at full load, in one run of the given seconds',
  effort: { rounds: 5, seconds: 60 },
  async run({ rounds, seconds, viewers }) {
    const counts = (viewers ?? IDLE_COUNTS).toSorted((a, b) => a - b);
    const most = counts.at(-1) ?? 0;
    const first = Math.min(FIRST_VIEWERS, most);
    const stuckCount = Math.min(STUCK_COUNT, most);
    const largeCount = Math.min(LARGE_STUCK_COUNT, most);
    await using source = new BenchProcess<FrameSource>('./frame-source.ts');
    await using still = new BenchProcess<StillViewers>('./still-viewers.ts');
    await using watching = new BenchProcess<Viewers>('./viewers.ts');
    await using passing = new BenchProcess<Viewers>('./viewers.ts');
    const peers: Peers = { source, still, watching, passing, first };
    process.stderr.write('  idle viewers …\n');
    const idle = await repeat(rounds, () => measureIdle(peers, counts));
    process.stderr.write('  stuck viewers …\n');
    const stuck = await repeat(rounds, () => measureStuck(peers, stuckCount, 'jpeg'));
    const large = await repeat(rounds, () => measureStuck(peers, largeCount, 'raw'));
    process.stderr.write('  long run …\n');
    const run = await measureLoad(peers, seconds);
    const total = (grown: readonly Memory[]): Memory[] =>
      grown.map(({ residentBytes, usedBytes }) => ({
        residentBytes: residentBytes * largeCount,
        usedBytes: usedBytes * largeCount,
      }));
    return {
      method: `The gateway runs in its own process and gets frames of ${PAYLOAD_BYTES / KB} KB from a NetGear server at ${FRAMES_PER_SECOND} fps. Viewers: its additional memory, after a garbage collection, compared with the first ${first}; each round is a new process. Socket buffers in the kernel are not included. Long run: as many frames as the gateway accepts, ${LOAD_VIEWERS} viewers that receive as many as they can, and ${PASSING_VIEWERS} that connect and disconnect with each sample.`,
      lines: [
        ...counts.map((count, i): Line => ({
          what: `${count} paused viewers`,
          unit: 'KB per viewer',
          digits: 1,
          series: series(
            idle.flatMap((round) => round[i] ?? []),
            KB,
          ),
          targets: [{ is: 'value', atMost: IDLE_KB }],
        })),
        {
          what: `${stuckCount} viewers that read nothing`,
          unit: 'KB per viewer',
          digits: 1,
          series: series(stuck, KB),
          targets: [{ is: 'value', atMost: IDLE_KB + (WINDOW * PAYLOAD_BYTES) / KB / stuckCount }],
        },
        {
          what: `${largeCount} viewers that read nothing of ${(LARGE_BYTES / MB).toFixed(1)} MB frames`,
          unit: 'MB in total',
          digits: 1,
          series: series(total(large), MB),
          targets: [{ is: 'value', atMost: Math.round((LARGE_FRAMES * LARGE_BYTES) / MB) }],
        },
        {
          what: 'long run',
          unit: 'MB',
          digits: 1,
          series: series(
            run.samples.map(([, sample]) => sample),
            MB,
          ),
        },
        {
          what: 'long run, slope',
          unit: 'MB per hour',
          digits: 1,
          series: slopes(run.samples),
          targets: seconds >= JUDGED_FROM_S ? [{ is: 'value', atMost: FLAT }] : [],
        },
      ],
      notes: [
        ...longRunNotes(run),
        ...(seconds >= JUDGED_FROM_S
          ? []
          : [
              `A long run of ${seconds} s is too short to judge its slope: from ${JUDGED_FROM_S} s on, at most ${FLAT} MB per hour count as flat.`,
            ]),
      ],
    };
  },
};

/** Runs the measurements one after another, each in a separate process. */
async function repeat<T>(rounds: number, measure: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (let round = 0; round < rounds; round += 1) results.push(await measure());
  return results;
}

function series(values: readonly Memory[], unit: number): Line['series'] {
  return [
    { name: 'Gearway', values: values.map(({ residentBytes }) => residentBytes / unit) },
    { name: 'of that, heap and buffers', values: values.map(({ usedBytes }) => usedBytes / unit) },
  ];
}

/**
 * Load of the measurement. Each one uses a new gateway process, because a process does not release all of its memory.
 */
interface Peers {
  readonly source: BenchProcess<FrameSource>;
  readonly still: BenchProcess<StillViewers>;
  readonly watching: BenchProcess<Viewers>;
  readonly passing: BenchProcess<Viewers>;
  /** Number of viewers before the first reading. */
  readonly first: number;
}

type Gateway = BenchProcess<MemoryGateway>;

function startGateway(): Gateway {
  return new BenchProcess<MemoryGateway>('./memory-gateway.ts', ['--expose-gc']);
}

/** @returns the port for viewers, once the gateway has a frame. */
async function feed(
  gateway: Gateway,
  { source }: Peers,
  frame: FrameName,
  framesPerSecond: number | null,
): Promise<number> {
  const [sourcePort = 0] = await freePorts(1);
  const port = await gateway.ask('listen', sourcePort);
  await source.ask('send', sourcePort, frame, framesPerSecond);
  return port;
}

/** @returns the memory per viewer, for each of the counts. */
async function measureIdle(peers: Peers, counts: readonly number[]): Promise<Memory[]> {
  await using gateway = startGateway();
  const port = await feed(gateway, peers, 'jpeg', FRAMES_PER_SECOND);
  const connect = (count: number): Promise<void> => peers.still.ask('connect', port, count, { want: { paused: true } });
  await connect(peers.first);
  await delay(SETTLE_MS);
  const before = await gateway.ask('memory', true);
  const each: Memory[] = [];
  let connected = 0;
  for (const count of counts) {
    await connect(count - connected);
    connected = count;
    await delay(SETTLE_MS);
    each.push(added(before, await gateway.ask('memory', true), count));
  }
  await leave(peers);
  return each;
}

/** @returns the memory per viewer. */
async function measureStuck(peers: Peers, count: number, frame: FrameName): Promise<Memory> {
  await using gateway = startGateway();
  const port = await feed(gateway, peers, frame, FRAMES_PER_SECOND);
  const connect = (viewers: number): Promise<void> =>
    peers.still.ask('connect', port, viewers, { want: { raw: true } });
  await connect(peers.first);
  await delay(SETTLE_MS);
  const before = await gateway.ask('memory', true);
  await connect(count);
  await peers.still.ask('stall');
  await delay(SETTLE_MS);
  const after = await gateway.ask('memory', true);
  await leave(peers);
  return added(before, after, count);
}

async function leave({ source, still }: Peers): Promise<void> {
  await still.ask('disconnect');
  await source.ask('rest');
}

function added(before: Memory, after: Memory, count: number): Memory {
  return {
    residentBytes: (after.residentBytes - before.residentBytes) / count,
    usedBytes: (after.usedBytes - before.usedBytes) / count,
  };
}

interface LongRun {
  /** Samples after the warm-up, with the hours since the start. No garbage collection is forced for them. */
  readonly samples: readonly (readonly [hours: number, Memory])[];
  readonly framesPerSecond: number;
  readonly passed: number;
}

async function measureLoad(peers: Peers, seconds: number): Promise<LongRun> {
  const { watching, passing } = peers;
  await using gateway = startGateway();
  const port = await feed(gateway, peers, 'jpeg', null);
  await watching.ask('connect', port, LOAD_VIEWERS);
  await watching.ask('start');
  const sampleMs = Math.min(MAX_SAMPLE_MS, Math.max(MIN_SAMPLE_MS, (seconds * 1000) / SAMPLES));
  const samples: (readonly [number, Memory])[] = [];
  let passed = 0;
  const startMs = performance.now();
  for (let nextMs = startMs; nextMs < startMs + seconds * 1000; nextMs += sampleMs) {
    await delay(Math.max(0, nextMs - performance.now()));
    await passing.ask('connect', port, PASSING_VIEWERS);
    await passing.ask('disconnect');
    passed += PASSING_VIEWERS;
    const now = performance.now() - startMs;
    if (now >= seconds * 1000 * WARM_UP_SHARE) samples.push([now / 3.6e6, await gateway.ask('memory', false)]);
  }
  const { frames, elapsedMs } = await watching.ask('stop');
  return { samples, framesPerSecond: (frames * 1000) / elapsedMs, passed };
}

function slopes(samples: LongRun['samples']): Line['series'] {
  const of = (key: keyof Memory): number => slope(samples.map(([hours, sample]) => [hours, sample[key] / MB]));
  return [
    { name: 'Gearway', values: [of('residentBytes')] },
    { name: 'of that, heap and buffers', values: [of('usedBytes')] },
  ];
}

function longRunNotes({ samples, framesPerSecond, passed }: LongRun): string[] {
  const sizes = samples.map(([, { residentBytes }]) => residentBytes / MB);
  return [
    `Long run: ${framesPerSecond.toFixed(0)} fps delivered, ${passed} viewers connected and disconnected; the process was ${Math.min(...sizes).toFixed(0)} to ${Math.max(...sizes).toFixed(0)} MB large, including uncollected frames.`,
  ];
}
