import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { GearwayError } from '../../../shared/errors.ts';
import { planCamera } from './camera-plan.ts';
import { type FfmpegOptions, stallMs } from './ffmpeg-options.ts';
import type { FfmpegTools } from './ffmpeg-tools.ts';
import { type FfmpegVersion, isAtLeast } from './ffmpeg-version.ts';
import type { FfmpegInput } from './input.ts';
import { formatConcatList } from './playlist.ts';
import { probeMedia } from './probe-media.ts';

/** How an input is to be opened, and what it gives. */
export interface InputPlan {
  /** FFmpeg's arguments up to `-i` and the input's name. */
  readonly args: readonly string[];
  /** What FFmpeg reads from its own input: a list of files. */
  readonly stdin: string | null;
  /** Whether its pictures come when they are taken. Others are played at their own speed. */
  readonly isLive: boolean;
  /** Whether its end is one, and not a failure. */
  readonly hasEnd: boolean;
  /** Whether its JPEGs go through untouched. */
  readonly isCopied: boolean;
  /** Whether the size and the rate that were asked for are still to be made of its pictures. */
  readonly isResized: boolean;
  readonly isRated: boolean;
}

export interface PlanContext {
  readonly tools: FfmpegTools;
  readonly version: FfmpegVersion;
  readonly signal: AbortSignal;
}

/** FFmpeg gives up a silent network so much before the supervisor does: it knows why. */
const SOONER_MS = 500;

/** FFmpeg waits 5 s for the parameters of streams that nobody asked for, and 20 frames for their rate. */
const LIVE_ARGS = ['-analyzeduration', '1000000', '-fpsprobesize', '0'];

/** One slice thread after another: threads that take a frame each would be as many frames late. */
const PROMPT_DECODER_ARGS = ['-thread_type', 'slice', '-flags', 'low_delay'];

/** A list that a person has written is far shorter. */
const MAX_PLAYLIST_BYTES = 4 << 20;

/** The extensions of pictures, where FFmpeg would see a pattern of names in `%` and the like. */
const PICTURE_WITH_PATTERN = /[%*?[{].*\.(?:jpe?g|png|bmp|gif|webp|tiff?|p[bgnp]m|jp2|j2k|exr|dpx|tga|avif|heic)$/i;

/**
 * Checks what can be checked without opening the input: that a file is there.
 *
 * @throws {GearwayError} `source-unavailable`.
 */
export async function checkInput(input: FfmpegInput): Promise<void> {
  if (input.kind !== 'file' && input.kind !== 'playlist') return;
  const found = await stat(input.path).catch((error: NodeJS.ErrnoException) => error);
  const { path } = input;
  if (found instanceof Error) {
    const reason = found.code === 'ENOENT' || found.code === 'ENOTDIR' ? `there is no file ${JSON.stringify(path)}` : `the file ${JSON.stringify(path)} cannot be read: ${found.message}`;
    throw new GearwayError('source-unavailable', reason, { cause: found });
  }
  if (found.isDirectory()) throw new GearwayError('source-unavailable', `${JSON.stringify(path)} is a folder, expected a file; images in a folder are shown by directory:`);
}

/**
 * Finds out how an input is to be opened: which device a camera is, and whether the input has JPEGs that need no encoding.
 *
 * @throws {GearwayError} `source-failed`, `source-invalid`, `source-unavailable`.
 */
export async function planInput(input: Exclude<FfmpegInput, { kind: 'pi-camera' }>, options: FfmpegOptions, context: PlanContext): Promise<InputPlan> {
  const { format, hwaccel, inputArgs, isLooped } = options;
  const named = format === null ? [] : ['-f', format];
  const decoder = [...(hwaccel === null ? [] : ['-hwaccel', hwaccel]), ...inputArgs];
  switch (input.kind) {
    case 'camera':
      return planCamera(input.name, options, context, [...PROMPT_DECODER_ARGS, ...decoder]);
    case 'screen':
      return {
        args: [...screenArgs(options, context.tools.platform), ...inputArgs, '-i', screenName(input.name, context.tools.platform)],
        stdin: null, isLive: true, hasEnd: false, isCopied: false, isResized: true, isRated: false,
      };
    case 'filter-graph':
      return { args: ['-re', '-f', 'lavfi', ...inputArgs, '-i', input.graph], stdin: null, isLive: false, hasEnd: true, isCopied: false, isResized: true, isRated: true };
    case 'url': {
      const opened = [...named, ...networkArgs(input.scheme, options, context.version), ...inputArgs];
      const isHttp = input.scheme === 'http' || input.scheme === 'https';
      const info = isHttp || mayCopy(options) ? await probeMedia(context.tools, { ...context, args: [...opened, '-i', input.url], input: null }) : null;
      // A recording would come as fast as the network is. Other servers send at its speed.
      const hasEnd = isHttp && info?.hasEnd === true;
      const paced = hasEnd ? ['-re'] : PROMPT_DECODER_ARGS;
      return { args: [...paced, ...(hwaccel === null ? [] : ['-hwaccel', hwaccel]), ...opened, '-i', input.url], stdin: null, isLive: !hasEnd, hasEnd, isCopied: isCopied(options, info?.codec ?? null), isResized: true, isRated: true };
    }
    case 'playlist':
    case 'file': {
      const { args, stdin } = await fileInput(input, named);
      // A pipe's writer goes at its own speed, and what is read of it once is gone.
      if (!(await stat(input.path)).isFile()) return { args: [...PROMPT_DECODER_ARGS, ...decoder, ...args], stdin, isLive: true, hasEnd: false, isCopied: options.copy ?? false, isResized: true, isRated: true };
      const info = mayCopy(options) ? await probeMedia(context.tools, { ...context, args: [...inputArgs, ...args], input: stdin }) : null;
      return { args: ['-re', ...(isLooped ? ['-stream_loop', '-1'] : []), ...decoder, ...args], stdin, isLive: false, hasEnd: true, isCopied: isCopied(options, info?.codec ?? null), isResized: true, isRated: true };
    }
    default:
      return input satisfies never;
  }
}

/** Whether the options leave the pictures as they are. */
function mayCopy({ copy, pixels, quality, filter, size, fps }: FfmpegOptions): boolean {
  return copy === null && pixels === null && quality === null && filter === null && size === null && fps === null;
}

function isCopied(options: FfmpegOptions, codec: string | null): boolean {
  return options.copy ?? (mayCopy(options) && codec === 'mjpeg');
}

function networkArgs(scheme: string, options: FfmpegOptions, version: FfmpegVersion): readonly string[] {
  const timeoutUs = String((stallMs(options) - SOONER_MS) * 1000);
  switch (scheme) {
    case 'rtsp':
    case 'rtsps':
      // TCP: a lost packet of UDP is a broken picture. The option was renamed; the old name means something else now.
      return [...LIVE_ARGS, '-rtsp_transport', 'tcp', isAtLeast(version, { major: 5, minor: 0 }) ? '-timeout' : '-stimeout', timeoutUs];
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

/** A `file:` before its path makes a file of every name: of `-i`, of `http:x`, of `a:b`. */
async function fileInput(input: Extract<FfmpegInput, { kind: 'file' | 'playlist' }>, named: readonly string[]): Promise<{ readonly args: readonly string[]; readonly stdin: string | null }> {
  if (input.kind === 'file') {
    const literal = PICTURE_WITH_PATTERN.test(basename(input.path)) ? ['-f', 'image2', '-pattern_type', 'none'] : [];
    return { args: [...(named.length > 0 ? named : literal), '-i', `file:${input.path}`], stdin: null };
  }
  // Names that FFmpeg holds for unsafe, such as those with spaces, are in order here; other protocols than files are not.
  const list = ['-f', 'concat', '-safe', '0', '-protocol_whitelist', 'file,pipe'];
  if (input.format === 'ffconcat') return { args: [...list, '-i', `file:${input.path}`], stdin: null };
  const { size } = await stat(input.path);
  if (size > MAX_PLAYLIST_BYTES) throw new GearwayError('source-invalid', `the playlist has ${size} bytes, expected at most ${MAX_PLAYLIST_BYTES}`);
  const text = await readFile(input.path, 'utf8');
  // HLS has the same form, and is FFmpeg's own business.
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
      return name ?? ''; // X11's own variable DISPLAY
  }
}
