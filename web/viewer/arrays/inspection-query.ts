import type { ChannelStatistics, PixelArea } from '../../../shared/arrays/inspection.ts';
import type { Point } from '../picture-geometry.ts';

/** Pixel or area to inspect, in pixels of the frame. */
export type InspectionQuery =
  | { readonly kind: 'pixel'; readonly x: number; readonly y: number }
  | { readonly kind: 'area'; readonly area: PixelArea }
  | DistanceQuery;

/** Two pixels of a depth array. */
export interface DistanceQuery {
  readonly kind: 'distance';
  readonly from: Point;
  readonly to: Point;
  /** Unit of the depths; empty for the unit in the message. */
  readonly unit: string;
}

/** Origin of the values. */
interface InspectedFrame {
  /** Number of the frame with these values. */
  readonly sequence: number;
  /** dtype of the array, or `jpeg` or `h264`. */
  readonly dtype: string;
  /**
   * Size of the picture that arrived instead of the source's frame: the values are those of the pixels of this picture.
   * null for the source's own frame. Coordinates are always those of the source's frame.
   */
  readonly rendition: { readonly width: number; readonly height: number } | null;
}

/** The exact values of one pixel. */
export interface PixelInspection extends InspectedFrame {
  readonly x: number;
  readonly y: number;
  /**
   * One value per channel, in the order of the array; of JPEG and H.264, red, green and blue as the browser decodes
   * them.
   */
  readonly values: readonly number[];
  /** Whether the value means that nothing was measured. */
  readonly isNoData: boolean;
  /** Whether distances can be measured: the message has intrinsics of the camera, and the array has one channel. */
  readonly hasIntrinsics: boolean;
}

/** Statistics of the values in a rectangle. */
export interface AreaInspection extends InspectedFrame {
  /** The part of the rectangle that lies in the picture. */
  readonly area: PixelArea;
  /**
   * One element per channel, in the same order as the values of a pixel. Missing values, NaN and infinities do not
   * count.
   */
  readonly channels: readonly ChannelStatistics[];
}

/** A pixel, and the position of the surface at this pixel. */
export interface PointInSpace extends Point {
  /** Position to the right, down and forward from the camera, in metres; null if there is no depth. */
  readonly position: readonly [x: number, y: number, z: number] | null;
}

/** Distance between the surfaces at two pixels. */
export interface MeasuredDistance {
  readonly from: PointInSpace;
  readonly to: PointInSpace;
  /** Distance in metres; null if it cannot be measured. */
  readonly meters: number | null;
  /** Why the distance cannot be measured, as a sentence; null if it was. */
  readonly reason: string | null;
}

export interface DistanceInspection extends MeasuredDistance {
  /** Number of the frame with these depths. */
  readonly sequence: number;
}

/** Results by kind of query. */
export interface Inspections {
  readonly pixel: PixelInspection;
  readonly area: AreaInspection;
  readonly distance: DistanceInspection;
}

/** Result; null if nothing is drawn yet, or the pixel or area is outside of the picture. */
export type Inspection = Inspections[keyof Inspections] | null;
