import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { RecordReader, writeRecord } from '../../gateway/workers/frame-pipe.ts';
import type { PipeRecord } from '../../gateway/workers/messages.ts';

const STATE: PipeRecord = { type: 'state', stream: 'main', state: 'stale', reason: 'the source has stopped sending' };
const FRAME: Extract<PipeRecord, { type: 'frame' }> = { type: 'frame', stream: 'main', form: 'raw', sequence: 7, frameTimeMs: 33.3, beginBytes: 3 };

function written(): Buffer {
  const pipe = new PassThrough();
  writeRecord(pipe, FRAME, [Buffer.from('abc'), Buffer.from('payload')]);
  writeRecord(pipe, STATE);
  writeRecord(pipe, { ...FRAME, sequence: 8, form: null, frameTimeMs: undefined }, [Buffer.from('abc'), Buffer.alloc(0)]);
  return pipe.read() as Buffer;
}

function read(...chunks: Buffer[]): [PipeRecord, string][] {
  const records: [PipeRecord, string][] = [];
  const reader = new RecordReader((record, body) => records.push([record, body.toString()]));
  for (const chunk of chunks) reader.read(chunk);
  return records;
}

const EXPECTED = [
  [FRAME, 'abcpayload'],
  [STATE, ''],
  [{ ...FRAME, sequence: 8, form: null, frameTimeMs: undefined }, 'abc'],
];

describe('RecordReader', () => {
  it('reads what was written, however it is cut in two', () => {
    const bytes = written();
    for (let at = 0; at <= bytes.length; at += 1) expect(read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(EXPECTED);
  });

  it('reads what comes byte by byte, and nothing of a record that is cut off', () => {
    const bytes = written();
    const single = [...bytes].map((byte) => Buffer.from([byte]));
    expect(read(...single)).toEqual(EXPECTED);
    expect(read(...single.slice(0, -1))).toEqual(EXPECTED.slice(0, 2));
  });

  it('gives each record memory of its own', () => {
    const bytes = written();
    const bodies: Buffer[] = [];
    new RecordReader((_record, body) => bodies.push(body)).read(bytes);
    bytes.fill(0);
    expect(bodies.map(String)).toEqual(['abcpayload', '', 'abc']);
    expect(bodies[0]?.buffer).not.toBe(bodies[2]?.buffer);
  });
});

describe('writeRecord', () => {
  it('tells when the pipe has taken all of it', async () => {
    const release: (() => void)[] = [];
    const pipe = new Writable({ writev: (_chunks, done) => void release.push(done) });
    let taken = 0;
    writeRecord(pipe, STATE, [], () => (taken += 1));
    await new Promise(setImmediate);
    expect({ taken, writes: release.length }).toEqual({ taken: 0, writes: 1 });
    release[0]?.();
    await new Promise(setImmediate);
    expect(taken).toBe(1);
  });

  it('tells of a pipe that has broken too', async () => {
    const pipe = new Writable({ writev: (_chunks, done) => done(new Error('EPIPE')) });
    pipe.on('error', () => undefined);
    await new Promise<void>((resolve) => writeRecord(pipe, STATE, [], resolve));
    await new Promise<void>((resolve) => writeRecord(pipe, STATE, [Buffer.from('x')], resolve));
  });
});
