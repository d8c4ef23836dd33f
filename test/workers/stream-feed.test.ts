import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Renditions } from '../../gateway/clients/renditions.ts';
import { EventLog } from '../../gateway/hub/event-log.ts';
import type { FrameInput } from '../../gateway/hub/frame.ts';
import { Stream } from '../../gateway/hub/stream.ts';
import { RecordReader } from '../../gateway/workers/frame-pipe.ts';
import type { PipeRecord } from '../../gateway/workers/messages.ts';
import { StreamFeed } from '../../gateway/workers/stream-feed.ts';
import { JPEG } from '../helpers/viewer.ts';

const INPUT: FrameInput = { width: 8, height: 8, encoding: { kind: 'jpeg' }, payload: JPEG, message: null, wireHeader: null };
const RAW: FrameInput = { ...INPUT, encoding: { kind: 'raw', dtype: 'uint8', shape: [8, 8, 3] }, payload: new Uint8Array(192) };
const FLOATS: FrameInput = { ...INPUT, encoding: { kind: 'raw', dtype: 'float32', shape: [8, 8] }, payload: new Uint8Array(256) };

/** A pipe that takes what is written when it is told to. */
class SlowPipe extends Writable {
  readonly records: PipeRecord[] = [];
  readonly bodies: number[] = [];
  readonly #reader = new RecordReader((record, body) => {
    this.records.push(record);
    this.bodies.push(record.type === 'frame' ? body.byteLength - record.beginBytes : 0);
  });
  #waiting: (() => void) | null = null;
  #isStopped = false;

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    for (const { chunk } of chunks) this.#reader.read(chunk);
    if (this.#isStopped) this.#waiting = done;
    else done();
  }

  stop(): void {
    this.#isStopped = true;
  }

  async takeOne(): Promise<void> {
    this.#waiting?.();
    await settled();
  }

  /** `[sequence, form]` of each frame so far. */
  get frames(): [number, string | null][] {
    return this.records.flatMap((record) => (record.type === 'frame' ? [[record.sequence, record.form]] : []));
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('StreamFeed', () => {
  let stream: Stream;
  let pipe: SlowPipe;
  let feed: StreamFeed;

  beforeEach(() => {
    stream = new Stream({ name: 'main', virtualPorts: [], sourceTakesReturns: false, events: new EventLog(), waitingReason: 'no frame yet', log: () => undefined });
    pipe = new SlowPipe();
    feed = new StreamFeed(stream, new Renditions(), pipe);
  });

  afterEach(() => {
    feed.close();
    stream.close();
  });

  it('writes nothing of a stream that nobody there watches, but its state', async () => {
    stream.publish(INPUT);
    stream.end('over');
    await settled();
    expect(pipe.records).toEqual([
      { type: 'state', stream: 'main', state: 'live', reason: 'frames arrive' },
      { type: 'state', stream: 'main', state: 'ended', reason: 'over' },
    ]);
  });

  it('writes the latest frame to who comes, then each, behind the state that it has changed', async () => {
    stream.publish(INPUT);
    feed.want({ jpeg: true, raw: false });
    await settled();
    stream.end('over');
    stream.publish(INPUT);
    await settled();
    expect(pipe.records.map((record) => (record.type === 'frame' ? record.sequence : record.state))).toEqual(['live', 1, 'ended', 'live', 2]);
    feed.want({ jpeg: false, raw: false });
    stream.publish(INPUT);
    await settled();
    expect(pipe.frames).toHaveLength(2);
  });

  it('writes the next frame when the last one has been taken: the newest replaces what waits', async () => {
    stream.publish(INPUT);
    pipe.stop();
    feed.want({ jpeg: true, raw: false });
    for (let i = 0; i < 5; i += 1) stream.publish(INPUT);
    await settled();
    expect(pipe.frames).toEqual([[1, null]]);
    await pipe.takeOne();
    expect(pipe.frames).toEqual([[1, null], [6, null]]);
    await pipe.takeOne();
    expect(pipe.frames).toHaveLength(2);
  });

  it('writes what is the same for all viewers once', async () => {
    feed.want({ jpeg: true, raw: true });
    stream.publish(INPUT);
    await settled();
    stream.publish(FLOATS);
    await settled();
    feed.want({ jpeg: false, raw: true });
    stream.publish(FLOATS);
    await settled();
    expect(pipe.frames).toEqual([[1, null], [2, null], [3, null]]);
    expect(pipe.bodies.filter((bytes) => bytes > 0)).toEqual([JPEG.byteLength, 256, 256]);
  });

  it('writes 8-bit samples as JPEG, as they are, or as both, as is wanted', async () => {
    const written = async (count: number): Promise<void> => {
      while (pipe.frames.length < count) await settled();
    };
    feed.want({ jpeg: true, raw: false });
    stream.publish(RAW);
    await written(1);
    feed.want({ jpeg: false, raw: true });
    await written(2);
    stream.publish(RAW);
    await written(3);
    feed.want({ jpeg: true, raw: true });
    await written(5);
    expect(pipe.frames.slice(0, 3)).toEqual([[1, 'jpeg'], [1, 'raw'], [2, 'raw']]);
    expect(pipe.frames.slice(3)).toEqual(expect.arrayContaining([[2, 'raw'], [2, 'jpeg']]));
  });

  it('counts a frame that cannot be encoded, and goes on', async () => {
    feed.want({ jpeg: true, raw: false });
    stream.publish({ ...RAW, width: 0, height: 0 });
    while (stream.status({ kind: '', address: '', state: '', lastError: null, restarts: 0 }).counters.rejected === 0) await settled();
    stream.publish(INPUT);
    await settled();
    expect(pipe.frames).toEqual([[2, null]]);
  });
});
