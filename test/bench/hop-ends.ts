/** A NetGear server and a viewer in one process, so that one clock measures sending and receiving. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { NetGearSender, type Sendable } from '../../gateway/netgear/index.ts';
import { DiscardingViewer } from './discarding-viewer.ts';
import { answerParent } from './processes.ts';
import { NoValuesError, percentile } from './statistics.ts';
import { createPayload } from './wire.ts';

const FRAMES_PER_SECOND = 60;

/** Maximum time to wait for the last frame. */
const LAST_FRAME_MS = 200;

const RAW_SHAPE = [720, 1280, 3];

const frames = {
  jpeg: createPayload(),
  raw: {
    dtype: 'uint8',
    shape: RAW_SHAPE,
    data: Buffer.alloc(
      RAW_SHAPE.reduce((product, size) => product * size, 1),
      0x55,
    ),
  },
} satisfies Record<string, Sendable>;

export type FrameName = keyof typeof frames;

/** For each frame, milliseconds from handing it to the sender's socket until its last byte arrives. */
export interface Hop {
  readonly median: number;
  readonly p95: number;
  readonly sent: number;
  /** Frames that arrived; the others were dropped. */
  readonly received: number;
}

/** A path for frames, with its input and output. */
interface Way {
  readonly sender: NetGearSender;
  /** Called with the bytes of each frame that is sent. */
  expect(sentAtMs: number, bytes: number): void;
  /** Times of the frames that arrived since the last reading. */
  take(): number[];
}

const ways = new Map<string, Way>();

async function openSender(port: number): Promise<NetGearSender> {
  const sender = new NetGearSender({ address: '127.0.0.1', port, pattern: 1, check: false });
  await sender.ready();
  return sender;
}

/** Through the gateway: frames are identified by their sequence numbers, which count sent frames. */
async function openGateway(sourcePort: number, port: number): Promise<Way> {
  const sentAtMs: number[] = [];
  let took: number[] = [];
  const sender = await openSender(sourcePort);
  const viewer = new DiscardingViewer(port, {
    want: { raw: true },
    onFrame: (sequence) => {
      const sent = sentAtMs[sequence - 1];
      if (sent !== undefined) took.push(performance.now() - sent);
    },
  });
  sentAtMs.push(performance.now());
  await sender.send(frames.jpeg);
  await viewer.ready;
  return {
    sender,
    expect: (sent) => void sentAtMs.push(sent),
    take() {
      viewer.check();
      const taken = took;
      took = [];
      return taken;
    },
  };
}

/** Through the relay: frames are identified by counting bytes, because no byte is lost. */
async function openRelay(sourcePort: number, port: number): Promise<Way> {
  const expected: { readonly sentAtMs: number; readonly end: number }[] = [];
  let sentBytes = 0;
  let readBytes = 0;
  let took: number[] = [];
  const buffer = Buffer.allocUnsafe(256 << 10);
  const socket: Socket = connect({
    port,
    host: '127.0.0.1',
    onread: {
      buffer,
      callback(bytes) {
        readBytes += bytes;
        while (expected[0] !== undefined && expected[0].end <= readBytes)
          took.push(performance.now() - (expected.shift()?.sentAtMs ?? NaN));
        return true;
      },
    },
  });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return {
    sender: await openSender(sourcePort),
    expect(sentAtMs, bytes) {
      sentBytes += bytes;
      expected.push({ sentAtMs, end: sentBytes });
    },
    take() {
      const taken = took;
      took = [];
      return taken;
    },
  };
}

const handlers = {
  async open(name: string, kind: 'gateway' | 'relay', sourcePort: number, port: number): Promise<void> {
    ways.set(name, await (kind === 'gateway' ? openGateway(sourcePort, port) : openRelay(sourcePort, port)));
  },
  async measure(name: string, frameName: FrameName, seconds: number): Promise<Hop> {
    const way = ways.get(name);
    if (way === undefined) throw new RangeError(`there is no path ${name}`);
    const frame = frames[frameName];
    const bytes = 'data' in frame ? frame.data.byteLength : frame.byteLength;
    way.take();
    const count = Math.max(1, Math.round(FRAMES_PER_SECOND * seconds));
    const startMs = performance.now();
    for (let i = 0; i < count; i += 1) {
      // Due times are computed from the start, so that the rate does not drift.
      await delay(Math.max(0, startMs + (i * 1000) / FRAMES_PER_SECOND - performance.now()));
      way.expect(performance.now(), bytes);
      await way.sender.send(frame);
    }
    await delay(LAST_FRAME_MS);
    const took = way.take();
    if (took.length === 0) throw new NoValuesError(`none of ${count} frames arrived through ${name}`);
    return { median: percentile(took, 0.5), p95: percentile(took, 0.95), sent: count, received: took.length };
  },
};

export type HopEnds = typeof handlers;

answerParent(handlers);
