import { describe, expect, it } from 'vitest';
import { type FrameHolder, UnsentFrames } from '../../gateway/clients/unsent-frames.ts';

class Holder implements FrameHolder {
  readonly #frames: UnsentFrames;
  wasCutOff = false;

  constructor(frames: UnsentFrames) {
    this.#frames = frames;
  }

  cutOff(): void {
    this.wasCutOff = true;
    this.#frames.release(this);
  }
}

describe('UnsentFrames', () => {
  it('counts a frame once, however many wait for it, until the last has it', () => {
    const frames = new UnsentFrames(100);
    const frame = new Uint8Array(60);
    const holders = Array.from({ length: 1000 }, () => new Holder(frames));
    for (const holder of holders) frames.hold(holder, frame);
    expect(frames.bytes).toBe(60);
    for (const holder of holders.slice(1)) frames.release(holder);
    expect(frames.bytes).toBe(60);
    frames.release(holders[0]!);
    frames.release(holders[0]!);
    expect(frames.bytes).toBe(0);
    expect(holders.some(({ wasCutOff }) => wasCutOff)).toBe(false);
  });

  it('cuts off all that wait for the oldest frame when there are too many bytes, and nobody before', () => {
    const frames = new UnsentFrames(100);
    const [first, alsoFirst, second, third] = [new Holder(frames), new Holder(frames), new Holder(frames), new Holder(frames)];
    const oldest = new Uint8Array(40);
    frames.hold(first, oldest);
    frames.hold(second, new Uint8Array(60));
    frames.hold(alsoFirst, oldest);
    expect([first, alsoFirst, second].map(({ wasCutOff }) => wasCutOff)).toEqual([false, false, false]);
    frames.hold(third, new Uint8Array(40));
    expect([first, alsoFirst, second, third].map(({ wasCutOff }) => wasCutOff)).toEqual([true, true, false, false]);
    expect(frames.bytes).toBe(100);
  });

  it('replaces the frame of a client that waits for another one', () => {
    const frames = new UnsentFrames(100);
    const holder = new Holder(frames);
    for (let index = 0; index < 10; index += 1) frames.hold(holder, new Uint8Array(90));
    expect(frames.bytes).toBe(90);
    expect(holder.wasCutOff).toBe(false);
  });

  it('takes a single frame that is larger than the limit', () => {
    const frames = new UnsentFrames(100);
    const holder = new Holder(frames);
    frames.hold(holder, new Uint8Array(200));
    expect(holder.wasCutOff).toBe(false);
  });
});
