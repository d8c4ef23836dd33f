import { GearwayError } from '../../../shared/errors.ts';
import { listAvfoundationDevices } from './devices/avfoundation-devices.ts';
import { type CameraFormat, hasSize } from './devices/camera.ts';
import { listDshowNames, readDshowFormats } from './devices/dshow-cameras.ts';
import { listV4l2Devices, readV4l2Formats } from './devices/v4l2-cameras.ts';
import { explainFailure } from './explain-failure.ts';
import type { FfmpegOptions } from './ffmpeg-options.ts';
import type { InputPlan, PlanContext } from './input-plan.ts';

/** What a camera is opened with. */
interface CameraChoice {
  /** The format that it is asked for; null leaves it to the camera. */
  readonly format: string | null;
  readonly isCopied: boolean;
  /** Whether the camera gives the size that was asked for. */
  readonly hasSize: boolean;
}

/**
 * Plans a camera by its number, name or device file, with its own list of formats.
 *
 * @param decoderArgs for FFmpeg, before `-i`.
 * @throws {GearwayError} `source-failed` when there is no such camera.
 */
export async function planCamera(name: string | null, options: FfmpegOptions, context: PlanContext, decoderArgs: readonly string[]): Promise<InputPlan> {
  const { size, fps } = options;
  const asked = [...(size === null ? [] : ['-video_size', `${size.width}x${size.height}`]), ...(fps === null ? [] : ['-framerate', String(fps)])];
  const plan = (choice: CameraChoice, args: readonly string[]): InputPlan => ({
    args: [...decoderArgs, ...args], stdin: null, isLive: true, hasEnd: false, isCopied: choice.isCopied, isResized: !choice.hasSize, isRated: false,
  });
  switch (context.tools.platform) {
    case 'darwin': {
      // Its default of 29.97 is none that Apple's cameras have, and it gives no JPEGs.
      const rate = fps === null ? ['-framerate', '30'] : [];
      const device = await findAvfoundationCamera(name, context);
      const choice = chooseFormat([], options);
      return plan(choice, ['-f', 'avfoundation', ...rate, ...asked, '-i', `${device}:none`]);
    }
    case 'win32': {
      const device = await findDshowCamera(name, context);
      const choice = chooseFormat(await readDshowFormats(context.tools, device, context.signal), options);
      const format = choice.format === null ? [] : [choice.isCopied || choice.format === 'mjpeg' ? '-vcodec' : '-pixel_format', choice.format];
      return plan(choice, ['-f', 'dshow', ...format, ...asked, '-i', `video=${device}`]);
    }
    default: {
      const { device, formats } = await findV4l2Camera(name, context);
      const choice = chooseFormat(formats, options);
      const format = choice.format === null ? [] : ['-input_format', choice.format];
      return plan(choice, ['-f', 'v4l2', ...format, ...asked, '-i', device]);
    }
  }
}

/** Names of pixel formats that need no conversion. */
const SAME_PIXELS = { bgr24: ['bgr24'], gray: ['gray'], gray16le: ['gray16le'] } as const;

/**
 * Chooses the format to ask a camera for. JPEG where pictures may go through untouched, and wherever it is the only one with the size: the
 * bus carries it at the full rate, others often at a few frames a second.
 *
 * @param formats none when they are not known.
 * @throws {GearwayError} `source-failed` when JPEG was asked for and the camera gives none.
 */
export function chooseFormat(formats: readonly CameraFormat[], { copy, pixels, quality, filter, size }: FfmpegOptions): CameraChoice {
  const isGood = (format: CameraFormat): boolean => size === null || hasSize(format, size);
  const jpeg = formats.find(({ name }) => name === 'mjpeg');
  const hasJpeg = jpeg !== undefined && isGood(jpeg);
  if (copy === true && !hasJpeg) throw new GearwayError('source-failed', 'copy is true, and the camera gives no JPEG of this size');
  if (hasJpeg && copy !== false && pixels === null && quality === null && filter === null) return { format: 'mjpeg', isCopied: true, hasSize: true };
  const good = formats.filter((format) => isGood(format) && !format.isCompressed);
  const same = good.find(({ name }) => pixels !== null && SAME_PIXELS[pixels].some((each) => each === name));
  // Raw frames are asked for where a JPEG's faults matter.
  if (pixels !== null && good.length > 0) return { format: same?.name ?? null, isCopied: false, hasSize: true };
  if (hasJpeg) return { format: 'mjpeg', isCopied: false, hasSize: true };
  return { format: null, isCopied: false, hasSize: good.length > 0 || size === null };
}

async function findV4l2Camera(name: string | null, { tools, signal }: PlanContext): Promise<{ readonly device: string; readonly formats: readonly CameraFormat[] }> {
  if (name === null) {
    for (const { path } of await listV4l2Devices()) {
      const { formats } = await readV4l2Formats(tools, path, signal);
      if (formats.length > 0) return { device: path, formats };
    }
    throw missing('there is no camera, or none that this user may read (gearway devices says more)');
  }
  const device = await resolveV4l2Name(name);
  const { formats, lines } = await readV4l2Formats(tools, device, signal);
  // The list ends with a failure always: FFmpeg prints it instead of playing.
  if (formats.length === 0) throw explainFailure('ffmpeg', { kind: 'exited', code: 1 }, lines);
  return { device, formats };
}

async function resolveV4l2Name(name: string): Promise<string> {
  if (name.startsWith('/dev/')) return name;
  if (/^\d+$/.test(name)) return `/dev/video${name}`;
  const devices = await listV4l2Devices();
  const found = devices.find((device) => device.name === name) ?? devices.find((device) => device.name.toLowerCase().includes(name.toLowerCase()));
  if (found === undefined) throw missing(`there is no camera ${JSON.stringify(name)}; there are: ${namesOf(devices.map((device) => device.name))}`);
  return found.path;
}

async function findAvfoundationCamera(name: string | null, { tools, signal }: PlanContext): Promise<string> {
  const cameras = (await listAvfoundationDevices(tools, signal)).filter(({ kind }) => kind === 'camera');
  const found = cameras.find((camera) => name === null || camera.name === name || String(camera.number) === name);
  if (found === undefined) throw missing(`there is no camera${name === null ? '' : ` ${JSON.stringify(name)}`}; there are: ${namesOf(cameras.map((camera) => camera.name))}`);
  // By number: a name with a colon would be taken apart.
  return String(found.number);
}

async function findDshowCamera(name: string | null, { tools, signal }: PlanContext): Promise<string> {
  const names = await listDshowNames(tools, signal);
  const found = names.find((each, index) => name === null || each === name || String(index) === name);
  if (found === undefined) throw missing(`there is no camera${name === null ? '' : ` ${JSON.stringify(name)}`}; there are: ${namesOf(names)}`);
  return found;
}

function namesOf(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.map((each) => JSON.stringify(each)).join(', ');
}

function missing(message: string): GearwayError {
  return new GearwayError('source-failed', message);
}
