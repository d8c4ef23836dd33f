import { GearwayError } from '../../../shared/errors.ts';
import { readCheck, readFlag, readNumberOption, readSize, readWord, type Size } from '../../config/source-url.ts';
import type { FfmpegInput } from './input.ts';
import { splitWords } from './split-words.ts';

/** How the samples of raw frames are laid out: three bytes a pixel, one byte, two bytes. */
export type RawPixels = 'bgr24' | 'gray' | 'gray16le';

/** The options of `ffmpeg:INPUT?options`, checked. */
export interface FfmpegOptions {
  readonly size: Size | null;
  /** Frames a second. */
  readonly fps: number | null;
  /** Of JPEGs, 1 to 100; asks for encoding also where the input has JPEGs. */
  readonly quality: number | null;
  /** null for JPEG. */
  readonly pixels: RawPixels | null;
  readonly isLooped: boolean;
  /** The name of FFmpeg's demuxer or device, where it does not find it by itself. */
  readonly format: string | null;
  /** For FFmpeg, before `-i`. */
  readonly inputArgs: readonly string[];
  /** For FFmpeg, before the output. */
  readonly outputArgs: readonly string[];
  readonly hwaccel: string | null;
  /** A graph of FFmpeg's filters. */
  readonly filter: string | null;
  /** Whether the input's JPEGs go through untouched; null: where they can. */
  readonly copy: boolean | null;
  /** Whether such a JPEG is decoded once before anybody gets it. */
  readonly isChecked: boolean;
}

/** The options by name, as parseSourceUrl takes them. */
export const FFMPEG_OPTIONS = ['size', 'fps', 'quality', 'pixels', 'loop', 'format', 'inputArgs', 'outputArgs', 'hwaccel', 'filter', 'copy', 'check'] as const;

/** A silence after which something is wrong; at a slow rate so many frame times. */
const STALL_MS = 5000;
const STALL_FRAMES = 5;

/** How long an input may be silent. */
export function stallMs({ fps }: Pick<FfmpegOptions, 'fps'>): number {
  return Math.max(STALL_MS, (STALL_FRAMES * 1000) / (fps ?? Infinity));
}

/** What the program of a Raspberry Pi's camera has. */
const PI_OPTIONS: ReadonlySet<string> = new Set(['size', 'fps', 'quality', 'inputArgs', 'onDemand']);

const MIN_SIZE: Size = { width: 16, height: 16 };
const MAX_SIZE: Size = { width: 16_384, height: 16_384 };

/**
 * Reads the options, and refuses those that contradict each other or the input.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseFfmpegOptions(options: ReadonlyMap<string, string>, input: FfmpegInput): FfmpegOptions {
  const read: FfmpegOptions = {
    size: readSize(options, { min: MIN_SIZE, max: MAX_SIZE }),
    fps: readNumberOption(options, 'fps', 0.01, 1000),
    quality: readNumberOption(options, 'quality', 1, 100),
    pixels: readWord(options, 'pixels', ['bgr24', 'gray', 'gray16le']),
    isLooped: readFlag(options, 'loop'),
    format: readName(options, 'format'),
    inputArgs: splitWords(options.get('inputArgs') ?? ''),
    outputArgs: splitWords(options.get('outputArgs') ?? ''),
    hwaccel: readName(options, 'hwaccel'),
    filter: options.get('filter') ?? null,
    copy: options.has('copy') ? readFlag(options, 'copy') : null,
    isChecked: readCheck(options),
  };
  for (const [name, value] of options) if (/[\0\r\n]/.test(value)) throw invalid(`${name} has a line break or a NUL in it`);
  const foreign = input.kind === 'pi-camera' ? [...options.keys()].find((name) => !PI_OPTIONS.has(name)) : undefined;
  if (foreign !== undefined) throw invalid(`picamera has the option ${foreign}, expected ${[...PI_OPTIONS].join(', ')}: it is not FFmpeg that reads this camera`);
  if (read.isLooped && input.kind !== 'file' && input.kind !== 'playlist') throw invalid('loop is true, and the input is neither a file nor a playlist');
  if (read.pixels !== null && read.quality !== null) throw invalid(`quality is for JPEG, and pixels is ${read.pixels}`);
  const changed = (['pixels', 'quality', 'filter', ...(input.kind === 'camera' ? [] : ['size', 'fps'])] as const).find((name) => options.has(name));
  if (read.copy === true && changed !== undefined) throw invalid(`copy is true, and ${changed} asks for other pictures than the input has`);
  return read;
}

/** A word by which FFmpeg knows something. */
function readName(options: ReadonlyMap<string, string>, name: string): string | null {
  const text = options.get(name);
  if (text === undefined) return null;
  if (!/^\w[\w.,-]*$/.test(text)) throw invalid(`${name} is ${JSON.stringify(text)}, expected a name that FFmpeg knows`);
  return text;
}

function invalid(message: string): GearwayError {
  return new GearwayError('source-invalid', message);
}
