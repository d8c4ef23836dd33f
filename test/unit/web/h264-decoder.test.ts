import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FrameMessage } from '../../../shared/protocol.ts';
import { H264Decoder } from '../../../web/viewer/h264-decoder.ts';

let output: (picture: VideoFrame) => void;
let fail: () => void;
let isClosed: boolean;
let events: string[];
let decoder: H264Decoder;

class FakeVideoDecoder {
  state = 'configured';
  constructor(init: VideoDecoderInit) {
    output = init.output;
    fail = () => init.error(new DOMException('reclaimed'));
  }
  configure(): void {}
  decode(): void {}
  close(): void {
    this.state = 'closed';
    isClosed = true;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('VideoDecoder', FakeVideoDecoder);
  vi.stubGlobal('EncodedVideoChunk', class {});
  [isClosed, events] = [false, []];
  decoder = new H264Decoder({
    started: ({ sequence }) => events.push(`ack ${sequence}`),
    decoded: ({ sequence }, picture) => {
      events.push(`picture ${sequence}`);
      picture.close();
    },
    failed: (hasWorked) => events.push(hasWorked ? 'failed after pictures' : 'failed'),
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function add(...sequences: number[]): void {
  for (const sequence of sequences) {
    const encoding = { kind: 'h264', isKey: sequence === 1, codec: 'avc1.42c028', description: new Uint8Array(1) };
    decoder.add({
      type: 'frame',
      sequence,
      width: 8,
      height: 8,
      encoding,
      payload: new Uint8Array(1),
    } as unknown as FrameMessage);
  }
}

function give(sequence: number): void {
  output({ timestamp: sequence, displayWidth: 8, displayHeight: 8, close: () => undefined } as VideoFrame);
}

describe('H264Decoder', () => {
  it('acknowledges pending chunks of a slow decoder only with its next picture', () => {
    add(1, 2, 3, 4);
    expect(events).toEqual(['ack 1', 'ack 2', 'ack 3']);
    give(1);
    expect(events.slice(3)).toEqual(['ack 4', 'picture 1']);
  });

  it('fails without output, even if no chunk follows, and acknowledges the chunks so that the gateway continues', () => {
    add(1, 2, 3, 4, 5);
    vi.advanceTimersByTime(1900);
    expect(events).toEqual(['ack 1', 'ack 2', 'ack 3']);
    vi.advanceTimersByTime(200);
    expect(events.slice(3)).toEqual(['failed', 'ack 5']);
    expect(isClosed).toBe(true);
  });

  it('does not fail while pictures arrive or when there is nothing to decode', () => {
    add(1, 2);
    vi.advanceTimersByTime(1900);
    give(1);
    vi.advanceTimersByTime(1900);
    give(2);
    vi.advanceTimersByTime(60_000);
    add(3);
    expect(events).not.toContain('failed');
  });

  it('reports whether the decoder has worked, since the last failure', () => {
    add(1, 2);
    give(1);
    fail();
    expect(events.at(-1)).toBe('failed after pictures');
    add(1);
    fail();
    expect(events.at(-1)).toBe('failed');
  });

  it('acknowledges the chunks that it discards for a pause', () => {
    add(1, 2, 3, 4, 5);
    decoder.release();
    expect(events).toEqual(['ack 1', 'ack 2', 'ack 3', 'ack 5']);
    expect(isClosed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leaves no timer', () => {
    add(1, 2);
    decoder.reset();
    expect(vi.getTimerCount()).toBe(0);
  });
});
