import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../helpers/free-port.ts';
import { alternate, type Bench, type BenchOptions } from './bench.ts';
import { Disposables } from '../helpers/disposables.ts';
import type { Kind, NativeGateway } from './native-gateway.ts';
import { type Figures, NativePeer } from './native-peer.ts';
import { BenchProcess } from './processes.ts';
import { makePicture, type PictureSize } from './python.ts';
import { ARTIFACTS } from './report-files.ts';
import type { Line, Report } from './report.ts';
import { formatCount } from './report-text.ts';
import { median, requireFrames } from './statistics.ts';

const SIZE: PictureSize = { width: 1280, height: 720, kilobytes: 100 };

const CLIENT_COUNTS = [1, 2, 4];

/** Number of clients with which NetGear's own server is also measured, for comparison. */
const COMPARED_CLIENTS = 2;

const SERVER = 'NetGear server';

/** Targets relative to NetGear's server, which encodes JPEGs for each client, and copies raw frames. */
const TARGETS = { jpeg: 3, raw: 1.4 } as const;

const KINDS = ['jpeg', 'raw'] as const;

const NAMES = { jpeg: 'JPEG', raw: 'raw' } as const;

/** Time between a server's first frame and the measurement. */
const SETTLE_MS = 500;

/** Share of a core above which a process may limit the rate. */
const BUSY = 0.9;

interface Picture {
  readonly shape: readonly number[];
  /** The picture as JPEG, in base64, like `raw`. */
  readonly jpeg: string;
  readonly raw: string;
}

interface Measurement {
  /** Mean of the clients. */
  readonly framesPerSecond: number;
  /** CPU time of the server per frame received by a client. */
  readonly cpuUsPerFrame: number;
  readonly serverCores: number;
  readonly clientCores: number;
}

type Contestant = 'Gearway' | typeof SERVER;

interface Row {
  readonly clients: number;
  readonly kind: Kind;
  readonly measured: Readonly<Partial<Record<Contestant, readonly Measurement[]>>>;
}

/** A server that sends to the clients while it is measured, and reports its usage. */
interface Sender {
  start(): Promise<void>;
  /** @returns its CPU time and the time in which it was used. */
  stop(): Promise<{ readonly cpuUs: number; readonly elapsedMs: number }>;
}

/** Compares real NetGear clients of the gateway with those of NetGear's own server. */
export const native: Bench = {
  name: 'native',
  summary: 'fps per client for real NetGear clients, compared with a real NetGear server',
  effort: { rounds: 10, seconds: 3 },
  async run(options) {
    const [jpeg, raw] = await Promise.all([makePicture(SIZE, 'jpeg'), makePicture(SIZE, 'samples')]);
    const picture = { shape: [SIZE.height, SIZE.width, 3], jpeg: jpeg.toString('base64'), raw: raw.toString('base64') };
    const rows: Row[] = [];
    const notes: string[] = [];
    for (const count of options.viewers ?? CLIENT_COUNTS) {
      process.stderr.write(`  ${count} clients …\n`);
      const measured = await measureClients(picture, count, options);
      rows.push(...measured.rows);
      notes.push(...measured.notes);
    }
    return report(picture, rows, notes);
  },
};

async function measureClients(
  picture: Picture,
  count: number,
  options: BenchOptions,
): Promise<{ rows: Row[]; notes: string[] }> {
  const ports = await freePorts(count);
  await using processes = new Disposables();
  const clients = ports.map((port) => processes.use(new NativePeer('native_client.py', { port })));
  const gateway = processes.use(
    new BenchProcess<NativeGateway>(
      './native-gateway.ts',
      options.cpuProfile ? ['--cpu-prof', `--cpu-prof-dir=${ARTIFACTS}`] : [],
    ),
  );
  // Both servers are always connected to the clients, but only one of them sends at a time.
  const server = (raw: boolean): NativePeer =>
    processes.use(new NativePeer('native_server.py', { ...SIZE, ports, raw }));
  const servers = count === COMPARED_CLIENTS ? { jpeg: server(false), raw: server(true) } : null;
  await Promise.all(
    [...clients, ...(servers === null ? [] : Object.values(servers))].map((peer) => peer.waitFor('ready')),
  );
  await gateway.ask('open', ports, picture);

  const measure = (sender: Sender) => () => measureSender(sender, clients, options.seconds);
  const measurements: Record<string, () => Promise<Measurement>> = {};
  for (const kind of KINDS) {
    measurements[`${kind} Gearway`] = measure(gatewaySender(gateway, kind));
    if (servers !== null) measurements[`${kind} ${SERVER}`] = measure(serverSender(servers[kind]));
  }
  const measured = await alternate(options.rounds, measurements);
  return {
    rows: KINDS.map((kind) => ({ clients: count, kind, measured: contestants(measured, kind) })),
    notes: (await gateway.ask('reasons')).map(
      (reason) => `${formatCount(count, 'client')}, Gearway: a client ${reason}.`,
    ),
  };
}

function contestants(measured: Readonly<Record<string, readonly Measurement[]>>, kind: Kind): Row['measured'] {
  return Object.fromEntries(
    Object.entries(measured).flatMap(([name, values]) =>
      name.startsWith(`${kind} `) ? [[name.slice(kind.length + 1), values]] : [],
    ),
  );
}

function gatewaySender(gateway: BenchProcess<NativeGateway>, kind: Kind): Sender {
  return {
    async start() {
      await gateway.ask('serve', kind);
      await delay(SETTLE_MS);
      await gateway.ask('start');
    },
    async stop() {
      const usage = await gateway.ask('stop');
      await gateway.ask('serve', null);
      return usage;
    },
  };
}

function serverSender(server: NativePeer): Sender {
  let before: Figures = { frames: 0, seconds: 0, cpuSeconds: 0 };
  return {
    async start() {
      await server.ask('go');
      await delay(SETTLE_MS);
      before = await server.ask('figures');
    },
    async stop() {
      const after = await server.ask('rest');
      return {
        cpuUs: (after.cpuSeconds - before.cpuSeconds) * 1e6,
        elapsedMs: (after.seconds - before.seconds) * 1000,
      };
    },
  };
}

async function measureSender(sender: Sender, clients: readonly NativePeer[], seconds: number): Promise<Measurement> {
  const figures = (): Promise<Figures[]> => Promise.all(clients.map((client) => client.ask('figures')));
  await sender.start();
  const before = await figures();
  await delay(seconds * 1000);
  const after = await figures();
  const { cpuUs, elapsedMs } = await sender.stop();
  const rates = after.map((now, i) => rate(before[i] ?? now, now));
  const framesPerSecond = rates.reduce((sum, { frames }) => sum + frames, 0) / rates.length;
  requireFrames(framesPerSecond);
  const serverCores = cpuUs / 1000 / elapsedMs;
  return {
    framesPerSecond,
    serverCores,
    cpuUsPerFrame: (serverCores * 1e6) / (framesPerSecond * clients.length),
    clientCores: rates.reduce((sum, { cores }) => sum + cores, 0),
  };
}

/** Difference of two readings, per second of its own clock. */
function rate(before: Figures, after: Figures): { frames: number; cores: number } {
  const seconds = after.seconds - before.seconds;
  return { frames: (after.frames - before.frames) / seconds, cores: (after.cpuSeconds - before.cpuSeconds) / seconds };
}

function report({ jpeg, raw, shape }: Picture, rows: readonly Row[], notes: readonly string[]): Report {
  const kilobytes = (base64: string): string => (Buffer.byteLength(base64, 'base64') / 1000).toFixed(0);
  return {
    method: `Real NetGear clients (VidGear, multi-clients mode, pattern 1), a process each, that receive every frame and discard it. The gateway gets ready-made frames of ${shape[1]}×${shape[0]}, JPEG of ${kilobytes(jpeg)} KB or raw of ${kilobytes(raw)} KB, as fast as its clients accept them. A NetGear server in multi-clients mode gets the same picture as an array. It sends the array to its clients in turn, as JPEG by its default or raw.`,
    lines: rows.flatMap(lines),
    notes: [...rows.flatMap(limits), ...notes],
  };
}

function lines({ clients, kind, measured }: Row): Line[] {
  const series = (key: 'framesPerSecond' | 'cpuUsPerFrame'): Line['series'] =>
    Object.entries(measured).map(([name, values]) => ({ name, values: values.map((value) => value[key]) }));
  const what = `${formatCount(clients, 'client')}, ${NAMES[kind]}`;
  return [
    {
      what,
      unit: 'fps per client',
      series: series('framesPerSecond'),
      targets: SERVER in measured ? [{ is: 'ratio', to: SERVER, atLeast: TARGETS[kind] }] : [],
    },
    { what, unit: 'CPU µs per frame', series: series('cpuUsPerFrame') },
  ];
}

/** Load of server and clients, which shows the bottleneck. */
function limits({ clients, kind, measured }: Row): string[] {
  return Object.entries(measured).map(([name, measurements]) => {
    const server = median(measurements.map(({ serverCores }) => serverCores));
    const client = median(measurements.map(({ clientCores }) => clientCores));
    const busy = `${name} ${server.toFixed(2)} cores, the clients ${client.toFixed(2)}`;
    const cores = availableParallelism();
    return `${formatCount(clients, 'client')}, ${NAMES[kind]}: ${busy}${server < BUSY && server + client >= BUSY * cores ? `, of ${cores}: the clients' work is the limit, not the server` : ''}.`;
  });
}
