import type { FfmpegTools } from '../ffmpeg-tools.ts';

const LIST_TIMEOUT_MS = 10_000;

/** What macOS gives pictures of: cameras and screens, with the numbers by which FFmpeg knows them. */
export interface AvfoundationDevice {
  readonly kind: 'camera' | 'screen';
  readonly number: number;
  readonly name: string;
}

export async function listAvfoundationDevices(tools: FfmpegTools, signal?: AbortSignal): Promise<readonly AvfoundationDevice[]> {
  const args = ['-hide_banner', '-nostdin', '-f', 'avfoundation', '-list_devices', 'true', '-i', ''];
  const { errorText } = await tools.run('ffmpeg', args, { timeoutMs: LIST_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) });
  return parseAvfoundationDevices(errorText);
}

/** Reads what `ffmpeg -f avfoundation -list_devices true` prints. */
export function parseAvfoundationDevices(text: string): readonly AvfoundationDevice[] {
  const video = text.split('AVFoundation audio devices:')[0]?.split('AVFoundation video devices:')[1] ?? '';
  // Who says it stands in brackets, too, and before the number.
  return [...video.matchAll(/\[(\d+)\] (.+?)\s*$/gm)].map(([, number, name = '']) => ({ kind: /^Capture screen \d+$/.test(name) ? 'screen' : 'camera', number: Number(number), name }));
}
