import { GearwayError } from '../../../shared/errors.ts';
import { findPiProgram } from './devices/pi-cameras.ts';
import type { FfmpegOptions } from './ffmpeg-options.ts';
import type { FfmpegTools } from './ffmpeg-tools.ts';
import type { FfmpegInput } from './input.ts';
import { planInput } from './input-plan.ts';
import { outputArgs } from './output-args.ts';
import { piCameraArgs } from './pi-camera.ts';
import type { PictureFormat } from './picture-reader.ts';

/** A program to run, and the format of its pictures. */
export interface CaptureCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Standard input of the program; null for none. */
  readonly stdin: string | null;
  readonly format: PictureFormat;
  /** True if JPEGs are copied from an untrusted input. */
  readonly isCopied: boolean;
  /** Whether the input may end without that being a failure. */
  readonly hasEnd: boolean;
}

interface CaptureContext {
  readonly tools: FfmpegTools;
  readonly signal: AbortSignal;
}

const QUIET = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'error'];

/**
 * Determines the program for an input, after inspecting the device, file or server.
 *
 * @throws {GearwayError} `source-failed`, `source-invalid`, `source-unavailable`, `ffmpeg-missing`, `ffmpeg-too-old`.
 */
export async function findCaptureCommand(
  input: FfmpegInput,
  options: FfmpegOptions,
  context: CaptureContext,
): Promise<CaptureCommand> {
  if (input.kind === 'pi-camera') {
    const command = await findPiProgram(context.tools, context.signal);
    if (command === null) {
      const install = 'on Raspberry Pi OS, run: sudo apt-get install rpicam-apps';
      throw new GearwayError(
        'source-unavailable',
        `this camera needs rpicam-vid or libcamera-vid, but neither is installed; ${install}`,
      );
    }
    return {
      command,
      args: piCameraArgs(input.number, options),
      stdin: null,
      format: 'jpegs',
      isCopied: false,
      hasEnd: false,
    };
  }
  const version = await context.tools.version();
  const plan = await planInput(input, options, { ...context, version });
  return {
    command: 'ffmpeg',
    args: [...QUIET, ...plan.args, ...outputArgs(options, plan, version)],
    stdin: plan.stdin,
    format: formatOf(options),
    isCopied: plan.isCopied,
    hasEnd: plan.hasEnd,
  };
}

function formatOf({ pixels }: FfmpegOptions): PictureFormat {
  if (pixels === null) return 'multipart';
  return pixels === 'bgr24' ? 'bmp' : 'pgm';
}
