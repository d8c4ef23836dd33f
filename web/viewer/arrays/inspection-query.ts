import type { ChannelStatistics, PixelArea } from '../../../shared/arrays/inspection.ts';

/** Pixel or area to inspect, in pixels of the frame. */
export type InspectionQuery =
  | { readonly kind: 'pixel'; readonly x: number; readonly y: number }
  | { readonly kind: 'area'; readonly area: PixelArea };

/** The exact values of one pixel. */
export interface PixelInspection {
  /** Number of the frame that has them. */
  readonly sequence: number;
  readonly x: number;
  readonly y: number;
  /** dtype of the array, or `jpeg`. */
  readonly dtype: string;
  /** One value per channel, in the order of the array; of a JPEG, red, green and blue as the browser decodes them. */
  readonly values: readonly number[];
  /** Whether the value means that nothing was measured. */
  readonly isNoData: boolean;
}

/** Statistics of the values in a rectangle. */
export interface AreaInspection {
  /** Number of the frame that has them. */
  readonly sequence: number;
  /** The part of the rectangle that lies in the picture. */
  readonly area: PixelArea;
  /** dtype of the array, or `jpeg`. */
  readonly dtype: string;
  /** One per channel, as the values of a pixel. Missing values, NaN and infinities do not count. */
  readonly channels: readonly ChannelStatistics[];
}

/** null: nothing is drawn yet, or the pixel or area is outside of the picture. */
export type Inspection = PixelInspection | AreaInspection | null;
