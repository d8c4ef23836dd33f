import { GearwayError } from '../../../shared/errors.ts';
import { explainFailure } from './explain-failure.ts';
import type { FfmpegTools } from './ffmpeg-tools.ts';

/** What ffprobe finds out about an input before it is played. */
export interface MediaInfo {
  /** FFmpeg's name of the codec; null when it is not known. */
  readonly codec: string | null;
  /** Whether it has an end: a recording, and nothing live. */
  readonly hasEnd: boolean;
}

/** Longer than FFmpeg's own timeouts, which say more. */
const TIMEOUT_MS = 12_000;

/** Options that only ffmpeg has end ffprobe, and say nothing about the input. */
const FOREIGN_OPTION = /option/i;

const UNKNOWN: MediaInfo = { codec: null, hasEnd: false };

/**
 * Looks at an input.
 *
 * @param args those that open it, up to `-i` and its name.
 * @param input what the program reads, for an input that is a list in a pipe.
 * @returns nothing known when there is no ffprobe, or when it is not for this input's options.
 * @throws {GearwayError} `source-failed` when the input cannot be opened.
 */
export async function probeMedia(tools: FfmpegTools, { args, input, signal }: { readonly args: readonly string[]; readonly input: string | null; readonly signal: AbortSignal }): Promise<MediaInfo> {
  const asked = ['-v', 'error', '-select_streams', 'V:0', '-show_entries', 'stream=codec_name:format=duration', '-of', 'json'];
  const { end, hasTimedOut, output, errorLines } = await tools.run('ffprobe', [...asked, ...args], { timeoutMs: TIMEOUT_MS, signal, input });
  if (end.kind === 'exited' && end.code === 0) return parseMediaInfo(output);
  if (hasTimedOut) throw new GearwayError('source-failed', `ffprobe got nothing from it for ${TIMEOUT_MS / 1000} s`);
  if (end.kind === 'missing' || errorLines.some((line) => FOREIGN_OPTION.test(line))) return UNKNOWN;
  throw explainFailure('ffprobe', end, errorLines);
}

/** Reads ffprobe's JSON. */
export function parseMediaInfo(json: string): MediaInfo {
  const { streams, format } = JSON.parse(json) as { streams?: { codec_name?: string }[]; format?: { duration?: string } };
  return { codec: streams?.[0]?.codec_name ?? null, hasEnd: Number(format?.duration ?? '0') > 0 };
}
