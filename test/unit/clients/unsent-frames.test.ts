import { describe, expect, it } from 'vitest';
import { type FrameHolder, UnsentFrames } from '../../../gateway/clients/unsent-frames.ts';

class Holder implements FrameHolder {
  readonly #frames: UnsentFrames;
  readonly addressKey: string;
  wasCutOff = false;

  constructor(frames: UnsentFrames, address = 'a') {
    this.#frames = frames;
    this.addressKey = address;
  }

  cutOff(): void {
    this.wasCutOff = true;
    this.#frames.release(this);
  }
}

describe('UnsentFrames', () => {
  it('counts a frame once for any number of clients, until the last client has released it', () => {
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

  it('disconnects all clients with the oldest frame if there are too many bytes, and no client before that', () => {
    const frames = new UnsentFrames(100);
    const [first, alsoFirst, second, third] = [
      new Holder(frames),
      new Holder(frames),
      new Holder(frames),
      new Holder(frames),
    ];
    const oldest = new Uint8Array(40);
    frames.hold(first, oldest);
    frames.hold(second, new Uint8Array(60));
    frames.hold(alsoFirst, oldest);
    expect([first, alsoFirst, second].map(({ wasCutOff }) => wasCutOff)).toEqual([false, false, false]);
    frames.hold(third, new Uint8Array(40));
    expect([first, alsoFirst, second, third].map(({ wasCutOff }) => wasCutOff)).toEqual([true, true, false, false]);
    expect(frames.bytes).toBe(100);
  });

  it('disconnects clients of the address with the most bytes, not those of another with the oldest frame', () => {
    const frames = new UnsentFrames(100);
    const honest = new Holder(frames, 'honest');
    frames.hold(honest, new Uint8Array(10));
    const attackers = Array.from({ length: 20 }, () => new Holder(frames, 'attacker'));
    for (const attacker of attackers) frames.hold(attacker, new Uint8Array(30));
    expect(honest.wasCutOff).toBe(false);
    expect(attackers.map(({ wasCutOff }) => wasCutOff)).toEqual(attackers.map((_, index) => index < 17));
    expect(frames.bytes).toBe(100);
    for (const holder of [honest, ...attackers]) frames.release(holder);
    expect(frames.bytes).toBe(0);
  });

  it('continues with the next address if another address uses the same frame', () => {
    const frames = new UnsentFrames(100);
    const [first, second, third] = [new Holder(frames, 'a'), new Holder(frames, 'b'), new Holder(frames, 'c')];
    const shared = new Uint8Array(80);
    frames.hold(first, shared);
    frames.hold(second, shared);
    frames.hold(third, new Uint8Array(30));
    expect([first, second, third].map(({ wasCutOff }) => wasCutOff)).toEqual([true, true, false]);
    expect(frames.bytes).toBe(30);
  });

  it('replaces the earlier frame of a client', () => {
    const frames = new UnsentFrames(100);
    const holder = new Holder(frames);
    for (let index = 0; index < 10; index += 1) frames.hold(holder, new Uint8Array(90));
    expect(frames.bytes).toBe(90);
    expect(holder.wasCutOff).toBe(false);
  });

  it('accepts a single frame that is larger than the limit', () => {
    const frames = new UnsentFrames(100);
    const holder = new Holder(frames);
    frames.hold(holder, new Uint8Array(200));
    expect(holder.wasCutOff).toBe(false);
  });
});
