/** A NetGear server that sends frames. Each frame has separate memory at the receiver. */
import { setTimeout as delay } from 'node:timers/promises';
import { NetGearSender, type Sendable } from '../../gateway/netgear/index.ts';
import { answerParent } from './processes.ts';
import { createPayload, SMALL_PAYLOAD_BYTES } from './wire.ts';

const RAW_SHAPE = [720, 1280, 3];

const frames = {
  jpeg: createPayload(),
  small: createPayload(SMALL_PAYLOAD_BYTES),
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

async function send(sender: NetGearSender, frame: Sendable, framesPerSecond: number | null): Promise<void> {
  const periodMs = framesPerSecond === null ? 0 : 1000 / framesPerSecond;
  let dueMs = performance.now();
  for (;;) {
    await sender.send(frame);
    // A timer fires up to a millisecond late; frames that are late by more than one interval are skipped.
    dueMs = Math.max(dueMs + periodMs, performance.now() - periodMs);
    if (periodMs > 0) await delay(Math.max(0, dueMs - performance.now()));
  }
}

/** The active sender. */
let current: NetGearSender | null = null;

const handlers = {
  /**
   * Settles with the first frame. Sends until the source is stopped.
   *
   * @param framesPerSecond null to send as fast as frames are answered.
   */
  async send(port: number, name: FrameName, framesPerSecond: number | null): Promise<void> {
    await handlers.rest();
    const sender = new NetGearSender({ address: '127.0.0.1', port, pattern: 1, check: false });
    current = sender;
    await sender.ready();
    await sender.send(frames[name]);
    // Ends when the sender is closed, which rejects pending calls.
    send(sender, frames[name], framesPerSecond).catch(() => undefined);
  },
  async rest(): Promise<void> {
    await current?.close({ terminate: false });
    current = null;
  },
};

export type FrameSource = typeof handlers;

answerParent(handlers);
