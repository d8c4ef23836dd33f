import { randomBytes } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Rendition, Renditions } from '../../../gateway/clients/renditions.ts';
import type { Frame } from '../../../gateway/hub/frame.ts';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';
import { unpackSamples } from '../../../shared/arrays/packed-samples.ts';
import type { Encoding } from '../../../shared/frame.ts';
import { decodeGatewayMessage, type FrameMessage } from '../../../shared/protocol.ts';

function frame(encoding: Encoding, payloadBytes: number): Frame {
  return {
    sequence: 7,
    receivedAtUs: 1_766_400_000_000_000,
    width: 16,
    height: 8,
    encoding,
    payload: new Uint8Array(payloadBytes).fill(128),
    message: { n: 7 },
    wireHeader: null,
  };
}

const raw = (dtype: string, shape: number[], itemBytes = 1): Frame =>
  frame(
    { kind: 'raw', dtype, shape },
    shape.reduce((product, size) => product * size, itemBytes),
  );

/** The bytes after the header of a WebSocket frame, which is checked by the tests of `encodeMessageBegin`. */
function headOf({ begin }: Rendition): Uint8Array {
  return begin.subarray(begin[1] === 127 ? 10 : begin[1] === 126 ? 4 : 2);
}

function decoded(head: Uint8Array): FrameMessage {
  const message = decodeGatewayMessage(head);
  if (message?.type !== 'frame') throw new Error('the head is not a frame');
  return message;
}

describe('Renditions', () => {
  it('forwards an unmodified JPEG in one message for all viewers', () => {
    const renditions = new Renditions();
    const jpeg = frame({ kind: 'jpeg' }, 4);
    const rendition = renditions.get(jpeg, false);
    if (rendition instanceof Promise) throw new Error('a JPEG was encoded');
    expect(rendition.payload).toBe(jpeg.payload);
    expect(rendition.sequence).toBe(7);
    expect(decoded(headOf(rendition))).toMatchObject({
      sequence: 7,
      receivedAtUs: 1_766_400_000_000_000,
      width: 16,
      height: 8,
      encoding: { kind: 'jpeg' },
      message: { n: 7 },
    });
    expect(headOf(rendition).byteLength % 8).toBe(0);
    expect(renditions.get(jpeg, false)).toBe(rendition);
    expect(renditions.get(jpeg, true)).toBe(rendition);
  });

  it.each([
    ['gray without channels', [8, 16], 1],
    ['gray', [8, 16, 1], 1],
    ['BGR', [8, 16, 3], 3],
    ['BGRA', [8, 16, 4], 3],
  ])('makes a JPEG of 8-bit %s, once for all viewers', async (_name, shape, components) => {
    const renditions = new Renditions();
    const image = raw('uint8', shape);
    const promise = renditions.get(image, false);
    expect(promise).toBeInstanceOf(Promise);
    expect(renditions.get(image, false)).toBe(promise);
    const { payload } = await promise;
    expect(readJpegHeader(payload)).toMatchObject({ width: 16, height: 8, components });
    expect(decoded(headOf(await promise))).toMatchObject({
      sequence: 7,
      encoding: { kind: 'jpeg' },
      message: { n: 7 },
    });
    expect(image.encoding.kind).toBe('raw');
  });

  it('forwards unmodified samples to viewers that request raw frames', () => {
    const renditions = new Renditions();
    const image = raw('uint8', [8, 16, 3]);
    const rendition = renditions.get(image, true);
    if (rendition instanceof Promise) throw new Error('a frame was encoded');
    expect(rendition.payload).toBe(image.payload);
    expect(decoded(headOf(rendition)).encoding).toEqual({ kind: 'raw', dtype: 'uint8', shape: [8, 16, 3] });
  });

  it.each([
    ['uint16', [8, 16], 2],
    ['>u2', [8, 16, 1], 2],
    ['float32', [8, 16, 3], 4],
    ['int8', [8, 16], 1],
    ['bool', [8, 16], 1],
    ['uint8', [8, 16, 2], 1],
    ['uint8', [8, 16, 5], 1],
  ])('never makes a JPEG of %s %j', (dtype, shape, itemBytes) => {
    const image = raw(dtype, shape, itemBytes);
    const rendition = new Renditions().get(image, false);
    if (rendition instanceof Promise) throw new Error('a frame was encoded');
    expect(rendition.payload).toBe(image.payload);
    expect(decoded(headOf(rendition)).encoding).toEqual({ kind: 'raw', dtype, shape });
  });

  it('gives receivers of JPEG the original JPEG', () => {
    const jpeg = frame({ kind: 'jpeg' }, 4);
    expect(new Renditions().jpeg(jpeg)).toBe(jpeg.payload);
  });

  it('gives them the same JPEG of 8-bit samples as viewers', async () => {
    const renditions = new Renditions();
    const image = raw('uint8', [8, 16, 3]);
    const [jpeg, rendition] = await Promise.all([renditions.jpeg(image), renditions.get(image, false)]);
    expect(jpeg).toBe(rendition.payload);
  });

  it.each([
    ['uint16', [8, 16], 2, 1],
    ['float32', [8, 16, 3], 4, 3],
    ['bool', [8, 16, 4], 1, 3],
    ['int64', [8, 16, 1], 8, 1],
  ])(
    'gives them an 8-bit JPEG of %s %j, made once, while viewers still get the samples',
    async (dtype, shape, itemBytes, components) => {
      const renditions = new Renditions();
      const image = raw(dtype, shape, itemBytes);
      const promise = renditions.jpeg(image);
      expect(renditions.jpeg(image)).toBe(promise);
      expect(readJpegHeader(await promise)).toMatchObject({ width: 16, height: 8, components });
      expect(renditions.get(image, false)).toMatchObject({ payload: image.payload });
    },
  );

  it('renders at most two arrays at a time, for all styles and streams together', async () => {
    let [running, most, total] = [0, 0, 0];
    const jpegs = [new Renditions(), new Renditions(), new Renditions()].flatMap((renditions) => {
      const pixels = renditions.arrays.pixels.bind(renditions.arrays);
      renditions.arrays.pixels = async (...args) => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        const rendered = await pixels(...args);
        running -= 1;
        total += 1;
        return rendered;
      };
      return [1, 2, 3, 4].map(async (high) => renditions.jpeg(raw('uint16', [8, 16], 2), { range: `0,${high}` }));
    });
    await Promise.all(jpegs);
    expect([most, total]).toEqual([2, 12]);
  });

  it('rejects for samples that cannot be shown', async () => {
    await expect(new Renditions().jpeg(raw('uint8', [8, 16, 2]))).rejects.toMatchObject({
      code: 'channels-unsupported',
    });
  });

  it('scales a JPEG once for all viewers of a step, and keeps the sequence, times, message and size of the frame', async () => {
    const renditions = new Renditions();
    const original = await renditions.get({ ...raw('uint8', [96, 128, 3]), width: 128, height: 96 }, false);
    const jpeg: Frame = { ...frame({ kind: 'jpeg' }, 0), width: 128, height: 96, payload: original.payload };
    const step = { kind: 'jpeg', divisor: 2, quality: 50 } as const;
    const [scaled, same, other] = await Promise.all([
      renditions.scaled(jpeg, step),
      renditions.scaled(jpeg, { ...step }),
      renditions.scaled(jpeg, { ...step, quality: 75 }),
    ]);
    if (scaled === null) throw new Error('the frame was skipped');
    expect(same).toBe(scaled);
    expect(other).not.toBe(scaled);
    expect(readJpegHeader(scaled.payload)).toMatchObject({ width: 64, height: 48 });
    expect(decoded(headOf(scaled))).toMatchObject({
      sequence: 7,
      receivedAtUs: 1_766_400_000_000_000,
      width: 128,
      height: 96,
      message: { n: 7 },
      rendition: { rendition: 'jpeg-2-50', pictureWidth: 64, pictureHeight: 48 },
    });
    expect(renditions.bytesOf(step)).toBe(scaled.payload.byteLength);
  });

  it('scales 8-bit samples, and rounds their size up', async () => {
    const scaled = await new Renditions().scaled(
      { ...raw('uint8', [9, 17, 3]), width: 17, height: 9 },
      { kind: 'jpeg', divisor: 4, quality: 50 },
    );
    if (scaled === null) throw new Error('the frame was skipped');
    expect(readJpegHeader(scaled.payload)).toMatchObject({ width: 5, height: 3 });
    expect(decoded(headOf(scaled)).encoding).toEqual({ kind: 'jpeg' });
  });

  it('packs an array once for all viewers, and keeps the number and the message', async () => {
    const renditions = new Renditions();
    const image = raw('uint16', [8, 16], 2);
    const promise = renditions.packed(image);
    expect(renditions.packed(image)).toBe(promise);
    const packed = await promise;
    expect(decoded(headOf(packed))).toMatchObject({
      sequence: image.sequence,
      encoding: { kind: 'packed', dtype: 'uint16', shape: [8, 16] },
      rendition: { rendition: 'packed', pictureWidth: image.width, pictureHeight: image.height },
    });
    expect(unpackSamples('uint16', [8, 16], inflateSync(packed.payload))).toEqual(Uint8Array.from(image.payload));
    expect(renditions.bytesOf({ kind: 'packed' })).toBe(packed.payload.byteLength);
  });

  it('sends an array unmodified if packing hardly reduces its size', async () => {
    const renditions = new Renditions();
    const payload = randomBytes(2 * 8 * 16);
    const noise = { ...raw('uint16', [8, 16], 2), payload };
    expect((await renditions.packed(noise)).payload).toBe(payload);
    expect(renditions.bytesOf({ kind: 'packed' })).toBe(payload.byteLength);
  });

  it('scales only arrays that JPEG can represent, and packs only other arrays', () => {
    const renditions = new Renditions();
    expect(renditions.kindOf(frame({ kind: 'jpeg' }, 4))).toBe('pictures');
    expect(renditions.kindOf(raw('uint8', [8, 16, 3]))).toBe('pictures');
    for (const image of [
      raw('uint16', [8, 16], 2),
      raw('float32', [8, 16], 4),
      raw('int8', [8, 16]),
      raw('uint8', [8, 16, 2]),
    ])
      expect(renditions.kindOf(image)).toBe('packed');
    expect(renditions.kindOf(raw('>u2', [8, 16], 2))).toBe('none');
  });

  it('rejects a JPEG that cannot be decoded', async () => {
    await expect(
      new Renditions().scaled(frame({ kind: 'jpeg' }, 100), { kind: 'jpeg', divisor: 2, quality: 50 }),
    ).rejects.toMatchObject({ code: 'picture-invalid' });
  });
});
