import { describe, expect, it } from 'vitest';
import type { InspectedSamples } from '../../../../shared/arrays/inspection.ts';
import type { Value } from '../../../../shared/protocol.ts';
import { measureDistance } from '../../../../web/viewer/arrays/distance.ts';
import { readIntrinsics } from '../../../../web/viewer/arrays/intrinsics.ts';

const SIZE = { width: 640, height: 480 };
const CAMERA = { fx: 500, fy: 520, cx: 319.5, cy: 239.5 };
const MATRIX = [500, 0, 319.5, 0, 520, 239.5, 0, 0, 1];

describe('readIntrinsics', () => {
  it.each<[string, Value]>([
    ['a map', { intrinsics: CAMERA }],
    ['9 numbers', { intrinsics: MATRIX }],
    ['rows, as returned by tolist()', { intrinsics: [MATRIX.slice(0, 3), MATRIX.slice(3, 6), MATRIX.slice(6)] }],
    ['librealsense', { intrinsics: { width: 640, height: 480, fx: 500, fy: 520, ppx: 319.5, ppy: 239.5, coeffs: [] } }],
    ['K', { K: MATRIX, D: [] }],
    ['a CameraInfo of ROS', { camera_info: { height: 480, width: 640, distortion_model: 'plumb_bob', K: MATRIX } }],
    ['a CameraInfo of ROS 2', { camera_info: { height: 480, width: 640, k: MATRIX } }],
    ['a CameraInfo as the message', { height: 480, width: 640, k: MATRIX }],
  ])('reads %s', (_name, message) => {
    expect(readIntrinsics(message, SIZE)).toEqual(CAMERA);
  });

  it('scales intrinsics of another size, and keeps the centre of the picture', () => {
    const large = { intrinsics: { fx: 1000, fy: 1040, cx: 639.5, cy: 479.5, width: 1280, height: 960 } };
    expect(readIntrinsics(large, SIZE)).toEqual(CAMERA);
  });

  it.each<Value>([null, 'K', 7, [MATRIX], {}, { intrinsics: null }, { __proto__: null, unit: 'mm' }])(
    'finds none in %j',
    (message) => {
      expect(readIntrinsics(message, SIZE)).toBeNull();
    },
  );

  it.each<Value>([
    { intrinsics: 'yes' },
    { intrinsics: {} },
    { intrinsics: { fx: 500, fy: 520, cx: 319.5 } },
    { intrinsics: { fx: '500', fy: '520', cx: '319.5', cy: '239.5' } },
    { intrinsics: { fx: NaN, fy: 520, cx: 1, cy: 1 } },
    { intrinsics: { fx: 0, fy: 520, cx: 1, cy: 1 } },
    { intrinsics: { fx: -500, fy: 520, cx: 1, cy: 1 } },
    { K: MATRIX.slice(0, 8) },
    { K: [[1, 2], [3, 4], 5] },
    { K: [] },
    { camera_info: { K: Array.from({ length: 9 }, () => null) } },
  ])('reports why %j cannot be used', (message) => {
    expect(readIntrinsics(message, SIZE)).toMatch(/^\w+ in the message (is not usable: expected|has focal lengths)/);
  });
});

/** A plane 2 m in front of the camera, in millimetres, with holes. */
const plane = (dtype: 'uint16' | 'float32', holes: Readonly<Record<number, number>> = {}): InspectedSamples => {
  const Samples = dtype === 'uint16' ? Uint16Array : Float32Array;
  const data = new Samples(SIZE.width * SIZE.height).fill(2000);
  for (const [at, value] of Object.entries(holes)) data[Number(at)] = value;
  return { dtype, ...SIZE, channels: 1, bytes: new Uint8Array(data.buffer) };
};

const between = (x1: number, y1: number, x2: number, y2: number, unit = 'mm') =>
  ({ kind: 'distance', from: { x: x1, y: y1 }, to: { x: x2, y: y2 }, unit }) as const;

describe('measureDistance', () => {
  const message = { intrinsics: CAMERA };

  it('is the length on a plane that faces the camera', () => {
    // 250 pixels × 2 m / 500 pixels.
    const found = measureDistance(plane('uint16'), 0, message, between(100, 50, 350, 50));
    expect(found.meters).toBeCloseTo(1, 12);
    expect(found.reason).toBeNull();
    expect(found.from).toMatchObject({ x: 100, y: 50 });
    expect(found.from.position![0]).toBeCloseTo(((100 - 319.5) * 2) / 500, 12);
    expect(found.from.position![2]).toBe(2);
    // 260 pixels × 2 m / 520 pixels.
    expect(measureDistance(plane('float32'), null, message, between(7, 0, 7, 260)).meters).toBeCloseTo(1, 12);
    expect(measureDistance(plane('uint16'), 0, message, between(7, 7, 7, 7)).meters).toBe(0);
  });

  it('depends on the depth', () => {
    const [near, far] = [239 * 640 + 319, 239 * 640 + 320];
    const found = measureDistance(
      plane('uint16', { [near]: 1000, [far]: 5000 }),
      0,
      message,
      between(319, 239, 320, 239),
    );
    // Rays half a pixel beside the axis.
    expect(found.meters).toBeCloseTo(Math.hypot(4, 0.5 / 500 + 2.5 / 500, 2 / 520), 9);
  });

  it.each([
    ['m', 2000],
    ['cm', 20],
    [' mm ', 2],
    ['meters', 2000],
    ['ft', 609.6],
  ])('converts %j to metres', (unit, depth) => {
    const { from } = measureDistance(plane('uint16'), 0, message, between(1, 1, 2, 2, unit));
    expect(from.position![2]).toBeCloseTo(depth, 9);
  });

  it('uses the unit of the message if the page has none', () => {
    const found = measureDistance(plane('uint16'), 0, { ...message, unit: 'mm' }, between(1, 1, 1, 1, ''));
    expect(found.from.position![2]).toBe(2);
  });

  it.each<[string, InspectedSamples, number | null, Value, ReturnType<typeof between>]>([
    ['no depth at x 3, y 0', plane('uint16', { 3: 0 }), 0, message, between(3, 0, 9, 9)],
    ['no depth at x 3, y 0', plane('uint16', { 3: 0 }), null, message, between(9, 9, 3, 0)],
    [
      'no depth at x 3, y 0 and x 4, y 0',
      plane('float32', { 3: NaN, 4: Infinity }),
      null,
      message,
      between(3, 0, 4, 0),
    ],
    ['no depth at x 5, y 0', plane('float32', { 5: -1 }), null, message, between(5, 0, 9, 0)],
    ['no depth at x 6, y 0', plane('uint16', { 6: 65_535 }), 65_535, message, between(6, 0, 9, 0)],
    ['no depth at x 640, y 0', plane('uint16'), 0, message, between(0, 0, 640, 0)],
    ['no depth at x -1, y NaN', plane('uint16'), 0, message, between(0, 0, -1, NaN)],
    [
      'distances require an array of one channel, with depths',
      { dtype: 'uint8', width: 1, height: 1, channels: 3, bytes: new Uint8Array(3) },
      null,
      message,
      between(0, 0, 0, 0),
    ],
    [
      'distances require the intrinsics of the camera in the message: intrinsics {fx, fy, cx, cy}, or K',
      plane('uint16'),
      0,
      { unit: 'mm' },
      between(0, 0, 1, 1),
    ],
    [
      'distances require the unit of the depths: set unit="mm", or send "unit": "mm" in the message',
      plane('uint16'),
      0,
      message,
      between(0, 0, 1, 1, ''),
    ],
    [
      'the unit is "°C", expected a unit of length, such as mm or m',
      plane('uint16'),
      0,
      message,
      between(0, 0, 1, 1, '°C'),
    ],
    [
      `the unit is "${'y'.repeat(40)}", expected a unit of length, such as mm or m`,
      plane('uint16'),
      0,
      { ...message, unit: 'y'.repeat(1_000_000) },
      between(0, 0, 1, 1, ''),
    ],
    ...[
      { ...CAMERA, fx: 1e-308 },
      { ...CAMERA, fy: 5e-324 },
      { ...CAMERA, cx: 1e308, fx: 1e-3 },
      { ...CAMERA, cx: -1.7e308, cy: 1.7e308 },
      { ...CAMERA, width: 1e-308, height: 480 },
    ].map(
      (intrinsics) =>
        [
          'depths and intrinsics are too extreme for a distance',
          plane('uint16'),
          0,
          { intrinsics },
          between(0, 0, 9, 9),
        ] as [string, InspectedSamples, number | null, Value, ReturnType<typeof between>],
    ),
    [
      'depths and intrinsics are too extreme for a distance',
      plane('float32', { 3: 3e38 }),
      null,
      { intrinsics: { ...CAMERA, fx: 1e-300 } },
      between(3, 0, 9, 9),
    ],
    [
      'the unit is "toString", expected a unit of length, such as mm or m',
      plane('uint16'),
      0,
      message,
      between(0, 0, 1, 1, 'toString'),
    ],
  ])('is missing, with the reason: %s', (reason, samples, noData, sent, query) => {
    expect(measureDistance(samples, noData, sent, query)).toMatchObject({ meters: null, reason });
  });
});
