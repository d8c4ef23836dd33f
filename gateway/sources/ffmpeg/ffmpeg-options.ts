import { GearwayError } from '../../../shared/errors.ts';
import { readCheck, readFlag, readNumberOption, readSize, readWord, type Size } from '../../config/source-url.ts';
import type { FfmpegInput } from './input.ts';
import { splitWords } from './split-words.ts';

/** Pixel formats of raw frames: three bytes per pixel, one byte, two bytes. */
type RawPixels = 'bgr24' | 'gray' | 'gray16le';

/** Validated options of `ffmpeg:INPUT?options`. */
export interface FfmpegOptions {
  readonly size: Size | null;
  readonly fps: number | null;
  /** JPEG quality, 1 to 100. If set, JPEGs of the input are encoded again. */
  readonly quality: number | null;
  /** null for JPEG. */
  readonly pixels: RawPixels | null;
  readonly isLooped: boolean;
  /** FFmpeg's demuxer or device; null to detect it. */
  readonly format: string | null;
  /** FFmpeg's arguments before `-i`. */
  readonly inputArgs: readonly string[];
  /** FFmpeg's arguments before the output. */
  readonly outputArgs: readonly string[];
  readonly hwaccel: string | null;
  /** FFmpeg filter graph. */
  readonly filter: string | null;
  /** Whether the input's JPEGs are forwarded unmodified; null: whenever possible. */
  readonly copy: boolean | null;
  /** Whether forwarded JPEGs are verified before a NetGear client gets them. */
  readonly isChecked: boolean;
}

/** Option names, for parseSourceUrl. */
export const FFMPEG_OPTIONS = [
  'size',
  'fps',
  'quality',
  'pixels',
  'loop',
  'format',
  'inputArgs',
  'outputArgs',
  'hwaccel',
  'filter',
  'copy',
  'check',
] as const;

/** Options of the Raspberry Pi's camera program. */
const PI_OPTIONS: ReadonlySet<string> = new Set(['size', 'fps', 'quality', 'inputArgs', 'onDemand']);

const MIN_SIZE: Size = { width: 16, height: 16 };
const MAX_SIZE: Size = { width: 16_384, height: 16_384 };

/**
 * Parses the options, and rejects those that conflict with each other or with the input.
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
  for (const [name, value] of options)
    if (/[\0\r\n]/.test(value)) throw invalid(`${name} contains a line break or a NUL`);
  const foreign = input.kind === 'pi-camera' ? [...options.keys()].find((name) => !PI_OPTIONS.has(name)) : undefined;
  if (foreign !== undefined) {
    throw invalid(
      `picamera has the option ${foreign}, expected one of ${[...PI_OPTIONS].join(', ')}: this camera is not read by FFmpeg`,
    );
  }
  if (read.isLooped && input.kind !== 'file' && input.kind !== 'playlist')
    throw invalid('loop is true, expected a file or a playlist as input');
  if (read.pixels !== null && read.quality !== null)
    throw invalid(`quality applies only to JPEG, but pixels is ${read.pixels}`);
  const changed = (['pixels', 'quality', 'filter', ...(input.kind === 'camera' ? [] : ['size', 'fps'])] as const).find(
    (name) => options.has(name),
  );
  if (read.copy === true && changed !== undefined) throw invalid(`copy is true, but ${changed} requires encoding`);
  return read;
}

/** Reads an option that is one of FFmpeg's identifiers. */
function readName(options: ReadonlyMap<string, string>, name: string): string | null {
  const text = options.get(name);
  if (text === undefined) return null;
  if (!/^\w[\w.,-]*$/.test(text)) throw invalid(`${name} is ${JSON.stringify(text)}, expected an FFmpeg identifier`);
  return text;
}

function invalid(message: string): GearwayError {
  return new GearwayError('source-invalid', message);
}
