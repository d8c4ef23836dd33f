import { FRAME_LIMITS } from '../../../shared/frame.ts';
import type { FfmpegOptions } from './ffmpeg-options.ts';
import { type FfmpegVersion, isAtLeast } from './ffmpeg-version.ts';
import type { InputPlan } from './plan.ts';
import { UNKNOWN_COLORS, type VideoColors } from './probe-media.ts';

/** Boundary of FFmpeg's multipart muxer. */
export const BOUNDARY = 'ffmpeg';

/** JPEG quality, equal to that of the test pattern and of NetGear. */
const DEFAULT_QUALITY = 90;

/**
 * Converts a JPEG quality on libjpeg's scale (1 low, 100 high) to FFmpeg's scale (1 high, 31 low) with the same average
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
  const colors = plan.colors ?? UNKNOWN_COLORS;
  const filters = [
    colors.isUntaggedHd ? BT709 : null,
    options.filter,
    rateFilter(options, plan),
    sizeFilter(options, plan),
    options.pixels === null ? jpegColors(options, colors) : null,
    options.pixels === 'bgr24' ? 'vflip' : null,
    NUMBERED,
  ].filter((filter) => filter !== null);
  return [
    ...chosen,
    ...passed,
    '-vf',
    filters.join(','),
    ...NUMBERED_ARGS,
    ...encoderArgs(options),
    ...options.outputArgs,
    ...containerArgs(options),
  ];
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

/**
 * Sets the colour matrix of a video that does not specify one. Precedes the user's filter, which can set another one.
 */
const BT709 = 'setparams=colorspace=bt709';

/**
 * Converts to the colours of JPEG: BT.601, full range. FFmpeg itself only adjusts the range, and keeps the samples of
 * other matrices. Of its filters, `colorspace` is precise, and takes an eighth of the time of `scale`. It supports only
 * planar video with a known matrix, and a user's filter may change both. For BT.601, `scale` adds no cost, because the
 * range must be adjusted anyway.
 */
function jpegColors({ filter }: FfmpegOptions, { conversion }: VideoColors): string {
  if (conversion === null || filter !== null) return 'scale=out_color_matrix=bt601:out_range=pc';
  const { ispace, format } = conversion;
  // Primaries and transfer characteristics are kept, because JPEG does not define any.
  const input = `ispace=${ispace}:iprimaries=bt709:itrc=bt709`;
  return `colorspace=${input}:space=smpte170m:primaries=bt709:trc=bt709:range=pc:format=${format}:fast=1`;
}

/** Maximum sides of a frame, and its maximum growth to make its pixels square: 352×576 at 16:9 grows by 2.9. */
const MAX_SIDE = FRAME_LIMITS.side;
const MAX_GROWTH = 4;

/**
 * Scales to the requested size, or to square pixels. A separate filter from the one for colours: small pictures are
 * converted faster.
 */
function sizeFilter({ size }: FfmpegOptions, { needsScaling, isLive }: InputPlan): string {
  const scale = size !== null && needsScaling ? `scale=${size.width}:${size.height}` : squareScale(isLive);
  return `${scale},setsar=1`;
}

/**
 * `iw*sar` by `ih`, to even widths, within limits; other sizes stay as they are. FFmpeg before 6.0 detects a change of
 * the aspect ratio in the middle of a stream, but keeps the initial size. A live input then ends with an error, and is
 * reopened with the new size.
 */
function squareScale(isLive: boolean): string {
  const shrink = `min(1,min(sqrt(${MAX_GROWTH}/sar),${MAX_SIDE}/(iw*sar)))`;
  const width = `if(eq(sar,1),iw,max(2,2*round(iw*sar*${shrink}/2)))`;
  const height = `if(eq(sar,1),ih,max(2,round(ih*${shrink})))`;
  if (!isLive) return `scale=w='${width}':h='${height}'`;
  // Register 0 is kept between frames. A width of 0/0 is invalid.
  return `scale=eval=frame:w='if(ld(0)*not(eq(ld(0),sar)),0/0,st(0,sar)*0+${width})':h='${height}'`;
}

function encoderArgs({ pixels, quality }: FfmpegOptions): readonly string[] {
  // Slice threads, because each frame thread would add a frame of latency.
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
