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
  readonly colors: VideoColors;
}

/** Information that FFmpeg needs to convert the colours of a video to those of JPEG. */
export interface VideoColors {
  /** Whether the video has more than 576 lines and names no colour matrix, so that BT.709 is assumed. */
  readonly isUntaggedHd: boolean;
  /** Arguments of FFmpeg's filter `colorspace`; null if the filter cannot convert such a video. */
  readonly conversion: {
    readonly ispace: 'bt709' | 'bt2020nc';
    readonly format: `yuv${'420' | '422' | '444'}p`;
  } | null;
}

/** Colour properties of an input that was not inspected. */
export const UNKNOWN_COLORS: VideoColors = { isUntaggedHd: false, conversion: null };

/** Timeout of ffprobe: longer than FFmpeg's own timeouts, whose errors are more specific. */
const TIMEOUT_MS = 12_000;

/** Error about an option that ffprobe lacks, which does not mean that the input is invalid. */
const FOREIGN_OPTION = /option/i;

/** Properties of an input that was not inspected. */
export const UNKNOWN_MEDIA: MediaInfo = {
  codec: null,
  hasEnd: false,
  hasSquarePixels: true,
  colors: UNKNOWN_COLORS,
};

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
  const stream = streams?.[0] ?? {};
  const { codec_name: codec = null, sample_aspect_ratio: ratio = '0:1' } = stream;
  return {
    codec,
    hasEnd: Number(format?.duration ?? '0') > 0,
    hasSquarePixels: ['0:1', '1:1', 'N/A'].includes(ratio),
    colors: videoColors(stream),
  };
}

/** Pixel formats of FFmpeg's filter `colorspace`; the letter `j` marks the full range. */
const CONVERTIBLE = /^yuvj?(420|422|444)p(?:1[02]le)?$/;

function videoColors({
  codec_name: codec,
  pix_fmt: pixels = '',
  height = 0,
  color_space: matrix = 'unknown',
}: FoundStream): VideoColors {
  // Raw video, such as that of webcams, is BT.601 by convention.
  const isVideo = /^(?:yuv|nv|p0)/.test(pixels) && codec !== 'rawvideo' && codec !== 'mjpeg';
  const isUntaggedHd = matrix === 'unknown' && height > MAX_SD_LINES && isVideo;
  const ispace = isUntaggedHd ? 'bt709' : matrix;
  const sampling = CONVERTIBLE.exec(pixels)?.[1] as '420' | '422' | '444' | undefined;
  const isConverted = (ispace === 'bt709' || ispace === 'bt2020nc') && sampling !== undefined;
  return { isUntaggedHd, conversion: isConverted ? { ispace, format: `yuv${sampling}p` } : null };
}

interface FoundStream {
  readonly codec_name?: string;
  readonly pix_fmt?: string;
  readonly height?: number;
  readonly color_space?: string;
  readonly sample_aspect_ratio?: string;
}
