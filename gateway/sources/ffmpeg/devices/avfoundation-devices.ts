import type { FfmpegTools } from '../ffmpeg-tools.ts';

const LIST_TIMEOUT_MS = 10_000;

/** A camera or screen on macOS, with FFmpeg's number for it. */
interface AvfoundationDevice {
  readonly kind: 'camera' | 'screen';
  readonly number: number;
  readonly name: string;
}

export async function listAvfoundationDevices(
  tools: FfmpegTools,
  signal?: AbortSignal,
): Promise<readonly AvfoundationDevice[]> {
  const args = ['-hide_banner', '-nostdin', '-f', 'avfoundation', '-list_devices', 'true', '-i', ''];
  const { errorText } = await tools.run('ffmpeg', args, {
    timeoutMs: LIST_TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  return parseAvfoundationDevices(errorText);
}

/** Parses the output of `ffmpeg -f avfoundation -list_devices true`. */
export function parseAvfoundationDevices(text: string): readonly AvfoundationDevice[] {
  const video = text.split('AVFoundation audio devices:')[0]?.split('AVFoundation video devices:')[1] ?? '';
  // Each line begins with FFmpeg's own prefix, which is in brackets too.
  return [...video.matchAll(/\[(\d+)\] (.+?)\s*$/gm)].map(([, number, name = '']) => ({
    kind: /^Capture screen \d+$/.test(name) ? 'screen' : 'camera',
    number: Number(number),
    name,
  }));
}
