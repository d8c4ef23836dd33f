import type { FfmpegTools } from '../ffmpeg-tools.ts';
import { type Camera, oneSize, type SizeRange } from './camera.ts';

const LIST_TIMEOUT_MS = 10_000;

/** The camera program of Raspberry Pi OS, and its name before 2024. */
const PROGRAMS = ['rpicam-vid', 'libcamera-vid'] as const;

/** @returns null if none of the programs is installed. */
export async function findPiProgram(tools: FfmpegTools, signal?: AbortSignal): Promise<string | null> {
  for (const program of PROGRAMS) {
    const { end } = await tools.run(program, ['--version'], {
      timeoutMs: LIST_TIMEOUT_MS,
      ...(signal === undefined ? {} : { signal }),
    });
    if (end.kind !== 'missing') return program;
  }
  return null;
}

export async function listPiCameras(tools: FfmpegTools, program: string): Promise<readonly Camera[]> {
  const { output, errorText } = await tools.run(program, ['--list-cameras'], { timeoutMs: LIST_TIMEOUT_MS });
  // Versions differ in whether they print to standard output or standard error.
  return parsePiCameras(`${output}\n${errorText}`);
}

/** Parses the output of `rpicam-vid --list-cameras`: a line per camera, followed by its sensor modes. */
export function parsePiCameras(text: string): readonly Camera[] {
  const found: { name: string; device: string; sizes: SizeRange[] }[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, number, name] = /^(\d+) : (\S+)/.exec(line) ?? [];
    if (number !== undefined && name !== undefined) found.push({ name, device: number, sizes: [] });
    const [, width, height, fps] = /\b(\d+)x(\d+) \[([\d.]+) fps/.exec(line) ?? [];
    if (fps !== undefined) found.at(-1)?.sizes.push(oneSize(Number(width), Number(height), Number(fps)));
  }
  return found.map(({ name, device, sizes }) => ({
    name,
    device,
    formats: [{ name: 'mjpeg', isCompressed: true, sizes }],
  }));
}
