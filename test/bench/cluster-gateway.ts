/** A gateway of a cluster, embedded in a program that pushes frames at a fixed rate if this gateway has the source. */
import { createGateway, type Gateway, type GatewayStream } from '../../gateway/create-gateway.ts';
import { answerParent } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';
import { createPayload } from './wire.ts';

const meter = new UsageMeter();
const payload = createPayload();

/** Samples of 720p, which are sent in 22 parts. */
const RAW = { dtype: 'uint8', shape: [720, 1280, 3], data: new Uint8Array(720 * 1280 * 3) };

/** Bytes that JavaScript has copied, while they are counted. */
let copiedBytes = 0;
let isCounting = false;

/**
 * Counts the bytes copied by `set()`, with which the NATS library copies payloads. Counting takes time, so it is not
 * used while other figures are measured.
 */
function countCopies(): void {
  const arrays = Uint8Array.prototype as {
    set: (this: Uint8Array, source: ArrayLike<number>, offset?: number) => void;
  };
  const { set } = arrays;
  arrays.set = function (this: Uint8Array, source: ArrayLike<number>, offset?: number): void {
    if (isCounting) copiedBytes += source.length;
    set.call(this, source, offset);
  };
  const concat = Buffer.concat.bind(Buffer);
  Buffer.concat = (list: readonly Uint8Array[], total?: number) => {
    const joined = concat(list, total);
    if (isCounting) copiedBytes += joined.byteLength;
    return joined;
  };
}

let gateway: Gateway | null = null;
let stream: GatewayStream | null = null;
let timer: NodeJS.Timeout | undefined;
let pushed = 0;
let pushedBefore = 0;
let deliveredBefore = 0;

/** Number of frames that the connected viewers of this gateway have received. */
function delivered(): number {
  const clients = gateway?.streams.get('main')?.clients ?? [];
  return clients.reduce((sum, client) => sum + client.delivered, 0);
}

const handlers = {
  /**
   * @param hasSource whether this gateway has the source of the stream `main`.
   *
   * @returns the port for viewers, once the gateway serves this stream.
   */
  async listen(nats: string, name: string, hasSource: boolean): Promise<number> {
    gateway = await createGateway({
      port: 0,
      source: hasSource ? 'main=push:' : `${name}=push:`,
      ...(hasSource ? { virtualPorts: 'main=10000-14095' } : {}),
      cluster: `${nats}?gateway=${name}`,
    });
    if (hasSource) stream = gateway.stream;
    const { port } = await gateway.listen();
    while (!gateway.streams.has('main')) await new Promise((resolve) => setTimeout(resolve, 20));
    return port;
  },
  /** Pushes frames, each with the time of its push: JPEGs of 100 KB, or raw frames of 720p. */
  push(framesPerSecond: number, isRaw: boolean): void {
    clearInterval(timer);
    const startMs = performance.now();
    let count = 0;
    timer = setInterval(() => {
      // Pushes all frames that are due, because timers fire late.
      const due = Math.floor(((performance.now() - startMs) * framesPerSecond) / 1000);
      if (due - count > framesPerSecond / 5) count = due - 1;
      for (; count < due; count += 1) {
        pushed += 1;
        stream?.push(isRaw ? RAW : payload, { message: { pushedAtMs: performance.timeOrigin + performance.now() } });
      }
    }, 2);
  },
  rest: (): void => clearInterval(timer),
  start(): void {
    pushedBefore = pushed;
    deliveredBefore = delivered();
    meter.start();
  },
  stop(): Usage & { readonly pushed: number; readonly delivered: number } {
    const usage = meter.stop();
    return { ...usage, pushed: pushed - pushedBefore, delivered: delivered() - deliveredBefore };
  },
  /** Starts counting copied bytes. */
  watchCopies(): void {
    if (copiedBytes === 0 && !isCounting) countCopies();
    copiedBytes = 0;
    isCounting = true;
  },
  /** @returns the number of copied bytes. */
  copies(): number {
    isCounting = false;
    return copiedBytes;
  },
};

export type ClusterGateway = typeof handlers;

answerParent(handlers);
