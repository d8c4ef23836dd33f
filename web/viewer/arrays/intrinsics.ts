import type { Value } from '../../../shared/protocol.ts';

/** Pinhole camera, in pixels of the frame. The centre of the top left pixel is at 0, 0, as in OpenCV and ROS. */
export interface Intrinsics {
  /** Focal lengths. */
  readonly fx: number;
  readonly fy: number;
  /** Principal point. */
  readonly cx: number;
  readonly cy: number;
}

type Fields = { readonly [key: string]: Value };

const EXPECTED = 'expected {fx, fy, cx, cy}, or a camera matrix K as 9 numbers in rows';

/**
 * Reads the intrinsics in a message, in this order: `intrinsics`, as a map or a matrix; `camera_info`, in ROS format;
 * `K` or `k`, a matrix. A map may contain the `width` and `height` of the calibrated picture, if they differ from those
 * of the frame.
 *
 * @param frame size in pixels.
 * @returns the intrinsics; a sentence that explains why they cannot be used; or null if there are none.
 */
export function readIntrinsics(
  message: Value,
  frame: { readonly width: number; readonly height: number },
): Intrinsics | string | null {
  if (!isFields(message)) return null;
  const name = ['intrinsics', 'camera_info', 'K', 'k'].find((key) => (own(message, key) ?? null) !== null);
  if (name === undefined) return null;
  const value = own(message, name) ?? null;
  const fields = isFields(value) ? value : {};
  const found = Array.isArray(value) ? fromMatrix(value) : fromFields(fields);
  if (found === null) return `${name} in the message is not usable: ${EXPECTED}`;
  if (!(found.fx > 0 && found.fy > 0)) return `${name} in the message has focal lengths that are not above 0`;
  const { width, height } = fields;
  if (typeof width !== 'number' || typeof height !== 'number' || !(width > 0 && height > 0)) return found;
  const [across, down] = [frame.width / width, frame.height / height];
  // Scaling applies to the edges of pixels, which are half a pixel from their centres.
  return {
    fx: found.fx * across,
    fy: found.fy * down,
    cx: (found.cx + 0.5) * across - 0.5,
    cy: (found.cy + 0.5) * down - 0.5,
  };
}

function fromFields(fields: Fields): Intrinsics | null {
  const matrix = own(fields, 'K') ?? own(fields, 'k');
  if (Array.isArray(matrix)) return fromMatrix(matrix);
  // librealsense calls the principal point ppx and ppy.
  return checked(
    own(fields, 'fx'),
    own(fields, 'fy'),
    own(fields, 'cx') ?? own(fields, 'ppx'),
    own(fields, 'cy') ?? own(fields, 'ppy'),
  );
}

/** @param matrix 9 numbers, or 3 rows of 3 as returned by `tolist()`. */
function fromMatrix(matrix: readonly Value[]): Intrinsics | null {
  const numbers =
    matrix.length === 3 ? matrix.flatMap((row) => (Array.isArray(row) ? (row as Value[]) : [null])) : matrix;
  const [fx, , cx, , fy, cy] = numbers;
  return numbers.length === 9 ? checked(fx, fy, cx, cy) : null;
}

function checked(fx?: Value, fy?: Value, cx?: Value, cy?: Value): Intrinsics | null {
  return isNumber(fx) && isNumber(fy) && isNumber(cx) && isNumber(cy) ? { fx, fy, cx, cy } : null;
}

function isNumber(value: Value | undefined): value is number {
  return Number.isFinite(value);
}

function isFields(value: Value): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function own(fields: Fields, key: string): Value | undefined {
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}
