import type { FfmpegOptions } from './ffmpeg-options.ts';
import { type FfmpegVersion, isAtLeast } from './ffmpeg-version.ts';
import type { InputPlan } from './input-plan.ts';

/** Boundary of FFmpeg's multipart muxer. */
export const BOUNDARY = 'ffmpeg';

/** The same as for the test pattern, and in NetGear. */
const DEFAULT_QUALITY = 90;

/**
 * Converts a JPEG quality on libjpeg's scale (1 low, 100 high) to FFmpeg's scale (2 high, 31 low) with the same average
 * quantization. 90 becomes 2, 80 becomes 5, 50 becomes 12, 20 and lower become 31.
 */
export function toQscale(quality: number): number {
  const strength = quality < 50 ? 50 / quality : 2 - quality / 50;
  return Math.min(31, Math.max(1, Math.round(strength * 12.4)));
}

/** FFmpeg's output arguments: JPEGs in a multipart body, BMPs or PGMs, each flushed immediately. */
export function outputArgs(options: FfmpegOptions, plan: InputPlan, version: FfmpegVersion): readonly string[] {
  // The first video stream, excluding cover pictures.
  const chosen = ['-map', '0:V:0', '-an', '-sn', '-dn'];
  if (plan.isCopied) return [...chosen, '-c:v', 'copy', ...options.outputArgs, ...MULTIPART];
  // No frames are duplicated or dropped to keep a constant rate.
  const passed = isAtLeast(version, { major: 5, minor: 1 }) ? ['-fps_mode', 'passthrough'] : ['-vsync', 'passthrough'];
  const filters = [options.filter, rateFilter(options, plan), sizeFilter(options, plan), options.pixels === 'bgr24' ? 'vflip' : null, NUMBERED].filter((filter) => filter !== null);
  return [...chosen, ...passed, '-vf', filters.join(','), ...NUMBERED_ARGS, ...encoderArgs(options), ...options.outputArgs, ...containerArgs(options)];
}

const MULTIPART = ['-f', 'mpjpeg', '-boundary_tag', BOUNDARY, 'pipe:1'];

/**
 * Frame numbers instead of timestamps: those of network cameras jitter, and the encoder fails if two round to the same
 * value.
 */
const NUMBERED = 'settb=1/1000,setpts=N';
const NUMBERED_ARGS = ['-enc_time_base', '1:1000'];

function rateFilter({ fps }: FfmpegOptions, { needsRateFilter }: InputPlan): string | null {
  return fps !== null && needsRateFilter ? `fps=${fps}` : null;
}

function sizeFilter({ size }: FfmpegOptions, { needsScaling }: InputPlan): string | null {
  return size !== null && needsScaling ? `scale=${size.width}:${size.height}` : null;
}

function encoderArgs({ pixels, quality }: FfmpegOptions): readonly string[] {
  // Not frame threads: each would add a frame of latency.
  const prompt = ['-thread_type', 'slice'];
  switch (pixels) {
    case null:
      // Without -qmin, FFmpeg's minimum is 2.
      return ['-c:v', 'mjpeg', ...prompt, '-q:v', String(toQscale(quality ?? DEFAULT_QUALITY)), '-qmin', '1'];
    case 'bgr24':
      return ['-c:v', 'bmp', ...prompt, '-pix_fmt', 'bgr24'];
    case 'gray':
      return ['-c:v', 'pgm', ...prompt, '-pix_fmt', 'gray'];
    case 'gray16le':
      return ['-c:v', 'pgm', ...prompt, '-pix_fmt', 'gray16be'];
    default:
      return pixels satisfies never;
  }
}

function containerArgs({ pixels }: FfmpegOptions): readonly string[] {
  return pixels === null ? MULTIPART : ['-f', 'image2pipe', 'pipe:1'];
}
