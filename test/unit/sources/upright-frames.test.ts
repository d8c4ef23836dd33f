import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import type { Arrival, Frame, FrameInput } from '../../../gateway/hub/frame.ts';
import { UprightFrames } from '../../../gateway/sources/upright-frames.ts';
import type { Orientation } from '../../../gateway/codecs/exif-orientation.ts';
import { exif, oriented, storedPicture, withSegments } from '../../helpers/jpeg-variants.ts';

const SIZE = { width: 64, height: 48 };
const upright = await encodeJpeg(storedPicture(1, SIZE));
const lying = oriented(await encodeJpeg(storedPicture(6, SIZE)), 6);
const broken = withSegments(
  Buffer.from('ffd8ffc0001108000a000a03011100021101031101ffda0008010100003f0012ffd9', 'hex'),
  exif(6),
);

function input(payload: Buffer, orientation: Orientation): FrameInput {
  const [width, height] = orientation >= 5 ? [SIZE.height, SIZE.width] : [SIZE.width, SIZE.height];
  return { width, height, encoding: { kind: 'jpeg' }, payload, orientation, message: null, wireHeader: null };
}

/** A stream that records its calls. */
class RecordingStream {
  readonly log: string[] = [];
  readonly frames: FrameInput[] = [];
  #sequence = 0;

  arrive(): Arrival {
    this.#sequence += 1;
    return { sequence: this.#sequence, receivedAtUs: this.#sequence * 1000 };
  }

  publish(frame: FrameInput, arrival = this.arrive()): Frame {
    this.frames.push(frame);
    this.log.push(`frame ${arrival.sequence}`);
    return { ...frame, ...arrival };
  }

  reject(error: unknown): void {
    this.log.push(`rejected: ${(error as { code: string }).code}`);
  }
}

function create(): { readonly stream: RecordingStream; readonly frames: UprightFrames } {
  const stream = new RecordingStream();
  return { stream, frames: new UprightFrames(stream) };
}

describe('UprightFrames', () => {
  it('publishes an upright frame immediately, with the same memory', () => {
    const { stream, frames } = create();
    expect(frames.publish(input(upright, 1))).toMatchObject({ sequence: 1 });
    expect(stream.frames[0]!.payload).toBe(upright);
  });

  it('publishes a frame with an orientation after its rotation, with the sequence and time of its arrival', async () => {
    const { stream, frames } = create();
    const { sequence, turned } = frames.publish(input(lying, 6));
    expect([sequence, stream.log]).toEqual([1, []]);
    expect(await turned).toBeNull();
    expect(stream.log).toEqual(['frame 1']);
    expect(stream.frames[0]).toMatchObject({ ...SIZE, orientation: 1, isTrusted: true });
  });

  it('rotates the first and the newest of many frames', async () => {
    const { stream, frames } = create();
    const accepted = Array.from({ length: 20 }, () => frames.publish(input(lying, 6)));
    await Promise.all(accepted.map(async ({ turned }) => turned));
    expect(stream.log).toEqual(['frame 1', 'frame 20']);
  });

  it('never publishes an older frame after a newer one, in any mixture of frames', async () => {
    const { stream, frames } = create();
    const accepted = Array.from({ length: 40 }, (_, index) =>
      frames.publish(index % 4 === 3 ? input(upright, 1) : input(lying, 6)),
    );
    await Promise.all(accepted.map(async ({ turned }) => turned));
    const numbers = stream.log.map((entry) => Number(entry.slice(6)));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(numbers.at(-1)).toBe(40);
  });

  it('rejects a frame that cannot be decoded, and continues', async () => {
    const { stream, frames } = create();
    const bad = frames.publish(input(broken, 6));
    const good = frames.publish(input(lying, 6));
    expect(await bad.turned).toMatchObject({ code: 'jpeg-invalid' });
    expect(await good.turned).toBeNull();
    expect(stream.log).toEqual(['rejected: jpeg-invalid', 'frame 2']);
  });

  it('changes the stream after earlier frames', async () => {
    const { stream, frames } = create();
    frames.afterwards(() => stream.log.push('first'));
    const one = frames.publish(input(lying, 6));
    frames.afterwards(() => stream.log.push('second'));
    const two = frames.publish(input(lying, 6));
    frames.afterwards(() => stream.log.push('third'));
    await Promise.all([one.turned, two.turned]);
    await new Promise(setImmediate);
    expect(stream.log).toEqual(['first', 'frame 1', 'second', 'frame 2', 'third']);
  });

  it('changes the stream before a frame that overtakes others', async () => {
    const { stream, frames } = create();
    const one = frames.publish(input(lying, 6));
    frames.afterwards(() => stream.log.push('left'));
    frames.publish(input(upright, 1));
    await one.turned;
    expect(stream.log).toEqual(['left', 'frame 2']);
  });

  it('discards unpublished frames when it is closed', async () => {
    const { stream, frames } = create();
    const all = [frames.publish(input(lying, 6)), frames.publish(input(lying, 6))];
    frames.afterwards(() => stream.log.push('left'));
    frames.close();
    frames.close();
    await Promise.all(all.map(async ({ turned }) => turned));
    await frames.publish(input(lying, 6)).turned;
    expect(stream.log).toEqual(['frame 3']);
  });
});
