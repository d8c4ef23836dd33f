import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { describe, expect, it, onTestFinished } from 'vitest';
import { FrameImporter } from '../../../gateway/cluster/frame-importer.ts';
import { SOURCE_FRAMES } from '../../../gateway/cluster/frame-wire.ts';
import { Bus } from './bus.ts';
import { HEAD_OF_JPEG } from './frame-head.ts';

describe('FrameImporter', () => {
  it('reports a refused subscription, which has no message', () => {
    const callbacks: ((error: Error | null, message: Msg) => void)[] = [];
    const connection = {
      isClosed: () => false,
      subscribe: (
        _subject: string,
        { callback }: { readonly callback: (error: Error | null, message: Msg) => void },
      ) => {
        callbacks.push(callback);
        return { unsubscribe: () => undefined };
      },
    } as unknown as NatsConnection;
    const errors: unknown[] = [];
    const importer = new FrameImporter({
      kind: SOURCE_FRAMES,
      connection,
      subject: 'frames',
      onFrame: () => expect.fail('no frame'),
      onError: (error) => errors.push(error),
    });
    const refused = new Error('Permissions Violation for Subscription to "frames.*"');
    callbacks[0]?.(refused, {} as Msg);
    expect(errors).toEqual([refused]);
    importer.close();
  });

  it('continues after a forged number far ahead of the owner, and ignores late frames', async () => {
    const bus = new Bus();
    const frames: number[] = [];
    const importer = new FrameImporter({
      kind: SOURCE_FRAMES,
      connection: bus.connect(),
      subject: 'frames',
      onFrame: ({ sequence }) => frames.push(sequence),
      onError: (error) => expect.fail(String(error)),
    });
    onTestFinished(() => importer.close());
    const owner = bus.connect();
    for (const sequence of [1, 2, 2 ** 47, 3, 4, 3, 1, 5]) {
      owner.publish('frames.h', Buffer.from(JSON.stringify({ ...HEAD_OF_JPEG, bytes: 3, sequence })));
      owner.publish('frames.p', Uint8Array.of(1, 2, 3), { reply: `o.${sequence}.0` });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(frames).toEqual([1, 2, 2 ** 47, 3, 4, 5]);
  });

  it('receives only heads while pictures are not needed, each once, and then the picture of the newest one', async () => {
    const bus = new Bus();
    const heads: number[] = [];
    const frames: number[] = [];
    const importer = new FrameImporter(
      {
        kind: SOURCE_FRAMES,
        connection: bus.connect(),
        subject: 'frames',
        onFrame: ({ sequence }) => frames.push(sequence),
        onHead: ({ sequence }) => heads.push(sequence),
        onError: (error) => expect.fail(String(error)),
      },
      false,
    );
    onTestFinished(() => importer.close());
    const owner = bus.connect();
    const send = async (sequence: number): Promise<void> => {
      owner.publish('frames.h', Buffer.from(JSON.stringify({ ...HEAD_OF_JPEG, bytes: 3, sequence })));
      owner.publish('frames.p', Uint8Array.of(1, 2, 3), { reply: `o.${sequence}.0` });
      await new Promise((resolve) => setImmediate(resolve));
    };
    for (const sequence of [1, 2, 2, 3]) await send(sequence);
    expect([heads, frames, importer.lastSequence]).toEqual([[1, 2, 3], [], 3]);
    importer.needsPictures = true;
    // The owner repeats the frame until its picture has arrived.
    expect(importer.lastSequence).toBe(0);
    for (const sequence of [3, 3, 4]) await send(sequence);
    expect([heads, frames]).toEqual([
      [1, 2, 3],
      [3, 4],
    ]);
    importer.needsPictures = false;
    for (const sequence of [4, 5]) await send(sequence);
    expect([heads, frames]).toEqual([
      [1, 2, 3, 5],
      [3, 4],
    ]);
  });

  it('continues when pictures are needed, or no longer needed, from within a frame of many messages', async () => {
    const bus = new Bus();
    const received: string[] = [];
    const maxima: (number | undefined)[][] = [];
    const connection = bus.connect();
    const importer = new FrameImporter({
      kind: SOURCE_FRAMES,
      connection: {
        ...connection,
        subscribe: (...args: Parameters<typeof connection.subscribe>) => {
          const subscription = connection.subscribe(...args);
          const own: (number | undefined)[] = [];
          maxima.push(own);
          return {
            unsubscribe: (max?: number) => {
              own.push(max);
              subscription.unsubscribe(max);
            },
          };
        },
      } as unknown as NatsConnection,
      subject: 'frames',
      onFrame: ({ sequence }) => {
        received.push(`frame ${sequence}`);
        importer.needsPictures = false;
      },
      onHead: ({ sequence }) => {
        received.push(`head ${sequence}`);
        importer.needsPictures = true;
      },
      onError: (error) => expect.fail(String(error)),
    });
    onTestFinished(() => importer.close());
    const owner = bus.connect();
    for (let sequence = 1; sequence <= 40; sequence += 1) {
      owner.publish('frames.h', Buffer.from(JSON.stringify({ ...HEAD_OF_JPEG, bytes: 30, sequence })));
      for (let index = 0; index < 30; index += 1)
        owner.publish('frames.p', Uint8Array.of(index), { reply: `o.${sequence}.${index}` });
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(received.slice(0, 4)).toEqual(['frame 1', 'head 2', 'frame 3', 'head 4']);
    // No subscription is extended after its end.
    for (const own of maxima.slice(0, -1)) expect(own.indexOf(undefined)).toBe(own.length - 1);
  });

  it.each([
    // JPEGs: 24 messages, which are 12 frames.
    { bytes: 100_000, partBytes: 128 << 10, window: 24 },
    // Raw frames of 720p: 4 frames of 23 messages.
    { bytes: 2_764_800, partBytes: 128 << 10, window: 92 },
    // Raw frames of 720p with a server that accepts only small messages.
    { bytes: 2_764_800, partBytes: 8 << 10, window: 1356 },
    // Fewer than the 64 MiB for which a server disconnects a gateway that does not read.
    { bytes: 24_883_200, partBytes: 128 << 10, window: 382 },
    { bytes: 60 << 20, partBytes: 128 << 10, window: 481 },
  ])(
    'has a window of $window messages for frames of $bytes bytes in parts of $partBytes',
    async ({ bytes, partBytes, window }) => {
      const maxima: number[] = [];
      let deliver: (error: Error | null, message: Msg) => void = () => undefined;
      const connection = {
        isClosed: () => false,
        flush: () => Promise.resolve(),
        subscribe: (_subject: string, { callback }: { readonly callback: typeof deliver }) => {
          deliver = callback;
          return { unsubscribe: (max?: number) => void (max !== undefined && maxima.push(max)) };
        },
      } as unknown as NatsConnection;
      const importer = new FrameImporter({
        kind: SOURCE_FRAMES,
        connection,
        subject: 'frames',
        onFrame: () => undefined,
        onError: (error) => expect.fail(String(error)),
      });
      const send = (subject: string, data: Uint8Array, reply = ''): void =>
        deliver(null, { subject, data, reply } as unknown as Msg);
      let received = 0;
      const extended: number[] = [];
      for (let sequence = 1; received < 3 * window; sequence += 1) {
        send('frames.h', Buffer.from(JSON.stringify({ ...HEAD_OF_JPEG, bytes, sequence })));
        received += 1;
        for (let at = 0, index = 0; at < bytes; at += partBytes, index += 1) {
          send('frames.p', new Uint8Array(Math.min(partBytes, bytes - at)), `o.${sequence}.${index}`);
          received += 1;
          const max = maxima.at(-1) ?? 0;
          if (extended.at(-1) !== max - received) extended.push(max - received);
          await Promise.resolve();
        }
      }
      importer.close();
      // The number of messages in transit is highest right after an extension.
      expect(Math.max(...extended.slice(1))).toBe(window);
      // The window is never used up.
      expect(Math.min(...extended.slice(30))).toBeGreaterThan(0);
    },
  );
});
