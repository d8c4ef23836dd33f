/** A NetGear server that sends frames, each in memory of its own at the receiver's end. */
import { setTimeout as delay } from 'node:timers/promises';
import { NetGearSender, type Sendable } from '../../gateway/netgear/index.ts';
import { answerParent } from './processes.ts';
import { createPayload } from './wire.ts';

const RAW_SHAPE = [720, 1280, 3];

const frames = {
  jpeg: createPayload(),
  raw: { dtype: 'uint8', shape: RAW_SHAPE, data: Buffer.alloc(RAW_SHAPE.reduce((product, size) => product * size, 1), 0x55) },
} satisfies Record<string, Sendable>;

export type FrameName = keyof typeof frames;

let sender: NetGearSender | null = null;

async function sendForEver(current: NetGearSender, frame: Sendable, framesPerSecond: number | null): Promise<void> {
  while (sender === current) {
    const dueMs = framesPerSecond === null ? 0 : performance.now() + 1000 / framesPerSecond;
    await current.send(frame);
    if (framesPerSecond !== null) await delay(Math.max(0, dueMs - performance.now()));
  }
}

const handlers = {
  /** Sends to another place from now on. Settles with the first frame. @param framesPerSecond null for as many as are answered. */
  async send(port: number, name: FrameName, framesPerSecond: number | null): Promise<void> {
    await handlers.rest();
    const current = new NetGearSender({ address: '127.0.0.1', port, pattern: 1 });
    sender = current;
    await current.ready();
    await current.send(frames[name]);
    // Ends with the sender, which rejects what is under way.
    sendForEver(current, frames[name], framesPerSecond).catch(() => undefined);
  },
  async rest(): Promise<void> {
    const last = sender;
    sender = null;
    await last?.close({ terminate: false });
  },
};

export type FrameSource = typeof handlers;

answerParent(handlers);
