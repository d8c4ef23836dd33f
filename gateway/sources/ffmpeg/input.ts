import { GearwayError } from '../../../shared/errors.ts';
import { checkHost, lowerCaseScheme } from '../../netgear/address.ts';

/** Parsed `INPUT` of `ffmpeg:INPUT`. Strings are kept as given, without decoding or expansion. */
export type FfmpegInput =
  /** A local camera by number, name or device file; null for the first one. */
  | { readonly kind: 'camera'; readonly name: string | null }
  /** A screen: X11 display, number on macOS, or window title on Windows; null for the first one. */
  | { readonly kind: 'screen'; readonly name: string | null }
  /** A camera on a Raspberry Pi's camera connector. */
  | { readonly kind: 'pi-camera'; readonly number: number }
  /** A filter graph with FFmpeg's own sources. */
  | { readonly kind: 'filter-graph'; readonly graph: string }
  | { readonly kind: 'url'; readonly url: string; readonly scheme: string }
  /** Local files that are played one after another. */
  | { readonly kind: 'playlist'; readonly path: string; readonly format: 'm3u' | 'ffconcat' }
  | { readonly kind: 'file'; readonly path: string };

const EXAMPLES = 'camera, /dev/video0, screen, picamera, rtsp://HOST/PATH, http://HOST/PATH, lavfi:GRAPH or a file';

/**
 * Parses INPUT. Keywords take precedence: a file called `camera` must be written as `./camera`.
 *
 * @throws {GearwayError} `source-invalid`, `address-invalid`.
 */
export function parseInput(target: string): FfmpegInput {
  if (target === '') throw invalid(`ffmpeg: is followed by nothing, expected ${EXAMPLES}`);
  // A NUL would truncate an argument, and a line break would add an entry to a list of files.
  if (/[\0\r\n]/.test(target)) throw invalid('ffmpeg: the input contains a line break or a NUL');
  const [, word, rest] = /^(camera|screen|picamera|lavfi)(?::(.*))?$/.exec(target) ?? [];
  switch (word) {
    case 'camera':
    case 'screen':
      return { kind: word, name: rest === undefined || rest === '' ? null : rest };
    case 'picamera':
      if (!/^\d{0,2}$/.test(rest ?? ''))
        throw invalid(`picamera: is followed by ${JSON.stringify(rest)}, expected the camera's number`);
      return { kind: 'pi-camera', number: Number(rest ?? '0') };
    case 'lavfi':
      if (rest === undefined || rest === '')
        throw invalid('lavfi: is followed by nothing, expected a graph such as testsrc2=size=1280x720:rate=30');
      return { kind: 'filter-graph', graph: rest };
    default:
  }
  if (/^\/dev\/(?:video\d+|v4l\/.+)$/.test(target)) return { kind: 'camera', name: target };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(target)?.[1];
  if (scheme !== undefined) {
    checkHost(target);
    return { kind: 'url', url: lowerCaseScheme(target), scheme: scheme.toLowerCase() };
  }
  const extension = /\.(m3u|ffconcat)$/i.exec(target)?.[1]?.toLowerCase();
  if (extension === 'm3u' || extension === 'ffconcat') return { kind: 'playlist', path: target, format: extension };
  return { kind: 'file', path: target };
}

function invalid(message: string): GearwayError {
  return new GearwayError('source-invalid', message);
}
