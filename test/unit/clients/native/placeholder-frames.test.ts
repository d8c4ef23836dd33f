import { describe, expect, it } from 'vitest';
import { PlaceholderFrames } from '../../../../gateway/clients/native/placeholder-frames.ts';
import { createPlaceholder } from '../../../../gateway/drawing/placeholder.ts';
import type { Frame, FrameSize } from '../../../../gateway/hub/frame.ts';
import { logTo } from '../../../helpers/log.ts';
import { SILENT_LOGGER } from '../../../../shared/logger.ts';

describe('PlaceholderFrames', () => {
  const frameOf = (size: FrameSize | null): Frame => ({
    sequence: 0,
    receivedAtUs: 0,
    capturedAtUs: null,
    ...(size ?? { width: 1, height: 1 }),
    encoding: { kind: 'jpeg' },
    payload: new Uint8Array(1),
    message: null,
    wireHeader: null,
  });

  it('draws once per size, and never returns a frame of another size', async () => {
    const stream: { lastSize: FrameSize | null } = { lastSize: { width: 640, height: 480 } };
    const asked: (FrameSize | null)[] = [];
    const made: ((frame: Frame) => void)[] = [];
    const create = (size: FrameSize | null): Promise<Frame> => {
      asked.push(size);
      return new Promise((resolve) => made.push(resolve));
    };
    const frames = new PlaceholderFrames({ stream, create, log: SILENT_LOGGER });
    expect([frames.get(), frames.get()]).toEqual([null, null]);
    stream.lastSize = { width: 320, height: 240 };
    expect(frames.get()).toBeNull();
    // The first one is finished after the size has changed.
    made[0]?.(frameOf(asked[0]!));
    await Promise.resolve();
    expect(frames.get()).toBeNull();
    made[1]?.(frameOf(asked[1]!));
    await expect.poll(() => frames.get()).toMatchObject({ width: 320, height: 240 });
    expect(asked).toEqual([
      { width: 640, height: 480 },
      { width: 320, height: 240 },
    ]);
  });

  it('draws another placeholder after the source has changed', async () => {
    let drawn = 0;
    const size = { width: 640, height: 480 };
    const create = async (): Promise<Frame> => ({ ...frameOf(size), receivedAtUs: (drawn += 1) });
    const frames = new PlaceholderFrames({ stream: { lastSize: size }, create, log: SILENT_LOGGER });
    frames.get();
    await expect.poll(() => frames.get()?.receivedAtUs).toBe(1);
    frames.forget();
    expect(frames.get()).toBeNull();
    await expect.poll(() => frames.get()?.receivedAtUs).toBe(2);
  });

  it('waits 2 s if the size is known, and otherwise as long as NetGear allows', () => {
    const stream: { lastSize: FrameSize | null } = { lastSize: null };
    const frames = new PlaceholderFrames({
      stream,
      create: () => Promise.reject(new Error('nothing is drawn here')),
      log: SILENT_LOGGER,
    });
    expect(frames.waitMs).toBeGreaterThan(7000);
    expect(frames.waitMs).toBeLessThan(12_000);
    stream.lastSize = { width: 640, height: 480 };
    expect(frames.waitMs).toBe(2000);
  });

  it('reports a failure to draw, and does not retry with every request', async () => {
    const lines: string[] = [];
    let attempts = 0;
    const create = (): Promise<Frame> => Promise.reject(new Error(`attempt ${(attempts += 1)}`));
    const frames = new PlaceholderFrames({ stream: { lastSize: null }, create, log: logTo(lines) });
    expect(frames.get()).toBeNull();
    await expect.poll(() => lines).toHaveLength(1);
    expect(frames.get()).toBeNull();
    expect(attempts).toBe(1);
  });
});

describe('createPlaceholder', () => {
  it.each([
    [undefined, { width: 1280, height: 720 }],
    [
      { width: 641, height: 479 },
      { width: 641, height: 479 },
    ],
    [
      { width: 16, height: 16 },
      { width: 16, height: 16 },
    ],
    [
      { width: 20_000, height: 20_000 },
      { width: 1280, height: 720 },
    ],
  ])('has the size %j', async (size, expected) => {
    expect(await createPlaceholder('waiting for a test', size)).toMatchObject({
      sequence: 0,
      message: null,
      ...expected,
    });
  });
});
