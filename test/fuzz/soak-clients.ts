/** All clients of a soak, in a separate process, which reports its totals over IPC once per second. */
import { once, setMaxListeners } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import WebSocket from 'ws';
import { decodeGatewayMessage, encodeMessage, encodeReturn, PROTOCOL, type ReturnBody } from '../../shared/protocol.ts';
import { DiscardingViewer } from '../bench/discarding-viewer.ts';
import { createSamples } from './pictures.ts';
import { Random } from './random.ts';

/** Configuration of the clients. */
export interface SoakClientsOrder {
  readonly port: number;
  /** Viewers of `main` that connect and leave. */
  readonly viewers: number;
  /** Viewers of `real` that return data. */
  readonly returning: number;
  readonly mjpeg: number;
  readonly followers: number;
  readonly snapshotsPerSecond: number;
}

/** Totals since the start. */
export interface SoakClientsReport {
  readonly frames: number;
  readonly returned: number;
  readonly refused: number;
  readonly pictures: number;
  readonly snapshots: number;
  readonly events: number;
  /** Number of clients so far, including present ones. */
  readonly came: number;
  /** Number of ends that the client did not request. */
  readonly failures: number;
}

const totals = { frames: 0, returned: 0, refused: 0, pictures: 0, snapshots: 0, events: 0, came: 0, failures: 0 };
const stopping = new AbortController();
// Each permanent client adds a listener.
setMaxListeners(0, stopping.signal);
const samples = await createSamples();
const random = new Random('soak');

process.once('message', (order: SoakClientsOrder) => void run(order));
process.on('message', (message) => {
  if (message === 'stop') stopping.abort();
});
process.on('disconnect', () => process.exit(1));

async function run(order: SoakClientsOrder): Promise<void> {
  const reporting = setInterval(() => process.send?.({ ...totals } satisfies SoakClientsReport), 1000);
  await Promise.all([
    ...random.times(order.viewers, () => comeAndGo(() => watch(order.port))),
    ...random.times(order.returning, () => comeAndGo(() => watchAndReturn(order.port))),
    ...random.times(order.mjpeg, () =>
      comeAndGo(() => follow(order.port, '/streams/main/mjpeg', () => (totals.pictures += 1))),
    ),
    ...random.times(order.followers, () =>
      comeAndGo(() => follow(order.port, '/api/events', () => (totals.events += 1))),
    ),
    takeSnapshots(order.port, order.snapshotsPerSecond),
  ]);
  clearInterval(reporting);
  process.send?.({ ...totals } satisfies SoakClientsReport, () => process.disconnect());
}

/** Waits for about half a minute, or until the soak ends. */
async function stay(): Promise<void> {
  await delay(random.between(3000, 60_000), undefined, { signal: stopping.signal }).catch(() => undefined);
}

/** Runs one client after another: each is replaced when it leaves. */
async function comeAndGo(visit: () => Promise<void>): Promise<void> {
  while (!stopping.signal.aborted) {
    totals.came += 1;
    try {
      await visit();
    } catch {
      totals.failures += 1;
      await delay(500);
    }
  }
}

async function watch(port: number): Promise<void> {
  const viewer = new DiscardingViewer(port, { onFrame: () => (totals.frames += 1) });
  try {
    await viewer.ready;
    await stay();
    viewer.check();
  } finally {
    await viewer.close();
  }
}

async function watchAndReturn(port: number): Promise<void> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/streams/real/ws`, PROTOCOL, { perMessageDeflate: false });
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  await Promise.race([once(socket, 'open'), closed]);
  socket.on('message', (data: Buffer) => {
    const message = decodeGatewayMessage(data);
    if (message?.type === 'frame') {
      totals.frames += 1;
      socket.send(
        encodeMessage({
          type: 'ack',
          sequence: message.sequence,
          painted: message.sequence,
          skipped: 0,
          failed: 0,
          decodeMs: 0,
        }),
      );
    } else if (message?.type === 'returned') totals[message.accepted ? 'returned' : 'refused'] += 1;
  });
  socket.send(encodeMessage({ type: 'hello' }));
  let id = 0;
  const returning = setInterval(() => {
    id += 1;
    const { head, payload } = encodeReturn({
      type: 'return',
      id,
      mode: random.chance(0.2) ? 'once' : 'sticky',
      body: anyBody(),
    });
    socket.send(Buffer.concat([head, payload]));
  }, 250);
  try {
    await Promise.race([stay(), closed]);
    if (socket.readyState !== WebSocket.OPEN) throw new Error('the gateway closed a viewer');
  } finally {
    clearInterval(returning);
    if (random.chance(0.5)) socket.terminate();
    else socket.close();
    await closed;
  }
}

function anyBody(): ReturnBody {
  return random.weighted<() => ReturnBody>([
    [4, () => ({ kind: 'value', value: { x: random.next(), label: 'soak', list: [1, 2.5, null, true] } })],
    [
      2,
      () => ({
        kind: 'array',
        array: { dtype: 'float32', shape: [64, 64], data: Buffer.alloc(64 * 64 * 4, random.below(256)) },
      }),
    ],
    [1, () => ({ kind: 'jpeg', data: samples.jpegs[6] ?? samples.jpegs[0]! })],
  ])();
}

/** Reads an endless response. */
async function follow(port: number, path: string, onChunk: () => void): Promise<void> {
  const request = get({ host: '127.0.0.1', port, path });
  request.on('error', () => undefined);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  response.on('data', onChunk);
  try {
    if (response.statusCode !== 200) throw new Error(`answered ${String(response.statusCode)}`);
    await stay();
  } finally {
    request.destroy();
  }
}

async function takeSnapshots(port: number, perSecond: number): Promise<void> {
  for (let n = 0; !stopping.signal.aborted; n += 1) {
    await delay(1000 / perSecond);
    const path = `/streams/main/snapshot.${n % 2 === 0 ? 'jpg' : 'png'}?width=${320 + (n % 5) * 64}`;
    const response = await fetch(`http://127.0.0.1:${port}${path}`).catch(() => null);
    if (response?.ok === true) {
      await response.arrayBuffer();
      totals.snapshots += 1;
    } else if (response?.status !== 503) totals.failures += 1;
  }
}
