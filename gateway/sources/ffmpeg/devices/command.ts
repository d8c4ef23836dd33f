import { platform } from 'node:os';
import { parseArgs } from 'node:util';
import { cleanText } from '../../../../shared/clean-text.ts';
import { errorText, GearwayError } from '../../../../shared/errors.ts';
import { FfmpegTools } from '../ffmpeg-tools.ts';
import { listAvfoundationDevices } from './avfoundation-devices.ts';
import type { Camera, SizeRange } from './camera.ts';
import { listDshowCameras } from './dshow-cameras.ts';
import { findPiProgram, listPiCameras } from './pi-cameras.ts';
import { listScreens } from './screens.ts';
import { listV4l2Devices, readV4l2Formats } from './v4l2-cameras.ts';

const HELP = `gearway devices

Lists the cameras and screens of this machine, each with its --source option.
Exits with 0 if there is a camera, otherwise with 1.
`;

/** Output function. */
type Write = (text: string) => void;

/** Maximum number of sizes printed per format. */
const MAX_SIZES_SHOWN = 12;

/**
 * Runs `gearway devices`.
 *
 * @param environment of this process.
 * @returns the exit status: 0 if there is a camera, otherwise 1.
 * @throws {GearwayError} `option-invalid` if there are arguments.
 */
export async function runDevices(
  args: string[],
  environment: Readonly<Record<string, string | undefined>>,
  write: Write,
): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { help: { type: 'boolean', default: false } },
  });
  if (positionals.length > 0)
    throw new GearwayError('option-invalid', `devices got ${positionals.length} arguments, expected none`);
  if (values.help) {
    write(HELP);
    return 0;
  }
  const tools = new FfmpegTools(platform());
  let cameras = 0;
  const hasFfmpeg = await tools.version().then(
    () => true,
    (error: unknown) => {
      write(`${errorText(error)}\n`);
      return false;
    },
  );
  if (hasFfmpeg) {
    cameras += await showCameras(tools, write);
    await showScreens(tools, environment, write);
  }
  if (tools.platform === 'linux') cameras += await showPiCameras(tools, write);
  return cameras > 0 ? 0 : 1;
}

/** @returns the number of cameras. */
async function showCameras(tools: FfmpegTools, write: Write): Promise<number> {
  write('Cameras\n');
  const { cameras, notes } = await listCameras(tools);
  for (const [index, camera] of cameras.entries()) write(formatCamera(camera, sourceOf(camera, index)));
  for (const note of notes) write(`  ${note}\n`);
  return cameras.length;
}

async function listCameras(
  tools: FfmpegTools,
): Promise<{ readonly cameras: readonly Camera[]; readonly notes: readonly string[] }> {
  switch (tools.platform) {
    case 'darwin': {
      const cameras = (await listAvfoundationDevices(tools))
        .filter(({ kind }) => kind === 'camera')
        .map(({ name, number }) => ({ name, device: String(number), formats: [] }));
      return {
        cameras,
        notes:
          cameras.length > 0
            ? []
            : ['none; allow this terminal to use the camera (System Settings, Privacy & Security, Camera)'],
      };
    }
    case 'win32': {
      const cameras = await listDshowCameras(tools);
      return { cameras, notes: cameras.length > 0 ? [] : ['none'] };
    }
    default:
      return listLinux(tools);
  }
}

async function listLinux(
  tools: FfmpegTools,
): Promise<{ readonly cameras: readonly Camera[]; readonly notes: readonly string[] }> {
  const devices = await listV4l2Devices();
  const asked = await Promise.all(
    devices.map(async (device) => ({ ...device, ...(await readV4l2Formats(tools, device.path)) })),
  );
  const cameras = asked
    .filter(({ formats }) => formats.length > 0)
    .map(({ name, path, formats }) => ({ name, device: path, formats }));
  const refused = asked
    .filter(({ lines }) => lines.some((line) => line.includes('Permission denied')))
    .map(({ path }) => path);
  const notes =
    refused.length > 0
      ? [
          `${refused.join(', ')}: this user has no access; grant it with: sudo usermod -aG video $USER, then log in again`,
        ]
      : [];
  return { cameras, notes: cameras.length === 0 && notes.length === 0 ? ['none'] : notes };
}

/**
 * The source URL: with a device file on Linux, otherwise with the name, which is more stable than the number, if it
 * needs no quoting.
 */
function sourceOf({ name, device }: Camera, index: number): string {
  if (device.startsWith('/dev/')) return `ffmpeg:${device}`;
  return `ffmpeg:camera:${/^[\p{L}\d_ .()-]+$/u.test(name) ? name : device === name ? index : device}`;
}

/** Formats a camera for display, with its source. */
export function formatCamera({ name, device, formats }: Camera, source: string): string {
  const lines = formats.map(
    (format) => `    ${format.name === 'mjpeg' ? 'JPEG' : format.name}: ${formatSizes(format.sizes)}\n`,
  );
  const shown = cleanText(name);
  return `  ${shown}${device === name ? '' : ` (${device})`}\n${lines.join('')}    --source "${source}"\n`;
}

function formatSizes(sizes: readonly SizeRange[]): string {
  const texts = [
    ...new Set(
      sizes.map(({ min, max, maxFps }) => {
        const size =
          min.width === max.width && min.height === max.height
            ? `${max.width}x${max.height}`
            : `${min.width}x${min.height} to ${max.width}x${max.height}`;
        return maxFps === null ? size : `${size} (${Math.round(maxFps * 100) / 100} fps)`;
      }),
    ),
  ];
  if (texts.length === 0) return 'any size';
  return `${texts.slice(0, MAX_SIZES_SHOWN).join(', ')}${texts.length > MAX_SIZES_SHOWN ? ', …' : ''}`;
}

async function showScreens(
  tools: FfmpegTools,
  environment: Readonly<Record<string, string | undefined>>,
  write: Write,
): Promise<void> {
  write('Screens\n');
  const { screens, note } = await listScreens(tools, environment);
  for (const { name, source } of screens) write(`  ${name}\n    --source "${source}"\n`);
  if (note !== null) write(`  ${note}\n`);
}

/** @returns the number of cameras. */
async function showPiCameras(tools: FfmpegTools, write: Write): Promise<number> {
  const program = await findPiProgram(tools);
  // Not a Raspberry Pi, so omit the section.
  if (program === null) return 0;
  write('Raspberry Pi cameras\n');
  const cameras = await listPiCameras(tools, program);
  for (const camera of cameras) write(formatCamera(camera, `ffmpeg:picamera:${camera.device}`));
  if (cameras.length === 0) write('  none\n');
  return cameras.length;
}
