import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { GearwayError } from '../../../shared/errors.ts';
import { planCamera } from './camera-plan.ts';
import { SOONER_MS, stallTimeMs } from '../stall-time.ts';
import type { FfmpegOptions } from './ffmpeg-options.ts';
import { type FfmpegVersion, isAtLeast } from './ffmpeg-version.ts';
import type { FfmpegInput } from './input.ts';
import { formatConcatList } from './playlist.ts';
import type { InputPlan, PlanContext } from './plan.ts';
import { type MediaInfo, probeMedia, UNKNOWN_MEDIA } from './probe-media.ts';

/** Without these options, FFmpeg waits 5 s for the parameters of other streams, and 20 frames for their rate. */
const LIVE_ARGS = ['-analyzeduration', '1000000', '-fpsprobesize', '0'];

/** Slice threads only: with frame threads, each thread would add a frame of latency. */
const PROMPT_DECODER_ARGS = ['-thread_type', 'slice', '-flags', 'low_delay'];

/** Maximum size of a playlist. */
const MAX_PLAYLIST_BYTES = 4 << 20;

/** Names of pictures in which FFmpeg would interpret `%` and similar characters as a pattern. */
const PICTURE_WITH_PATTERN = /[%*?[{].*\.(?:jpe?g|png|bmp|gif|webp|tiff?|p[bgnp]m|jp2|j2k|exr|dpx|tga|avif|heic)$/i;

/**
 * Checks that a file exists, without opening the input.
 *
 * @throws {GearwayError} `source-unavailable`.
 */
export async function checkInput(input: FfmpegInput): Promise<void> {
  if (input.kind !== 'file' && input.kind !== 'playlist') return;
  const found = await stat(input.path).catch((error: NodeJS.ErrnoException) => error);
  const { path } = input;
  if (found instanceof Error) {
    const reason =
      found.code === 'ENOENT' || found.code === 'ENOTDIR'
        ? `no file ${JSON.stringify(path)}`
        : `the file ${JSON.stringify(path)} cannot be read: ${found.message}`;
    throw new GearwayError('source-unavailable', reason, { cause: found });
  }
  if (found.isDirectory())
    throw new GearwayError(
      'source-unavailable',
      `${JSON.stringify(path)} is a folder, expected a file; for the images of a folder use directory:`,
    );
}

/**
 * Determines how to open an input: the device of a camera, and whether the input has JPEGs that need no encoding.
 *
 * @throws {GearwayError} `source-failed`, `source-invalid`, `source-unavailable`.
 */
export async function planInput(
  input: Exclude<FfmpegInput, { kind: 'pi-camera' }>,
  options: FfmpegOptions,
  context: PlanContext,
): Promise<InputPlan> {
  const { format, hwaccel, inputArgs, isLooped } = options;
  const named = format === null ? [] : ['-f', format];
  const decoder = [...(hwaccel === null ? [] : ['-hwaccel', hwaccel]), ...inputArgs];
  switch (input.kind) {
    case 'camera':
      return planCamera(input.name, options, context, [...PROMPT_DECODER_ARGS, ...decoder]);
    case 'screen':
      return {
        args: [
          ...screenArgs(options, context.tools.platform),
          ...inputArgs,
          '-i',
          screenName(input.name, context.tools.platform),
        ],
        stdin: null,
        isLive: true,
        hasEnd: false,
        isCopied: false,
        needsScaling: true,
        needsRateFilter: false,
      };
    case 'filter-graph':
      return {
        args: ['-re', '-f', 'lavfi', ...inputArgs, '-i', input.graph],
        stdin: null,
        isLive: false,
        hasEnd: true,
        isCopied: false,
        needsScaling: true,
        needsRateFilter: true,
      };
    case 'url': {
      const opened = [...named, ...networkArgs(input.scheme, options, context.version), ...inputArgs];
      const isHttp = input.scheme === 'http' || input.scheme === 'https';
      const info =
        isHttp || options.copy === null
          ? await probeMedia(context.tools, { ...context, args: [...opened, '-i', input.url], input: null })
          : UNKNOWN_MEDIA;
      // A recording must be paced with -re, because it is received as fast as the network allows.
      const hasEnd = isHttp && info.hasEnd;
      const paced = hasEnd ? ['-re'] : PROMPT_DECODER_ARGS;
      return {
        args: [...paced, ...(hwaccel === null ? [] : ['-hwaccel', hwaccel]), ...opened, '-i', input.url],
        stdin: null,
        isLive: !hasEnd,
        hasEnd,
        isCopied: isCopied(options, info, hasEnd),
        colors: info.colors,
        needsScaling: true,
        needsRateFilter: true,
      };
    }
    case 'playlist':
    case 'file': {
      const { args, stdin } = await fileInput(input, named);
      // A pipe is paced by its writer, and cannot be probed, because reading consumes its data.
      if (!(await stat(input.path)).isFile())
        return {
          args: [...PROMPT_DECODER_ARGS, ...decoder, ...args],
          stdin,
          isLive: true,
          hasEnd: false,
          isCopied: options.copy ?? false,
          needsScaling: true,
          needsRateFilter: true,
        };
      const info =
        options.copy === null
          ? await probeMedia(context.tools, { ...context, args: [...inputArgs, ...args], input: stdin })
          : UNKNOWN_MEDIA;
      return {
        args: ['-re', ...(isLooped ? ['-stream_loop', '-1'] : []), ...decoder, ...args],
        stdin,
        isLive: false,
        hasEnd: true,
        isCopied: isCopied(options, info, true),
        colors: info.colors,
        needsScaling: true,
        needsRateFilter: true,
      };
    }
    default:
      return input satisfies never;
  }
}

/** Whether the options require no change of the pictures. */
function mayCopy({ copy, pixels, quality, filter, size, fps }: FfmpegOptions): boolean {
  return copy === null && pixels === null && quality === null && filter === null && size === null && fps === null;
}

/**
 * The JPEGs of a recording whose pixels are not square are encoded again, because browsers ignore the aspect ratio of
 * pixels. The JPEGs of cameras are forwarded unmodified.
 */
function isCopied(options: FfmpegOptions, { codec, hasSquarePixels }: MediaInfo, isRecording: boolean): boolean {
  return options.copy ?? (mayCopy(options) && codec === 'mjpeg' && (hasSquarePixels || !isRecording));
}

function networkArgs(scheme: string, options: FfmpegOptions, version: FfmpegVersion): readonly string[] {
  const timeoutUs = String((stallTimeMs(options.fps) - SOONER_MS) * 1000);
  switch (scheme) {
    case 'rtsp':
    case 'rtsps':
      // Uses TCP, because with UDP a lost packet corrupts a picture. The option was renamed; the old name now means
      // something else.
      return [
        ...LIVE_ARGS,
        '-rtsp_transport',
        'tcp',
        isAtLeast(version, { major: 5, minor: 0 }) ? '-timeout' : '-stimeout',
        timeoutUs,
      ];
    case 'http':
    case 'https':
    case 'rtmp':
    case 'rtmps':
    case 'tcp':
    case 'tls':
      return [...LIVE_ARGS, '-rw_timeout', timeoutUs];
    default:
      return LIVE_ARGS;
  }
}

/** Arguments for a file. The prefix `file:` prevents names such as `-i`, `http:x` or `a:b` from being interpreted. */
async function fileInput(
  input: Extract<FfmpegInput, { kind: 'file' | 'playlist' }>,
  named: readonly string[],
): Promise<{ readonly args: readonly string[]; readonly stdin: string | null }> {
  if (input.kind === 'file') {
    const literal = PICTURE_WITH_PATTERN.test(basename(input.path)) ? ['-f', 'image2', '-pattern_type', 'none'] : [];
    return { args: [...(named.length > 0 ? named : literal), '-i', `file:${input.path}`], stdin: null };
  }
  // Allows names that FFmpeg considers unsafe, such as those with spaces, but no protocols other than files.
  const list = ['-f', 'concat', '-safe', '0', '-protocol_whitelist', 'file,pipe'];
  if (input.format === 'ffconcat') return { args: [...list, '-i', `file:${input.path}`], stdin: null };
  const { size } = await stat(input.path);
  if (size > MAX_PLAYLIST_BYTES)
    throw new GearwayError('source-invalid', `the playlist has ${size} bytes, expected at most ${MAX_PLAYLIST_BYTES}`);
  const text = await readFile(input.path, 'utf8');
  // HLS playlists use the same format, and are handled by FFmpeg itself.
  if (/^#EXT-X-/m.test(text)) return { args: [...named, '-i', `file:${input.path}`], stdin: null };
  return { args: [...list, '-i', 'pipe:0'], stdin: formatConcatList(text, input.path) };
}

function screenArgs({ fps, format }: FfmpegOptions, platform: NodeJS.Platform): readonly string[] {
  const rate = ['-framerate', String(fps ?? 30)];
  switch (platform) {
    case 'darwin':
      return ['-f', format ?? 'avfoundation', ...rate, '-capture_cursor', '1'];
    case 'win32':
      return ['-f', format ?? 'gdigrab', ...rate];
    default:
      return ['-f', format ?? 'x11grab', ...rate];
  }
}

function screenName(name: string | null, platform: NodeJS.Platform): string {
  switch (platform) {
    case 'darwin':
      return `Capture screen ${name ?? '0'}:none`;
    case 'win32':
      return name === null ? 'desktop' : `title=${name}`;
    default:
      return name ?? ''; // FFmpeg then uses DISPLAY.
  }
}
