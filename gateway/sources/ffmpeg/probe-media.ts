import { GearwayError } from '../../../shared/errors.ts';
import { explainFailure } from './explain-failure.ts';
import type { FfmpegTools } from './ffmpeg-tools.ts';

/** Properties of an input, from ffprobe. */
interface MediaInfo {
  /** FFmpeg's name of the codec; null if unknown. */
  readonly codec: string | null;
  /** Whether it is a recording, which has an end. */
  readonly hasEnd: boolean;
}

/** Longer than FFmpeg's own timeouts, whose errors are more specific. */
const TIMEOUT_MS = 12_000;

/** Error about an option that ffprobe lacks, which does not mean that the input is invalid. */
const FOREIGN_OPTION = /option/i;

const UNKNOWN: MediaInfo = { codec: null, hasEnd: false };

/**
 * Inspects an input with ffprobe.
 *
 * @param args arguments that open it, up to and including `-i` and its name.
 * @param input standard input, for a list of files in a pipe.
 * @returns unknown properties if ffprobe is missing, or does not support the input's options.
 * @throws {GearwayError} `source-failed` if the input cannot be opened.
 */
export async function probeMedia(tools: FfmpegTools, { args, input, signal }: { readonly args: readonly string[]; readonly input: string | null; readonly signal: AbortSignal }): Promise<MediaInfo> {
  const asked = ['-v', 'error', '-select_streams', 'V:0', '-show_entries', 'stream=codec_name:format=duration', '-of', 'json'];
  const { end, hasTimedOut, output, errorLines } = await tools.run('ffprobe', [...asked, ...args], { timeoutMs: TIMEOUT_MS, signal, input });
  if (end.kind === 'exited' && end.code === 0) return parseMediaInfo(output);
  if (hasTimedOut) throw new GearwayError('source-failed', `ffprobe received no data from it for ${TIMEOUT_MS / 1000} s`);
  if (end.kind === 'missing' || errorLines.some((line) => FOREIGN_OPTION.test(line))) return UNKNOWN;
  throw explainFailure('ffprobe', end, errorLines);
}

/** Parses ffprobe's JSON. */
export function parseMediaInfo(json: string): MediaInfo {
  const { streams, format } = JSON.parse(json) as { streams?: { codec_name?: string }[]; format?: { duration?: string } };
  return { codec: streams?.[0]?.codec_name ?? null, hasEnd: Number(format?.duration ?? '0') > 0 };
}
