import { GearwayError } from '../../../shared/errors.ts';
import { listAvfoundationDevices } from './devices/avfoundation-devices.ts';
import { type CameraFormat, hasSize } from './devices/camera.ts';
import { listDshowNames, readDshowFormats } from './devices/dshow-cameras.ts';
import { listV4l2Devices, readV4l2Formats } from './devices/v4l2-cameras.ts';
import { explainFailure } from './explain-failure.ts';
import type { FfmpegOptions } from './ffmpeg-options.ts';
import type { InputPlan, PlanContext } from './plan.ts';

/** The chosen format of a camera. */
interface CameraChoice {
  /** The requested format; null for the camera's default. */
  readonly format: string | null;
  readonly isCopied: boolean;
  /** Whether the camera supports the requested size. */
  readonly hasSize: boolean;
}

/**
 * Plans the input for a camera, given by number, name or device file, from its list of formats.
 *
 * @param decoderArgs FFmpeg's arguments before `-i`.
 * @throws {GearwayError} `source-failed` if there is no such camera.
 */
export async function planCamera(
  name: string | null,
  options: FfmpegOptions,
  context: PlanContext,
  decoderArgs: readonly string[],
): Promise<InputPlan> {
  const { size, fps } = options;
  const asked = [
    ...(size === null ? [] : ['-video_size', `${size.width}x${size.height}`]),
    ...(fps === null ? [] : ['-framerate', String(fps)]),
  ];
  const plan = (choice: CameraChoice, args: readonly string[]): InputPlan => ({
    args: [...decoderArgs, ...args],
    stdin: null,
    isLive: true,
    hasEnd: false,
    isCopied: choice.isCopied,
    needsScaling: !choice.hasSize,
    needsRateFilter: false,
  });
  switch (context.tools.platform) {
    case 'darwin': {
      // avfoundation's default of 29.97 fps is not supported by Apple's cameras. avfoundation provides no JPEGs.
      const rate = fps === null ? ['-framerate', '30'] : [];
      const device = await findAvfoundationCamera(name, context);
      const choice = chooseFormat([], options);
      return plan(choice, ['-f', 'avfoundation', ...rate, ...asked, '-i', `${device}:none`]);
    }
    case 'win32': {
      const device = await findDshowCamera(name, context);
      const choice = chooseFormat(await readDshowFormats(context.tools, device, context.signal), options);
      const format =
        choice.format === null
          ? []
          : [choice.isCopied || choice.format === 'mjpeg' ? '-vcodec' : '-pixel_format', choice.format];
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
 * Chooses the format of a camera. JPEG if pictures can be forwarded unmodified, or if no other format has the size: USB
 * carries JPEG at the full rate, but raw formats often only at a few fps.
 *
 * @param formats empty if unknown.
 * @throws {GearwayError} `source-failed` if JPEG is required and the camera does not support it.
 */
export function chooseFormat(
  formats: readonly CameraFormat[],
  { copy, pixels, quality, filter, size }: FfmpegOptions,
): CameraChoice {
  const isGood = (format: CameraFormat): boolean => size === null || hasSize(format, size);
  const jpeg = formats.find(({ name }) => name === 'mjpeg');
  const hasJpeg = jpeg !== undefined && isGood(jpeg);
  if (copy === true && !hasJpeg)
    throw new GearwayError('source-failed', 'copy is true, but the camera has no JPEG of this size');
  if (hasJpeg && copy !== false && pixels === null && quality === null && filter === null)
    return { format: 'mjpeg', isCopied: true, hasSize: true };
  const good = formats.filter((format) => isGood(format) && !format.isCompressed);
  const same = good.find(({ name }) => pixels !== null && SAME_PIXELS[pixels].some((each) => each === name));
  // Raw frames were requested, so avoid the artefacts of JPEG.
  if (pixels !== null && good.length > 0) return { format: same?.name ?? null, isCopied: false, hasSize: true };
  if (hasJpeg) return { format: 'mjpeg', isCopied: false, hasSize: true };
  return { format: null, isCopied: false, hasSize: good.length > 0 || size === null };
}

async function findV4l2Camera(
  name: string | null,
  { tools, signal }: PlanContext,
): Promise<{ readonly device: string; readonly formats: readonly CameraFormat[] }> {
  if (name === null) {
    for (const { path } of await listV4l2Devices()) {
      const { formats } = await readV4l2Formats(tools, path, signal);
      if (formats.length > 0) return { device: path, formats };
    }
    throw missing('no camera found, or none that this user may access; run gearway devices for details');
  }
  const device = await resolveV4l2Name(name);
  const { formats, lines } = await readV4l2Formats(tools, device, signal);
  // FFmpeg always exits with an error after listing formats, so only an empty list is a failure.
  if (formats.length === 0) throw explainFailure('ffmpeg', { kind: 'exited', code: 1 }, lines);
  return { device, formats };
}

async function resolveV4l2Name(name: string): Promise<string> {
  if (name.startsWith('/dev/')) return name;
  if (/^\d+$/.test(name)) return `/dev/video${name}`;
  const devices = await listV4l2Devices();
  const found =
    devices.find((device) => device.name === name) ??
    devices.find((device) => device.name.toLowerCase().includes(name.toLowerCase()));
  if (found === undefined)
    throw notFound(
      name,
      devices.map((device) => device.name),
    );
  return found.path;
}

async function findAvfoundationCamera(name: string | null, { tools, signal }: PlanContext): Promise<string> {
  const cameras = (await listAvfoundationDevices(tools, signal)).filter(({ kind }) => kind === 'camera');
  const found = cameras.find((camera) => name === null || camera.name === name || String(camera.number) === name);
  if (found === undefined)
    throw notFound(
      name,
      cameras.map((camera) => camera.name),
    );
  // The camera is selected by number, because FFmpeg splits names at colons.
  return String(found.number);
}

async function findDshowCamera(name: string | null, { tools, signal }: PlanContext): Promise<string> {
  const names = await listDshowNames(tools, signal);
  const found = names.find((each, index) => name === null || each === name || String(index) === name);
  if (found === undefined) throw notFound(name, names);
  return found;
}

function notFound(name: string | null, names: readonly string[]): GearwayError {
  const available = names.length === 0 ? 'none' : names.map((each) => JSON.stringify(each)).join(', ');
  return missing(`no camera${name === null ? '' : ` ${JSON.stringify(name)}`} found; available: ${available}`);
}

function missing(message: string): GearwayError {
  return new GearwayError('source-failed', message);
}
