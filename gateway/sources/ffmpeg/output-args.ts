import type { FfmpegOptions } from './ffmpeg-options.ts';
import { type FfmpegVersion, isAtLeast } from './ffmpeg-version.ts';
import type { InputPlan } from './input-plan.ts';

/** What the multipart muxer puts between JPEGs. */
export const BOUNDARY = 'ffmpeg';

/** As the test pattern's, and NetGear's. */
export const DEFAULT_QUALITY = 90;

/**
 * FFmpeg's scale of a JPEG's quality, where 2 is fine and 31 coarse, for libjpeg's, where 1 is coarse and 100 fine: that whose
 * quantization is as strong on average. 90 is 2, 80 is 5, 50 is 12, 20 and less are 31.
 */
export function toQscale(quality: number): number {
  const strength = quality < 50 ? 50 / quality : 2 - quality / 50;
  return Math.min(31, Math.max(1, Math.round(strength * 12.4)));
}

/** FFmpeg's arguments for what it gives us: JPEGs in a multipart body, BMPs or PGMs, each as soon as it can. */
export function outputArgs(options: FfmpegOptions, plan: InputPlan, version: FfmpegVersion): readonly string[] {
  // Not a cover's picture, and one stream of several.
  const chosen = ['-map', '0:V:0', '-an', '-sn', '-dn'];
  if (plan.isCopied) return [...chosen, '-c:v', 'copy', ...options.outputArgs, ...MULTIPART];
  // Frames come when they come: none is repeated or left out to keep a rate.
  const passed = isAtLeast(version, { major: 5, minor: 1 }) ? ['-fps_mode', 'passthrough'] : ['-vsync', 'passthrough'];
  const filters = [options.filter, rateFilter(options, plan), sizeFilter(options, plan), options.pixels === 'bgr24' ? 'vflip' : null, NUMBERED].filter((filter) => filter !== null);
  return [...chosen, ...passed, '-vf', filters.join(','), ...NUMBERED_ARGS, ...encoderArgs(options), ...options.outputArgs, ...containerArgs(options)];
}

const MULTIPART = ['-f', 'mpjpeg', '-boundary_tag', BOUNDARY, 'pipe:1'];

/** A number in place of a time: network cameras' times jitter, and the encoder ends with the first two that round to the same. */
const NUMBERED = 'settb=1/1000,setpts=N';
const NUMBERED_ARGS = ['-enc_time_base', '1:1000'];

function rateFilter({ fps }: FfmpegOptions, { isRated }: InputPlan): string | null {
  return fps !== null && isRated ? `fps=${fps}` : null;
}

function sizeFilter({ size }: FfmpegOptions, { isResized }: InputPlan): string | null {
  return size !== null && isResized ? `scale=${size.width}:${size.height}` : null;
}

function encoderArgs({ pixels, quality }: FfmpegOptions): readonly string[] {
  // Threads that take a frame each would be as many frames late.
  const prompt = ['-thread_type', 'slice'];
  switch (pixels) {
    case null:
      // FFmpeg's least is 2 unless it is told otherwise.
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
