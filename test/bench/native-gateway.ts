/** The whole gateway with native clients, and a source of ready-made frames that is as fast as they accept them. */
import { setTimeout as delay } from 'node:timers/promises';
import { Dealer } from 'zeromq';
import { createGateway, type GatewayStream } from '../../gateway/create-gateway.ts';
import type { NDArray } from '../../shared/ndarray.ts';
import { answerParent } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';

export type Kind = 'jpeg' | 'raw';

/**
 * Maximum interval between frames: for the first one, and for clients that were not connected when one was requested.
 */
const MAX_INTERVAL_MS = 50;

const LIVE_TIMEOUT_MS = 10_000;

const meter = new UsageMeter();
let stream: GatewayStream | null = null;
let frames: Readonly<Record<Kind, Uint8Array | NDArray>> | null = null;
let serving: Kind | null = null;
let isScheduled = false;

function push(): void {
  isScheduled = false;
  if (serving !== null && frames !== null) stream?.push(frames[serving]);
}

// The gateway has no event for answers of its clients, so they are observed at the socket. One frame is made for all
// answers in a turn of the event loop: each client gets a new frame as soon as it may have one.
const receive = Reflect.get(Dealer.prototype, 'receive') as (this: Dealer) => Promise<unknown>;
function receiveAndPush(this: Dealer): Promise<unknown> {
  const parts = receive.call(this);
  parts.then(
    () => {
      if (isScheduled) return;
      isScheduled = true;
      setImmediate(push);
    },
    () => undefined, // the socket was closed
  );
  return parts;
}
// The property is inherited from a native class, and cannot be assigned.
Object.defineProperty(Dealer.prototype, 'receive', { value: receiveAndPush });

const handlers = {
  /** @param jpeg base64, as is `raw`: a BGR picture of this shape. */
  async open(
    ports: readonly number[],
    { jpeg, raw, shape }: { jpeg: string; raw: string; shape: readonly number[] },
  ): Promise<void> {
    frames = { jpeg: Buffer.from(jpeg, 'base64'), raw: { dtype: 'uint8', shape, data: Buffer.from(raw, 'base64') } };
    // Sends nothing while other servers are measured.
    const gateway = await createGateway({
      port: 0,
      source: 'push:?check=false',
      idle: 'silence',
      clients: ports.map((port) => `tcp://127.0.0.1:${port}?pattern=1`),
    });
    ({ stream } = gateway);
    setInterval(push, MAX_INTERVAL_MS);
  },
  /** Settles when every client receives frames; null stops the frames. */
  async serve(kind: Kind | null): Promise<void> {
    serving = kind;
    const deadlineMs = performance.now() + LIVE_TIMEOUT_MS;
    for (;;) {
      const absent = stream?.clients.filter(({ state }) => state !== 'live') ?? [];
      if (kind === null || absent.length === 0) return;
      if (performance.now() > deadlineMs)
        throw new Error(
          `clients are not live: ${absent.map(({ port, state, reason }) => `${port} is ${state}, ${reason}`).join('; ')}`,
        );
      await delay(20);
    }
  },
  start: (): void => meter.start(),
  stop: (): Usage => meter.stop(),
  /** Why clients get fewer frames than available; empty if they are not limited. */
  reasons: (): string[] => [
    ...new Set((stream?.clients ?? []).map(({ reason }) => reason).filter((reason) => reason !== '')),
  ],
};

export type NativeGateway = typeof handlers;

answerParent(handlers);
