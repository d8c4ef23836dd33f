import { GearwayError } from '../../../shared/errors.ts';
import { findPiProgram } from './devices/pi-cameras.ts';
import type { FfmpegOptions } from './ffmpeg-options.ts';
import type { FfmpegTools } from './ffmpeg-tools.ts';
import type { FfmpegInput } from './input.ts';
import { planInput } from './input-plan.ts';
import { outputArgs } from './output-args.ts';
import { piCameraArgs } from './pi-camera.ts';
import type { PictureForm } from './picture-reader.ts';

/** What is run to get pictures, and how they come. */
export interface Recipe {
  readonly command: string;
  readonly args: readonly string[];
  /** What the program reads; null for nothing. */
  readonly stdin: string | null;
  readonly form: PictureForm;
  /** Whether the pictures are the input's own JPEGs, made by nobody knows whom. */
  readonly isCopied: boolean;
  /** Whether its end is one, and not a failure. */
  readonly hasEnd: boolean;
}

export interface RecipeContext {
  readonly tools: FfmpegTools;
  readonly signal: AbortSignal;
}

const QUIET = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error'];

/**
 * Finds out what is to be run for an input: looks at devices, and at what a file or a server gives.
 *
 * @throws {GearwayError} `source-failed`, `source-invalid`, `source-unavailable`, `ffmpeg-missing`, `ffmpeg-too-old`.
 */
export async function findRecipe(input: FfmpegInput, options: FfmpegOptions, context: RecipeContext): Promise<Recipe> {
  if (input.kind === 'pi-camera') {
    const command = await findPiProgram(context.tools, context.signal);
    if (command === null) throw new GearwayError('source-unavailable', 'neither rpicam-vid nor libcamera-vid is installed, which read this camera; install them on Raspberry Pi OS with: sudo apt-get install rpicam-apps');
    return { command, args: piCameraArgs(input.number, options), stdin: null, form: 'jpegs', isCopied: false, hasEnd: false };
  }
  const version = await context.tools.version();
  const plan = await planInput(input, options, { ...context, version });
  return { command: 'ffmpeg', args: [...QUIET, ...plan.args, ...outputArgs(options, plan, version)], stdin: plan.stdin, form: formOf(options), isCopied: plan.isCopied, hasEnd: plan.hasEnd };
}

function formOf({ pixels }: FfmpegOptions): PictureForm {
  if (pixels === null) return 'multipart';
  return pixels === 'bgr24' ? 'bmp' : 'pgm';
}
