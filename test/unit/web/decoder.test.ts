import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FrameMessage } from '../../../shared/protocol.ts';
import { Decoder } from '../../../web/viewer/decoder.ts';

/** A browser whose decodes are completed by the test. */
interface PendingDecode {
  finish(): void;
  fail(): void;
}

let decodes: PendingDecode[] = [];
let closed = 0;
let given: number[] = [];
let acknowledged: number[] = [];
let failures: unknown[] = [];
let decoder: Decoder;

beforeEach(() => {
  vi.useFakeTimers();
  [decodes, closed, given, acknowledged, failures] = [[], 0, [], [], []];
  vi.stubGlobal('self', {
    createImageBitmap: () =>
      new Promise((resolve, reject) => {
        decodes.push({
          finish: () => resolve({ width: 8, height: 8, close: () => (closed += 1) }),
          fail: () => reject(new Error('not a picture')),
        });
      }),
  });
  decoder = new Decoder({
    scale: () => 1,
    decodeArray: () => Promise.reject(new Error('there are no arrays here')),
    started: ({ sequence }) => acknowledged.push(sequence),
    decoded: ({ sequence }, picture) => {
      given.push(sequence);
      picture.close();
    },
    failed: ({ sequence }, error) => failures.push([sequence, String(error)]),
    videoFailed: () => failures.push([0, 'video']),
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function add(...sequences: number[]): void {
  for (const sequence of sequences)
    decoder.add({
      type: 'frame',
      sequence,
      width: 8,
      height: 8,
      encoding: { kind: 'jpeg' },
      payload: new Uint8Array(1),
    } as unknown as FrameMessage);
}

async function settle(decode: number, how: keyof PendingDecode): Promise<void> {
  decodes[decode]![how]();
  await vi.advanceTimersByTimeAsync(0);
}

describe('Decoder', () => {
  it('decodes two frames at a time, and keeps the newest waiting one', async () => {
    add(1, 2, 3, 4);
    expect(acknowledged).toEqual([1, 2]);
    await settle(0, 'finish');
    expect([acknowledged, given, decoder.skipped]).toEqual([[1, 2, 4], [1], 1]);
  });

  it('delivers a picture that was decoded early after the older one', async () => {
    add(1, 2);
    await settle(1, 'finish');
    expect(given).toEqual([]);
    await settle(0, 'finish');
    expect([given, decoder.skipped, closed]).toEqual([[1, 2], 0, 2]);
  });

  it('continues to decode while a picture waits for an older one', async () => {
    add(1, 2, 3);
    await settle(1, 'finish');
    expect(acknowledged).toEqual([1, 2, 3]);
  });

  it('does not wait for a frame that was overtaken by two newer ones', async () => {
    add(1, 2, 3);
    await settle(1, 'finish');
    await settle(2, 'finish');
    expect(given).toEqual([2, 3]);
    await settle(0, 'finish');
    expect([given, decoder.skipped, closed]).toEqual([[2, 3], 1, 3]);
  });

  it('does not wait for a failed frame', async () => {
    add(1, 2);
    await settle(1, 'finish');
    await settle(0, 'fail');
    expect([given, decoder.failed, decoder.skipped]).toEqual([[2], 1, 0]);
    expect(failures).toEqual([[1, 'Error: not a picture']]);
  });

  it('does not wait for a frame that takes too long', async () => {
    add(1, 2);
    await settle(1, 'finish');
    await vi.advanceTimersByTimeAsync(2000);
    expect([given, decoder.failed]).toEqual([[2], 1]);
    expect(failures).toEqual([[1, 'Error: decoding takes longer than 2 s']]);
    await settle(0, 'finish');
    expect([given, closed]).toEqual([[2], 2]);
  });

  it('closes waiting pictures of an earlier connection', async () => {
    add(1, 2);
    await settle(1, 'finish');
    decoder.reset();
    expect(closed).toBe(1);
    await settle(0, 'finish');
    expect([given, closed]).toEqual([[], 2]);
    add(1);
    await settle(2, 'finish');
    expect(given).toEqual([1]);
  });

  it('skips frames older than the end of a pause', async () => {
    add(1, 2);
    decoder.skipBefore(2);
    await settle(0, 'finish');
    await settle(1, 'finish');
    expect([given, decoder.skipped, closed]).toEqual([[2], 1, 2]);
  });
});
