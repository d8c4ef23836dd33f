import type { Size } from '../../../config/source-url.ts';

/** Sizes that a camera has: one, where least and most are the same, or all between. */
export interface SizeRange {
  readonly min: Size;
  readonly max: Size;
  /** Pixels from one to the next. */
  readonly step: Size;
  /** Most frames a second; null when it is not known. */
  readonly maxFps: number | null;
}

/** One way in which a camera gives its pictures. */
export interface CameraFormat {
  /** FFmpeg's name of the codec or of the pixel format: `mjpeg`, `yuyv422`, `gray16le`. */
  readonly name: string;
  readonly isCompressed: boolean;
  readonly sizes: readonly SizeRange[];
}

/** A camera of this machine. */
export interface Camera {
  /** Its maker's name for it. */
  readonly name: string;
  /** What FFmpeg opens: a device file, a name, a number. */
  readonly device: string;
  /** Empty where the system does not tell before it is opened. */
  readonly formats: readonly CameraFormat[];
}

/** One size. */
export function oneSize(width: number, height: number, maxFps: number | null = null): SizeRange {
  return { min: { width, height }, max: { width, height }, step: { width: 1, height: 1 }, maxFps };
}

/** Whether pictures of this size can be had in this format. */
export function hasSize({ sizes }: CameraFormat, { width, height }: Size): boolean {
  return sizes.some(({ min, max, step }) => fits(width, min.width, max.width, step.width) && fits(height, min.height, max.height, step.height));
}

function fits(value: number, min: number, max: number, step: number): boolean {
  return value >= min && value <= max && (value - min) % Math.max(1, step) === 0;
}
