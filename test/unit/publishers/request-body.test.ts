import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readChunks } from '../../../gateway/publishers/request-body.ts';

const requestOf = (pieces: Iterable<Buffer>): IncomingMessage =>
  Readable.from(pieces, { objectMode: false }) as IncomingMessage;

/** Takes processor time. */
function work(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

describe('readChunks', () => {
  it('refuses more than 5000 tiny chunks per second, and accepts any number of larger ones', async () => {
    let taken = 0;
    const tiny = requestOf(Array.from({ length: 20_000 }, () => Buffer.of(120)));
    await expect(readChunks(tiny, () => (taken += 1))).rejects.toMatchObject({ code: 'too-many' });
    expect(taken).toBeGreaterThanOrEqual(5000);
    expect(taken).toBeLessThan(20_000);
    let bytes = 0;
    await readChunks(requestOf(Array.from({ length: 20_000 }, () => Buffer.alloc(512))), (chunk) => {
      bytes += chunk.byteLength;
    });
    expect(bytes).toBe(20_000 * 512);
  });

  it('reads everything, in order, with pauses if processing takes long', async () => {
    const pieces = Array.from({ length: 30 }, (_, n) => Buffer.alloc(600, n));
    const request = requestOf(pieces);
    let pauses = 0;
    request.on('pause', () => (pauses += 1));
    const seen: number[] = [];
    const take = (chunk: Buffer): void => {
      seen.push(chunk[0]!);
      work(12);
    };
    await readChunks(request, take, { isPaced: true });
    expect(seen).toEqual(pieces.map((_, n) => n));
    expect(pauses).toBeGreaterThan(0);
  });

  it('ends a pause when it is aborted', async () => {
    const aborting = new AbortController();
    const request = requestOf(Array.from({ length: 100 }, () => Buffer.alloc(600)));
    let taken = 0;
    const reading = readChunks(
      request,
      () => {
        taken += 1;
        if (taken > 2) aborting.abort(new Error('taken over'));
        work(12);
      },
      { signal: aborting.signal, isPaced: true },
    );
    await expect(reading).rejects.toThrow('taken over');
    const before = taken;
    await sleep(50);
    expect(taken).toBe(before);
  });
});
