import type { Quality } from '../../shared/quality.ts';

/** One way to send a stream: the source's frames as they are, or a rendition of them. */
export type Step = { readonly kind: 'source' } | { readonly kind: 'packed' } | JpegStep | VideoStep;

/** JPEG of reduced size and quality. */
export interface JpegStep {
  readonly kind: 'jpeg';
  /** Width and height are divided by this number, and rounded: 1, 2, 4 or 8, which libjpeg decodes at reduced cost. */
  readonly divisor: 1 | 2 | 4 | 8;
  /** libjpeg's quality, 1 to 100. */
  readonly quality: number;
}

/** H.264 of reduced size. */
export interface VideoStep {
  readonly kind: 'h264';
  /** Width and height are divided by this number, and rounded to even ones. */
  readonly divisor: 1 | 2 | 4;
  readonly bitsPerSecond: number;
}

/** The unmodified frames. */
export const SOURCE: Step = { kind: 'source' };

/** Arrays, packed without loss. */
export const PACKED: Step = { kind: 'packed' };

/**
 * JPEG renditions, from the largest to the smallest. Neighbours differ by a factor of 1.4 to 2.5 in bits, so that
 * trying the next larger one delays few frames.
 */
const JPEG_STEPS: readonly JpegStep[] = [
  { kind: 'jpeg', divisor: 1, quality: 60 },
  { kind: 'jpeg', divisor: 2, quality: 75 },
  { kind: 'jpeg', divisor: 2, quality: 50 },
  { kind: 'jpeg', divisor: 4, quality: 70 },
  { kind: 'jpeg', divisor: 4, quality: 45 },
  { kind: 'jpeg', divisor: 8, quality: 70 },
  { kind: 'jpeg', divisor: 8, quality: 45 },
];

/** H.264 renditions: divisor, and bits per pixel at 30 fps. With fewer bits, pictures of a smaller size look better. */
const VIDEO_STEPS: readonly (readonly [divisor: 1 | 2 | 4, bitsPerPixel: number])[] = [
  [1, 0.09],
  [2, 0.16],
  [2, 0.08],
  [4, 0.14],
];

/**
 * Maximum number of pixels of H.264: of level 5.2, the highest that many decoders support. An encoder of larger pictures
 * would take up to 1 GB of memory.
 */
const MAX_VIDEO_PIXELS = 36_864 * 256;

/** H.264 needs fewer bits for a slower stream, but not in proportion, so the bit rate for 30 fps is always used. */
const VIDEO_FPS = 30;

/** Granularity of bit rates. */
const BIT_RATE_UNIT = 10_000;

/** Minimum length of a rendition's shorter side, below which its picture is not useful. */
const MIN_SIDE = 120;

/** Minimum divisor of the source's width and height, by the viewer's quality. */
const MIN_DIVISOR: Readonly<Record<Exclude<Quality, 'source'>, number>> = { auto: 1, half: 2, quarter: 4 };

/** Properties of a stream and a viewer that determine the ladder. */
export interface LadderOptions {
  readonly quality: Quality;
  /** Size of the source's frames. */
  readonly width: number;
  readonly height: number;
  /** Size at which the viewer shows the frames, in device pixels; 0 if it needs every pixel. */
  readonly shownWidth: number;
  readonly shownHeight: number;
  /** Whether the viewer can decode H.264 and the gateway can encode it, so that it replaces JPEG. */
  readonly hasVideo?: boolean;
}

/**
 * Steps that a viewer may get, best first. The source's frames are the first unless the viewer wants smaller ones.
 * Renditions are no larger than needed for the size on screen.
 */
export function ladder({
  quality,
  width,
  height,
  shownWidth,
  shownHeight,
  hasVideo = false,
}: LadderOptions): readonly Step[] {
  if (quality === 'source') return [SOURCE];
  const minDivisor = MIN_DIVISOR[quality];
  const isLargeEnough = (divisor: number): boolean => Math.min(width, height) / divisor >= MIN_SIDE;
  // A picture of half the size would also fill the screen.
  const isTooLarge = (divisor: number): boolean =>
    shownWidth > 0 && width / divisor / 2 >= shownWidth && height / divisor / 2 >= shownHeight;
  const all: readonly (JpegStep | VideoStep)[] = hasVideo ? videoSteps(width, height) : JPEG_STEPS;
  const steps = all.filter(({ divisor }) => divisor >= minDivisor && isLargeEnough(divisor));
  const fitting = steps.filter(({ divisor }) => !isTooLarge(divisor));
  // A very small viewer still gets the smallest renditions.
  const renditions = fitting.length > 0 ? fitting : steps.slice(-1);
  return minDivisor === 1 || renditions.length === 0 ? [SOURCE, ...renditions] : renditions;
}

function videoSteps(width: number, height: number): readonly VideoStep[] {
  return VIDEO_STEPS.flatMap(([divisor, bitsPerPixel]) => {
    const pixels = (width / divisor) * (height / divisor);
    if (pixels > MAX_VIDEO_PIXELS) return [];
    const bits = pixels * VIDEO_FPS * bitsPerPixel;
    return [{ kind: 'h264', divisor, bitsPerSecond: Math.max(1, Math.round(bits / BIT_RATE_UNIT)) * BIT_RATE_UNIT }];
  });
}

/**
 * The JPEG step that takes the place of an H.264 one while there is no encoder: the largest that needs no more bits.
 */
export function jpegInstead(
  { divisor, bitsPerSecond }: VideoStep,
  { width, height }: { readonly width: number; readonly height: number },
  framesPerSecond: number,
  bytes: (step: Step) => number,
): JpegStep {
  const steps = JPEG_STEPS.filter(
    (step) => step.divisor >= divisor && Math.min(width, height) / step.divisor >= MIN_SIDE,
  );
  return (
    steps.find((step) => bytes(step) * 8 * framesPerSecond <= bitsPerSecond) ??
    steps.at(-1) ?? { kind: 'jpeg', divisor: 1, quality: 45 }
  );
}

/** Identifies a step in frame headers and among the renditions of a stream. */
export function stepName(step: Step): string {
  if (step.kind === 'source' || step.kind === 'packed') return step.kind;
  return step.kind === 'jpeg'
    ? `jpeg-${step.divisor}-${step.quality}`
    : `h264-${step.divisor}-${step.bitsPerSecond / 1000}`;
}

/** Maximum bit rate of a step, in bits per second: several times the rate that the largest frames need. */
const MAX_BIT_RATE = 1e9;

/** @returns the rendition with this {@link stepName}; null if the ladder has no such step. */
export function parseStep(name: string): JpegStep | VideoStep | null {
  const jpeg = JPEG_STEPS.find((step) => stepName(step) === name);
  if (jpeg !== undefined) return jpeg;
  const [, divisorText = '', kilobits = ''] = /^h264-([124])-(\d{1,7})$/.exec(name) ?? [];
  const divisor = ([1, 2, 4] as const).find((by) => String(by) === divisorText);
  const bitsPerSecond = Number(kilobits) * 1000;
  if (divisor === undefined || bitsPerSecond < BIT_RATE_UNIT || bitsPerSecond > MAX_BIT_RATE) return null;
  return { kind: 'h264', divisor, bitsPerSecond };
}

/** `JPEG 640×360 q50`, for display. */
export function stepLabel(step: Step, { width, height }: { readonly width: number; readonly height: number }): string {
  if (step.kind === 'source') return `source ${width}×${height}`;
  if (step.kind === 'packed') return `lossless ${width}×${height}`;
  if (step.kind === 'h264') return `H.264 ${evenPart(width, step.divisor)}×${evenPart(height, step.divisor)}`;
  return `JPEG ${pictureWidth(step, width)}×${Math.round((height * pictureWidth(step, width)) / width)} q${step.quality}`;
}

/** Part of a side in pixels, rounded to an even number, as H.264 with 4:2:0 requires. */
export function evenPart(pixels: number, divisor: number): number {
  return Math.max(2, Math.round(pixels / divisor / 2) * 2);
}

/** Width of a rendition in pixels; the height follows from the frame's proportions. */
export function pictureWidth({ divisor }: JpegStep, frameWidth: number): number {
  return Math.ceil(frameWidth / divisor);
}

/**
 * Bytes of a JPEG of this quality in relation to a camera's: measured with photographs and drawings, 0.26 to 0.5 at
 * quality 50.
 */
function qualityFactor(quality: number): number {
  return 0.3 + (quality - 45) / 120;
}

/**
 * Exponent of the number of pixels by which bytes per pixel grow as a picture shrinks, because its details become
 * denser.
 */
const DETAIL_EXPONENT = 0.8;

/** Assumed size of a packed array in relation to the array, before any was packed; measured with depth images. */
const PACKED_RATIO = 0.5;

/** Expected size of a rendition's frame, before any was encoded. */
export function expectedBytes(step: Step, sourceBytes: number): number {
  if (step.kind === 'source') return sourceBytes;
  if (step.kind === 'packed') return sourceBytes * PACKED_RATIO;
  if (step.kind === 'h264') return step.bitsPerSecond / 8 / VIDEO_FPS;
  return sourceBytes * (1 / step.divisor ** 2) ** DETAIL_EXPONENT * qualityFactor(step.quality);
}
