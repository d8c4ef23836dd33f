import { GearwayError } from '../../../shared/errors.ts';

/** What `INPUT` of `ffmpeg:INPUT` names. Texts are as they were written: nothing in them is decoded or expanded. */
export type FfmpegInput =
  /** One of this machine's cameras by number, name or device file; null for the first one. */
  | { readonly kind: 'camera'; readonly name: string | null }
  /** What a screen shows: X11's display, macOS's number, Windows's window title; null for the first one. */
  | { readonly kind: 'screen'; readonly name: string | null }
  /** A camera on a Raspberry Pi's ribbon cable. */
  | { readonly kind: 'pi-camera'; readonly number: number }
  /** FFmpeg's own sources, a graph of filters. */
  | { readonly kind: 'filter-graph'; readonly graph: string }
  | { readonly kind: 'url'; readonly url: string; readonly scheme: string }
  /** Files of this machine, one after another. */
  | { readonly kind: 'playlist'; readonly path: string; readonly format: 'm3u' | 'ffconcat' }
  | { readonly kind: 'file'; readonly path: string };

const EXAMPLES = 'camera, /dev/video0, screen, picamera, rtsp://HOST/PATH, http://HOST/PATH, lavfi:GRAPH or a file';

/**
 * Reads INPUT. Words come first: a file called `camera` is `./camera`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseInput(place: string): FfmpegInput {
  if (place === '') throw invalid(`ffmpeg: is followed by nothing, expected ${EXAMPLES}`);
  // A NUL would end an argument early, and a list of files has one a line.
  if (/[\0\r\n]/.test(place)) throw invalid('ffmpeg: is followed by a text with a line break or a NUL, which no input has');
  const [, word, rest] = /^(camera|screen|picamera|lavfi)(?::(.*))?$/.exec(place) ?? [];
  switch (word) {
    case 'camera':
    case 'screen':
      return { kind: word, name: rest === undefined || rest === '' ? null : rest };
    case 'picamera':
      if (!/^\d{0,2}$/.test(rest ?? '')) throw invalid(`picamera: is followed by ${JSON.stringify(rest)}, expected the camera's number`);
      return { kind: 'pi-camera', number: Number(rest ?? '0') };
    case 'lavfi':
      if (rest === undefined || rest === '') throw invalid('lavfi: is followed by nothing, expected a graph such as testsrc2=size=1280x720:rate=30');
      return { kind: 'filter-graph', graph: rest };
    default:
  }
  if (/^\/dev\/(?:video\d+|v4l\/.+)$/.test(place)) return { kind: 'camera', name: place };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(place)?.[1];
  if (scheme !== undefined) return { kind: 'url', url: place, scheme: scheme.toLowerCase() };
  const extension = /\.(m3u|ffconcat)$/i.exec(place)?.[1]?.toLowerCase();
  if (extension === 'm3u' || extension === 'ffconcat') return { kind: 'playlist', path: place, format: extension };
  return { kind: 'file', path: place };
}

function invalid(message: string): GearwayError {
  return new GearwayError('source-invalid', message);
}
