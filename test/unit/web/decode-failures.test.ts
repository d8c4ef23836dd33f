import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GearwayError } from '../../../shared/errors.ts';
import type { Encoding } from '../../../shared/frame.ts';
import type { FrameMessage } from '../../../shared/protocol.ts';
import { DecodeFailures, DecodeTimeoutError } from '../../../web/viewer/decode-failures.ts';

let events: string[] = [];
let failures: DecodeFailures;

beforeEach(() => {
  vi.useFakeTimers();
  events = [];
  failures = new DecodeFailures({
    needsBaseline: () => events.push('needs baseline'),
    failing: (reason) => events.push(reason),
    recovered: () => events.push('recovered'),
  });
});

afterEach(() => {
  vi.useRealTimers();
});

/** SOI and a frame header. */
const jpeg = (marker: number, bits = 8): Uint8Array =>
  Uint8Array.of(0xff, 0xd8, 0xff, marker, 0, 17, bits, 0, 48, 0, 64, 3);

const frame = (payload: Uint8Array, encoding: Encoding = { kind: 'jpeg' }): FrameMessage => ({
  type: 'frame',
  sequence: 1,
  receivedAtUs: 0,
  width: 64,
  height: 48,
  encoding,
  message: null,
  payload,
});

const fail = (payload = jpeg(0xc9)): void => failures.failed(frame(payload), new Error('InvalidStateError'));

describe('DecodeFailures', () => {
  it('requests baseline JPEG after two failures in a row, and reports after two more', () => {
    fail();
    expect(events).toEqual([]);
    fail();
    expect(events).toEqual(['needs baseline']);
    fail();
    fail();
    fail();
    expect(events).toEqual([
      'needs baseline',
      'the frames are JPEG with arithmetic coding, which neither this browser nor the gateway can decode',
    ]);
  });

  it('does the same at intervals of a second for a stream with one frame', () => {
    fail(jpeg(0xc1, 12));
    vi.advanceTimersByTime(1000);
    expect(events).toEqual(['needs baseline']);
    vi.advanceTimersByTime(1000);
    expect(events).toEqual([
      'needs baseline',
      'the frames are JPEG with 12 bits per sample, which neither this browser nor the gateway can decode',
    ]);
  });

  it('ignores single damaged frames', () => {
    for (let count = 0; count < 10; count += 1) {
      fail();
      failures.decoded();
    }
    vi.advanceTimersByTime(10_000);
    expect(events).toEqual([]);
  });

  it('reports damaged JPEGs of a common type as damaged', () => {
    for (let count = 0; count < 4; count += 1) fail(jpeg(0xc0));
    expect(events.at(-1)).toBe('the JPEGs that arrive are damaged: this browser can decode none of them');
  });

  it('recovers with the first picture', () => {
    for (let count = 0; count < 4; count += 1) fail();
    failures.decoded();
    failures.decoded();
    expect(events.slice(2)).toEqual(['recovered']);
  });

  it('reports samples that cannot be shown immediately, and each other reason', () => {
    const raw = frame(new Uint8Array(0), { kind: 'raw', dtype: 'uint8', shape: [48, 64, 2] });
    failures.failed(raw, new GearwayError('channels-unsupported', 'two channels'));
    failures.failed(raw, new GearwayError('channels-unsupported', 'two channels'));
    failures.failed(raw, new GearwayError('channels-unsupported', 'five channels'));
    expect(events).toEqual(['two channels', 'five channels']);
  });

  it('requests no other format because of a slow decoder', () => {
    for (let count = 0; count < 2; count += 1) failures.failed(frame(jpeg(0xc0)), new DecodeTimeoutError(2000));
    expect(events).toEqual(['decoding takes longer than 2 s']);
  });

  it('starts over with a new connection', () => {
    fail();
    failures.reset();
    vi.advanceTimersByTime(5000);
    expect(events).toEqual([]);
    fail();
    fail();
    expect(events).toEqual(['needs baseline']);
  });
});
