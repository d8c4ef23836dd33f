import type { FfmpegTools } from '../ffmpeg-tools.ts';
import { type Camera, type CameraFormat, oneSize, type SizeRange } from './camera.ts';

const LIST_TIMEOUT_MS = 10_000;

/** Names of the cameras on Windows, in the system's order. */
export async function listDshowNames(tools: FfmpegTools, signal?: AbortSignal): Promise<readonly string[]> {
  return parseDshowDevices(await ask(tools, ['-list_devices', 'true', '-i', 'dummy'], signal));
}

/** Formats of a camera. */
export async function readDshowFormats(
  tools: FfmpegTools,
  name: string,
  signal?: AbortSignal,
): Promise<readonly CameraFormat[]> {
  return parseDshowFormats(await ask(tools, ['-list_options', 'true', '-i', `video=${name}`], signal));
}

export async function listDshowCameras(tools: FfmpegTools): Promise<readonly Camera[]> {
  const names = await listDshowNames(tools);
  return Promise.all(names.map(async (name) => ({ name, device: name, formats: await readDshowFormats(tools, name) })));
}

async function ask(tools: FfmpegTools, args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  const { errorText } = await tools.run('ffmpeg', ['-hide_banner', '-nostdin', '-f', 'dshow', ...args], {
    timeoutMs: LIST_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  return errorText;
}

/**
 * Parses the output of `ffmpeg -f dshow -list_devices true`: since 5.0 each line ends with the kind; before, there are
 * sections.
 */
export function parseDshowDevices(text: string): readonly string[] {
  let isVideo = false;
  return text.split(/\r?\n/).flatMap((line) => {
    const section = /DirectShow (video|audio) devices/.exec(line)?.[1];
    if (section !== undefined) isVideo = section === 'video';
    const [, name, kinds] = /^(?:\[[^\]]*\])?\s*"(.+)"(?: \(([^"]*)\))?\s*$/.exec(line) ?? [];
    if (name === undefined) return [];
    return (kinds === undefined ? isVideo : kinds.includes('video')) ? [name] : [];
  });
}

/** Parses the output of `ffmpeg -f dshow -list_options true`: a line per format and size, with duplicates. */
export function parseDshowFormats(text: string): readonly CameraFormat[] {
  const formats = new Map<string, CameraFormat & { sizes: SizeRange[] }>();
  for (const [, kind, name = '', ...numbers] of text.matchAll(
    /(vcodec|pixel_format)=(\S+)\s+min s=(\d+)x(\d+) fps=([\d.]+) max s=(\d+)x(\d+) fps=([\d.]+)/g,
  )) {
    const [minWidth = 0, minHeight = 0, , maxWidth = 0, maxHeight = 0, maxFps = 0] = numbers.map(Number);
    const range =
      minWidth === maxWidth && minHeight === maxHeight
        ? oneSize(maxWidth, maxHeight, maxFps)
        : {
            min: { width: minWidth, height: minHeight },
            max: { width: maxWidth, height: maxHeight },
            step: { width: 1, height: 1 },
            maxFps,
          };
    const format = formats.get(name) ?? { name, isCompressed: kind === 'vcodec', sizes: [] };
    formats.set(name, format);
    if (!format.sizes.some((each) => JSON.stringify(each) === JSON.stringify(range))) format.sizes.push(range);
  }
  return [...formats.values()];
}
