import { describe, expect, it } from 'vitest';
import type { FrameMessage } from '../../../shared/protocol.ts';
import { ViewerStatsMeter } from '../../../web/viewer/viewer-stats.ts';

const frame = (sequence: number, fields: Partial<FrameMessage>): FrameMessage =>
  ({ type: 'frame', sequence, width: 1280, height: 720, ...fields }) as FrameMessage;
const JPEG = frame(1, { encoding: { kind: 'jpeg' } });
const RENDITION = { pictureWidth: 640, pictureHeight: 360 } as NonNullable<FrameMessage['rendition']>;
const VIDEO = frame(2, { encoding: { kind: 'h264', isKey: true } as FrameMessage['encoding'], rendition: RENDITION });
const ARRAY = frame(3, { encoding: { kind: 'raw', dtype: 'uint16', shape: [720, 1280] }, width: 1280, height: 720 });

describe('ViewerStatsMeter', () => {
  const read = (meter: ViewerStatsMeter): object => {
    const { sequence, received, painted, encoding, width, height } = meter.read(0, 0, null, null);
    return { sequence, received, painted, encoding, width, height };
  };

  it('reports size and encoding of the picture on screen, while newer frames wait for their decoder', () => {
    const meter = new ViewerStatsMeter();
    meter.received(JPEG, 100);
    expect(read(meter)).toEqual({ sequence: 1, received: 1, painted: 0, encoding: '', width: 0, height: 0 });
    meter.drawn(JPEG, 5, null, 1);
    meter.received(VIDEO, 100);
    expect(read(meter)).toEqual({ sequence: 2, received: 2, painted: 1, encoding: 'jpeg', width: 1280, height: 720 });
    meter.drawn(VIDEO, 5, null, 1);
    meter.received(ARRAY, 100);
    expect(read(meter)).toEqual({ sequence: 3, received: 3, painted: 2, encoding: 'h264', width: 640, height: 360 });
    meter.drawn(ARRAY, 5, null, 1);
    expect(read(meter)).toEqual({ sequence: 3, received: 3, painted: 3, encoding: 'uint16', width: 1280, height: 720 });
  });
});
