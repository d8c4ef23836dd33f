import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FfmpegTools } from '../ffmpeg-tools.ts';
import { type CameraFormat, oneSize, type SizeRange } from './camera.ts';

const CLASS_FOLDER = '/sys/class/video4linux';

const LIST_TIMEOUT_MS = 5000;

/** A Video4Linux device file, not necessarily of a camera. */
interface V4l2Device {
  readonly name: string;
  readonly path: string;
}

/** All device files, including those that are not cameras: a webcam has a second one for metadata. */
export async function listV4l2Devices(folder = CLASS_FOLDER): Promise<readonly V4l2Device[]> {
  const entries = await readdir(folder).catch(() => []); // The folder is missing if there are no devices.
  const numbers = entries
    .flatMap((entry) => /^video(\d+)$/.exec(entry)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  return Promise.all(
    numbers.map(async (number) => ({
      name: (await readFile(join(folder, `video${number}`, 'name'), 'utf8').catch(() => '')).trim() || `video${number}`,
      path: `/dev/video${number}`,
    })),
  );
}

/**
 * Reads the picture formats of a device.
 *
 * @returns no formats if the device is not a camera, is missing, or is not accessible; `lines` then have the reason.
 */
export async function readV4l2Formats(
  tools: FfmpegTools,
  path: string,
  signal?: AbortSignal,
): Promise<{ readonly formats: readonly CameraFormat[]; readonly lines: readonly string[] }> {
  const args = ['-hide_banner', '-nostdin', '-f', 'v4l2', '-list_formats', 'all', '-i', path];
  const { errorText, errorLines } = await tools.run('ffmpeg', args, {
    timeoutMs: LIST_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  return { formats: parseV4l2Formats(errorText), lines: errorLines };
}

/** Parses the output of `ffmpeg -f v4l2 -list_formats all`. */
export function parseV4l2Formats(text: string): readonly CameraFormat[] {
  return text.split(/\r?\n/).flatMap((line) => {
    // The description may contain colons: YUYV 4:2:2.
    const [, kind, name, sizes = ''] =
      /(Raw|Compressed)\s*:\s*(\S+) :.* :(?: Emulated :)?((?: \d+x\d+| \{\d+-\d+, \d+\}x\{\d+-\d+, \d+\})*)\s*$/.exec(
        line,
      ) ?? [];
    if (kind === undefined || name === undefined || name === 'Unsupported') return [];
    return [{ name, isCompressed: kind === 'Compressed', sizes: parseSizes(sizes) }];
  });
}

function parseSizes(text: string): readonly SizeRange[] {
  return [...text.matchAll(/(\d+)x(\d+)|\{(\d+)-(\d+), (\d+)\}x\{(\d+)-(\d+), (\d+)\}/g)].map(([, ...found]) => {
    const [width = 0, height = 0, minWidth = 0, maxWidth = 0, stepX = 0, minHeight = 0, maxHeight = 0, stepY = 0] =
      found.map(Number);
    if (found[0] !== undefined) return oneSize(width, height);
    return {
      min: { width: minWidth, height: minHeight },
      max: { width: maxWidth, height: maxHeight },
      step: { width: stepX, height: stepY },
      maxFps: null,
    };
  });
}
