/**
 * `npm run soak`: a gateway under a steady load of clients that connect and leave, and its resources over time and
 * afterwards.
 */
import { fork } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine } from '../bench/machine.ts';
import { percentile } from '../bench/statistics.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { type ClientReport, PythonPeer, VGA } from '../helpers/peers.ts';
import { type ProcessFigures, readFigures } from './process-figures.ts';
import { Prober } from './prober.ts';
import { formatSlope, isFlat, regress } from './regression.ts';
import type { SoakClientsOrder, SoakClientsReport } from './soak-clients.ts';
import { until } from './test-bed.ts';

const USAGE = `usage: npm run soak -- [--minutes N] [--load N]
  --minutes  how long (30)
  --load     1 is 20 viewers of 720p at 30 frames per second, 2 real clients and a publisher (4)
`;

const ARTIFACTS = fileURLToPath(new URL('../.artifacts/', import.meta.url));

const SAMPLE_MS = 5000;

/**
 * Number of samples that are averaged to one point of the regression: adjacent samples are correlated, and would make
 * the interval too narrow.
 */
const SAMPLES_A_POINT = 6;

/** Maximum rise in MiB per minute: 10 MiB per hour, as in `npm run bench -- memory`. */
const NEGLIGIBLE = 10 / 60;

/** Real peers and the publisher are restarted in rotation, one at a time. */
const RESTART_MS = 30_000;

/** Tolerance for descriptors that vary. */
const SPARE_DESCRIPTORS = 8;

/** Ports are reserved for 30 s after their viewers have left. */
const SETTLE_MS = 45_000;

interface Sample extends ProcessFigures {
  readonly minutes: number;
}

/** The real peers, which are restarted in rotation. */
class Peers implements AsyncDisposable {
  readonly #starts: Readonly<Record<string, () => PythonPeer>>;
  readonly #running = new Map<string, PythonPeer>();
  restarts = 0;
  /** Number of frames received by clients that were ended. */
  #before = 0;
  /** Peers that ended unexpectedly. */
  readonly lost: string[] = [];
  #turn = 0;

  constructor(url: string, server: number, clients: readonly [number, number]) {
    const endless = 1_000_000_000;
    this.#starts = {
      server: () =>
        new PythonPeer('server.py', {
          port: server,
          bidirectional: true,
          frames: endless,
          fps: 30,
          quiet: true,
          ...VGA,
        }),
      'client of the server': () =>
        new PythonPeer('client.py', { port: clients[0], bidirectional: true, returns: { n: 1.5 }, ...VGA }),
      'client of main': () =>
        new PythonPeer('client.py', {
          port: clients[1],
          bidirectional: true,
          returns: { $array: 'float32', shape: [32, 32] },
          height: 720,
        }),
      publisher: () =>
        new PythonPeer('push_requests.py', {
          url: `${url}/streams/cam`,
          frames: endless,
          fps: 15,
          how: 'running',
          query: { takeOver: 'true' },
        }),
    };
    for (const [name, start] of Object.entries(this.#starts)) this.#running.set(name, start());
  }

  get frames(): number {
    return this.#before + [...this.#running.values()].reduce((sum, peer) => sum + count(peer), 0);
  }

  /** Kills the next peer, like a crash, and restarts it. */
  async restartNext(): Promise<void> {
    const names = Object.keys(this.#starts);
    const name = names[this.#turn % names.length] ?? '';
    this.#turn += 1;
    const peer = this.#running.get(name);
    const start = this.#starts[name];
    if (peer === undefined || start === undefined) return;
    if (!peer.isRunning) this.lost.push(`${name}: ${peer.stderr.all.slice(-4).join(' | ')}`);
    this.#before += count(peer);
    await peer[Symbol.asyncDispose]();
    this.#running.set(name, start());
    this.restarts += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((peer) => peer[Symbol.asyncDispose]()));
  }
}

function count(peer: PythonPeer): number {
  return peer.events<ClientReport>('progress').at(-1)?.count ?? 0;
}

async function soak(
  minutes: number,
  load: number,
): Promise<{ readonly text: string; readonly figures: object; readonly failures: readonly string[] }> {
  const [server = 0, served = 0, direct = 0] = await freePorts(3);
  const local = (port: number): string => `tcp://127.0.0.1:${port}?pattern=1`;
  await using gateway = await GatewayProcess.start(
    '--trust-proxy',
    'loopback',
    '--source',
    'main=test-pattern:?size=1280x720&fps=30',
    '--source',
    `real=netgear:${local(server)}`,
    '--source',
    'cam=push:',
    '--client',
    `real=${local(served)}`,
    '--client',
    `main=${local(direct)}`,
  );
  const url = await gateway.url;
  const port = Number(new URL(url).port);
  const pid = gateway.process.pid!;
  await delay(3000);
  const start = readFigures(pid);
  const samples: Sample[] = [];
  let report: SoakClientsReport | null = null;
  let restarts = 0;
  let lost: readonly string[] = [];
  let nativeFrames = 0;
  const failures: string[] = [];
  const startMs = performance.now();
  const elapsedMs = (): number => performance.now() - startMs;
  let probes: readonly number[] = [];
  {
    await using peers = new Peers(url, server, [served, direct]);
    using prober = new Prober(port, '192.0.2.3');
    const order: SoakClientsOrder = {
      port,
      viewers: 20 * load - 5 * load,
      returning: 5 * load,
      mjpeg: load,
      followers: load,
      snapshotsPerSecond: load,
    };
    const clients = fork(fileURLToPath(new URL('./soak-clients.ts', import.meta.url)));
    clients.on('message', (message) => (report = message as SoakClientsReport));
    const ended = new Promise<void>((resolve) => clients.once('exit', () => resolve()));
    clients.send(order);
    let restartAtMs = RESTART_MS;
    while (elapsedMs() < minutes * 60_000 && gateway.isRunning) {
      await delay(SAMPLE_MS);
      if (!gateway.isRunning) break;
      samples.push({ minutes: elapsedMs() / 60_000, ...readFigures(pid) });
      if (elapsedMs() > restartAtMs && elapsedMs() < minutes * 60_000 - RESTART_MS) {
        restartAtMs += RESTART_MS;
        await peers.restartNext();
      }
      if (samples.length % 12 === 0)
        process.stderr.write(
          `  ${(elapsedMs() / 60_000).toFixed(1)} min: ${samples.at(-1)!.residentMiB.toFixed()} MiB, ${samples.at(-1)!.descriptors} descriptors, ${JSON.stringify(report)}\n`,
        );
    }
    probes = prober.probes.map(({ tookMs }) => tookMs);
    if (prober.failures > 0) failures.push(`/healthz failed ${prober.failures} times`);
    clients.send('stop');
    await ended;
    ({ restarts, lost, frames: nativeFrames } = peers);
  }
  if (!gateway.isRunning)
    return {
      text: gateway.stderr.all.slice(-20).join('\n'),
      figures: {},
      failures: [`the gateway ended with ${String(gateway.process.exitCode)}`],
    };

  const isBack = (): boolean => readFigures(pid).descriptors <= start.descriptors + SPARE_DESCRIPTORS;
  await until(isBack, SETTLE_MS);
  await delay(1000);
  const end = readFigures(pid);
  if (end.descriptors > start.descriptors + SPARE_DESCRIPTORS)
    failures.push(`${end.descriptors} descriptors are open at the end, ${start.descriptors} were at the start`);
  if (end.closeWait > 0) failures.push(`${end.closeWait} sockets stay in CLOSE-WAIT`);
  if (lost.length > 0) failures.push(`real peers ended unexpectedly: ${lost.join('; ')}`);
  const late = samples.slice(Math.floor(samples.length / 2));
  const points = Array.from({ length: Math.floor(late.length / SAMPLES_A_POINT) }, (_, n) => {
    const some = late.slice(n * SAMPLES_A_POINT, (n + 1) * SAMPLES_A_POINT);
    return [mean(some.map((sample) => sample.minutes)), mean(some.map((sample) => sample.residentMiB))] as const;
  });
  const memory = points.length < 3 ? null : regress(points);
  if (memory !== null && !isFlat(memory, NEGLIGIBLE)) failures.push(`RSS rises: ${formatSlope(memory, 'MiB/min')}`);
  const trace = gateway.stderr.all.find((line) => /uncaught|unhandled|^\s+at .+:\d+:\d+\)?$/i.test(line));
  if (trace !== undefined) failures.push(`the log has an exception: ${trace}`);
  const healthz =
    probes.length === 0
      ? null
      : { p50: percentile(probes, 0.5), p99: percentile(probes, 0.99), max: Math.max(...probes) };
  const figures = {
    minutes,
    load,
    machine: describeMachine(),
    start,
    end,
    memory,
    healthz,
    clients: report,
    nativeFrames,
    restarts,
    samples,
  };
  const text = [
    `soak: ${minutes} min at load ${load}; ${restarts} restarts of real peers; ${JSON.stringify(report)}; ${nativeFrames} frames at real clients`,
    `RSS MiB: ${start.residentMiB.toFixed()} at the start, ${samples.at(-1)?.residentMiB.toFixed() ?? '–'} under load, ${end.residentMiB.toFixed()} at the end; second half ${memory === null ? 'too short for a slope' : formatSlope(memory, 'MiB/min')}`,
    `descriptors: ${start.descriptors} at the start, ${Math.max(0, ...samples.map(({ descriptors }) => descriptors))} at most, ${end.descriptors} at the end; CLOSE-WAIT ${end.closeWait}`,
    `healthz ms: ${healthz === null ? '–' : `p50 ${healthz.p50.toFixed()}, p99 ${healthz.p99.toFixed()}, max ${healthz.max.toFixed()}`}`,
  ].join('\n');
  return { text, figures, failures };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    load: { type: 'string', default: '4' },
    help: { type: 'boolean', default: false },
  },
});
const [minutes, load] = [Number(values.minutes), Number(values.load)];
if (values.help || !(minutes > 0) || !(load > 0)) {
  process.stdout.write(USAGE);
  process.exit(values.help ? 0 : 2);
}
console.log(describeMachine());
const { text, figures, failures } = await soak(minutes, load);
await mkdir(ARTIFACTS, { recursive: true });
const path = join(ARTIFACTS, 'soak.json');
await writeFile(path, JSON.stringify({ ...figures, failures }, null, 1));
console.log(`${text}\nfigures: ${path}`);
for (const failure of failures) console.log(`FOUND ${failure}`);
console.log(failures.length === 0 ? 'soak: nothing found' : `soak: ${failures.length} violations`);
process.exit(failures.length === 0 ? 0 : 1);
