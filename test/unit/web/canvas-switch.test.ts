import { beforeEach, describe, expect, it } from 'vitest';
import type { FrameMessage } from '../../../shared/protocol.ts';
import { CanvasSwitch } from '../../../web/viewer/canvas-switch.ts';

let drawn: number[];
let open: Set<number>;
let requests: number;
let canvases: CanvasSwitch;

beforeEach(() => {
  [drawn, open, requests] = [[], new Set(), 0];
  canvases = new CanvasSwitch(
    () => (requests += 1),
    ({ frame, picture }) => {
      drawn.push(frame.sequence);
      picture.close();
    },
  );
});

function add(sequence: number, width: number, height: number, isStretched = true): void {
  open.add(sequence);
  const frame = { sequence, width, height } as FrameMessage;
  const picture = { source: {} as ImageBitmap, width, height, close: () => void open.delete(sequence) };
  canvases.add({ frame, picture, decodeMs: 1 }, isStretched);
}

describe('CanvasSwitch', () => {
  it('draws all frames on one canvas while their proportions are the same', () => {
    add(1, 640, 480);
    add(2, 1280, 960);
    add(3, 320, 240);
    expect(drawn).toEqual([1, 2, 3]);
    expect(requests).toBe(0);
  });

  it('requests one canvas when the proportions change, and draws the newest frame on it', () => {
    add(1, 640, 480);
    add(2, 1280, 720);
    add(3, 1280, 720);
    expect([drawn, requests, canvases.isSwitching]).toEqual([[1], 1, true]);
    canvases.replaced();
    expect(drawn).toEqual([1, 3]);
    expect(canvases.isSwitching).toBe(true);
    canvases.finish(true);
    add(4, 640, 360);
    expect([drawn, requests, canvases.isSwitching]).toEqual([[1, 3, 4], 1, false]);
    expect(open).toEqual(new Set());
  });

  it('holds frames back until the canvas is on screen, and requests the next canvas for other proportions', () => {
    add(1, 640, 480);
    add(2, 1280, 720);
    canvases.replaced();
    add(3, 1280, 720);
    add(4, 480, 640);
    expect(drawn).toEqual([1, 2]);
    canvases.finish(true);
    expect([drawn, requests]).toEqual([[1, 2], 2]);
    canvases.replaced();
    canvases.finish(true);
    expect(drawn).toEqual([1, 2, 4]);
    expect(open).toEqual(new Set());
  });

  it('uses the new canvas for a source that has returned to its former proportions in the meantime', () => {
    add(1, 640, 480);
    add(2, 1280, 720);
    add(3, 640, 480);
    canvases.replaced();
    canvases.finish(true);
    add(4, 640, 480);
    expect([drawn, requests]).toEqual([[1, 3, 4], 1]);
  });

  it('needs no other canvas for one that the page does not stretch', () => {
    add(1, 640, 480, false);
    add(2, 1280, 720, false);
    expect([drawn, requests]).toEqual([[1, 2], 0]);
  });

  it('closes the waiting picture', () => {
    add(1, 640, 480);
    add(2, 1280, 720);
    canvases.close();
    canvases.close();
    expect(open).toEqual(new Set());
    canvases.replaced();
    expect(drawn).toEqual([1]);
  });
});
