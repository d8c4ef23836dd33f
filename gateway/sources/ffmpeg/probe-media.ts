import { GearwayError } from '../../../shared/errors.ts';
import { explainFailure } from './explain-failure.ts';
import type { FfmpegTools } from './ffmpeg-tools.ts';

/** Properties of an input, from ffprobe. */
export interface MediaInfo {
  /** FFmpeg's name of the codec; null if unknown. */
  readonly codec: string | null;
  /** Whether it is a recording, which has an end. */
  readonly hasEnd: boolean;
  /** Whether its pixels are square, or their shape is unknown. */
  readonly hasSquarePixels: boolean;
  /** Whether it is a video of more than 576 lines that does not name its colour matrix. */
  readonly isUntaggedHd: boolean;
}

/** Longer than FFmpeg's own timeouts, whose errors are more specific. */
const TIMEOUT_MS = 12_000;

/** Error about an option that ffprobe lacks, which does not mean that the input is invalid. */
const FOREIGN_OPTION = /option/i;

/** Properties of an input that was not inspected. */
export const UNKNOWN_MEDIA: MediaInfo = { codec: null, hasEnd: false, hasSquarePixels: true, isUntaggedHd: false };

/** Maximum height of video that is BT.601 unless it names another matrix: that of PAL. Players use the same limit. */
const MAX_SD_LINES = 576;

/**
 * Inspects an input with ffprobe.
 *
 * @param args arguments that open it, up to and including `-i` and its name.
 * @param input standard input, for a list of files in a pipe.
 * @returns unknown properties if ffprobe is missing, or does not support the input's options.
 * @throws {GearwayError} `source-failed` if the input cannot be opened.
 */
export async function probeMedia(
  tools: FfmpegTools,
  {
    args,
    input,
    signal,
  }: { readonly args: readonly string[]; readonly input: string | null; readonly signal: AbortSignal },
): Promise<MediaInfo> {
  const asked = [
    '-v',
    'error',
    '-select_streams',
    'V:0',
    '-show_entries',
    'stream=codec_name,pix_fmt,height,color_space,sample_aspect_ratio:format=duration',
    '-of',
    'json',
  ];
  const { end, hasTimedOut, output, errorLines } = await tools.run('ffprobe', [...asked, ...args], {
    timeoutMs: TIMEOUT_MS,
    signal,
    input,
  });
  if (end.kind === 'exited' && end.code === 0) return parseMediaInfo(output);
  if (hasTimedOut)
    throw new GearwayError('source-failed', `ffprobe received no data from it for ${TIMEOUT_MS / 1000} s`);
  if (end.kind === 'missing' || errorLines.some((line) => FOREIGN_OPTION.test(line))) return UNKNOWN_MEDIA;
  throw explainFailure('ffprobe', end, errorLines);
}

/** Parses ffprobe's JSON. */
export function parseMediaInfo(json: string): MediaInfo {
  const { streams, format } = JSON.parse(json) as { streams?: FoundStream[]; format?: { duration?: string } };
  const {
    codec_name: codec = null,
    pix_fmt: pixels = '',
    height = 0,
    color_space: matrix = 'unknown',
    sample_aspect_ratio: ratio = '0:1',
  } = streams?.[0] ?? {};
  return {
    codec,
    hasEnd: Number(format?.duration ?? '0') > 0,
    hasSquarePixels: ['0:1', '1:1', 'N/A'].includes(ratio),
    // Raw video, such as that of webcams, is BT.601 by convention.
    isUntaggedHd:
      matrix === 'unknown' &&
      height > MAX_SD_LINES &&
      /^(?:yuv|nv|p0)/.test(pixels) &&
      codec !== 'rawvideo' &&
      codec !== 'mjpeg',
  };
}

interface FoundStream {
  readonly codec_name?: string;
  readonly pix_fmt?: string;
  readonly height?: number;
  readonly color_space?: string;
  readonly sample_aspect_ratio?: string;
}
