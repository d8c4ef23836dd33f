import { type InspectedSamples, pixelValues } from '../../../shared/arrays/inspection.ts';
import type { Value } from '../../../shared/protocol.ts';
import type { DistanceQuery, MeasuredDistance, PointInSpace } from './inspection-query.ts';
import { type Intrinsics, readIntrinsics } from './intrinsics.ts';
import { unitIn } from './unit.ts';

/** Metres per unit of depth. */
const METERS: Readonly<Record<string, number>> = {
  m: 1,
  meter: 1,
  meters: 1,
  metre: 1,
  metres: 1,
  cm: 0.01,
  mm: 0.001,
  millimeter: 0.001,
  millimeters: 0.001,
  millimetre: 0.001,
  millimetres: 0.001,
  µm: 1e-6,
  μm: 1e-6,
  um: 1e-6,
  in: 0.0254,
  ft: 0.3048,
};

/** Maximum length of a unit in a reason, in characters. */
const MAX_UNIT = 40;

/**
 * Distance between the surfaces at two pixels of a depth array.
 *
 * @param noData value without a measurement; null for none.
 * @param message message of the frame, with intrinsics and, if the query has no unit, `unit`.
 */
export function measureDistance(
  samples: InspectedSamples,
  noData: number | null,
  message: Value,
  { from, to, unit }: DistanceQuery,
): MeasuredDistance {
  const nowhere = (reason: string): MeasuredDistance => ({
    from: { ...from, position: null },
    to: { ...to, position: null },
    meters: null,
    reason,
  });
  if (samples.channels !== 1) return nowhere('distances require an array of one channel, with depths');
  const intrinsics = readIntrinsics(message, samples);
  if (intrinsics === null)
    return nowhere('distances require the intrinsics of the camera in the message: intrinsics {fx, fy, cx, cy}, or K');
  if (typeof intrinsics === 'string') return nowhere(intrinsics);
  const name = (unit || unitIn(message)).trim();
  const metersPerUnit = Object.hasOwn(METERS, name) ? METERS[name] : undefined;
  if (metersPerUnit === undefined)
    return nowhere(
      name === ''
        ? 'distances require the unit of the depths: set unit="mm", or send "unit": "mm" in the message'
        : `the unit is ${JSON.stringify(name.slice(0, MAX_UNIT))}, expected a unit of length, such as mm or m`,
    );
  const inSpace = ({ x, y }: DistanceQuery['from']): PointInSpace => {
    const [value = NaN] = pixelValues(samples, x, y) ?? [];
    const isMeasured = Number.isFinite(value) && value > 0 && value !== noData;
    return { x, y, position: isMeasured ? positionOf(intrinsics, x, y, value * metersPerUnit) : null };
  };
  const points = { from: inSpace(from), to: inSpace(to) };
  const missing = [points.from, points.to].filter(({ position }) => position === null);
  if (points.from.position === null || points.to.position === null)
    return {
      ...points,
      meters: null,
      reason: `no depth at ${missing.map(({ x, y }) => `x ${x}, y ${y}`).join(' and ')}`,
    };
  const [x1, y1, z1] = points.from.position;
  const [x2, y2, z2] = points.to.position;
  const meters = Math.hypot(x2 - x1, y2 - y1, z2 - z1);
  return Number.isFinite(meters)
    ? { ...points, meters, reason: null }
    : nowhere('depths and intrinsics are too extreme for a distance');
}

/** Depth is the distance from the plane of the camera, not from its centre, as in ROS (REP 118) and depth cameras. */
function positionOf({ fx, fy, cx, cy }: Intrinsics, x: number, y: number, z: number): PointInSpace['position'] {
  return [((x - cx) * z) / fx, ((y - cy) * z) / fy, z];
}
