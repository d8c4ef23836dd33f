import type { FfmpegTools } from './ffmpeg-tools.ts';
import type { FfmpegVersion } from './ffmpeg-version.ts';
import type { VideoColors } from './probe-media.ts';

/** How FFmpeg opens an input, and properties of the input. */
export interface InputPlan {
  /** FFmpeg's arguments up to and including `-i` and the input's name. */
  readonly args: readonly string[];
  /** FFmpeg's standard input, a list of files; null for none. */
  readonly stdin: string | null;
  /** Whether the input delivers pictures in real time. FFmpeg paces other inputs. */
  readonly isLive: boolean;
  /** Whether the input may end without that being a failure. */
  readonly hasEnd: boolean;
  /** Whether the input's JPEGs are forwarded unmodified. */
  readonly isCopied: boolean;
  /** Properties of the video, for the conversion of colours. Default: unknown. */
  readonly colors?: VideoColors;
  /** Whether a requested size or rate requires a filter, because the input itself does not provide it. */
  readonly needsScaling: boolean;
  readonly needsRateFilter: boolean;
}

/** Dependencies of all plans. */
export interface PlanContext {
  readonly tools: FfmpegTools;
  readonly version: FfmpegVersion;
  readonly signal: AbortSignal;
}
