import type { Size } from '../../../config/source-url.ts';

/** Range of supported sizes; a single size if `min` equals `max`. */
export interface SizeRange {
  readonly min: Size;
  readonly max: Size;
  /** Step between sizes, in pixels. */
  readonly step: Size;
  /** Maximum frame rate; null if unknown. */
  readonly maxFps: number | null;
}

/** A format supported by a camera. */
export interface CameraFormat {
  /** FFmpeg's name of the codec or pixel format: `mjpeg`, `yuyv422`, `gray16le`. */
  readonly name: string;
  readonly isCompressed: boolean;
  readonly sizes: readonly SizeRange[];
}

/** A local camera. */
export interface Camera {
  /** Product name. */
  readonly name: string;
  /** FFmpeg's name of the device: a device file, a name, or a number. */
  readonly device: string;
  /** Supported formats; empty if the system does not report them. */
  readonly formats: readonly CameraFormat[];
}

/** A range with a single size. */
export function oneSize(width: number, height: number, maxFps: number | null = null): SizeRange {
  return { min: { width, height }, max: { width, height }, step: { width: 1, height: 1 }, maxFps };
}

/** Whether a format supports this size. */
export function hasSize({ sizes }: CameraFormat, { width, height }: Size): boolean {
  return sizes.some(
    ({ min, max, step }) =>
      fits(width, min.width, max.width, step.width) && fits(height, min.height, max.height, step.height),
  );
}

function fits(value: number, min: number, max: number, step: number): boolean {
  return value >= min && value <= max && (value - min) % Math.max(1, step) === 0;
}
