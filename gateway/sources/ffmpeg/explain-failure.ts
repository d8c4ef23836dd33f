import { GearwayError } from '../../../shared/errors.ts';
import type { ProgramEnd } from './program.ts';

/** Meaning of errors of FFmpeg's mpjpeg demuxer. The mjpeg demuxer ignores everything except JPEGs. */
const MJPEG_REFUSED = "FFmpeg's reader refuses this camera's MJPEG; add format=mjpeg";

/**
 * Patterns in FFmpeg's output, and their meaning. The first match in this order wins: causes are listed before their
 * consequences.
 */
const CAUSES: readonly (readonly [printed: RegExp, meaning: string])[] = [
  [/401 Unauthorized|authorization failed/i, 'wrong or missing user name and password: rtsp://USER:PASSWORD@HOST/…'],
  [/461 Unsupported Transport/i, 'the server does not support TCP; use UDP: inputArgs=-rtsp_transport udp'],
  [/403 Forbidden/i, 'the server refuses access'],
  [/404 Not Found|Stream Not Found/i, 'the server has no stream at this path'],
  [
    /\b5\d\d [A-Z][A-Za-z ]+|Server returned 5\w\w/,
    'the server reports a fault; some cameras serve one client at a time',
  ],
  [/\b4\d\d [A-Z][A-Za-z ]+|Server returned 4\w\w/, 'the server refuses the request'],
  [/Connection refused/i, 'nothing is listening at this address'],
  [
    /Failed to resolve hostname|Name or service not known|nodename nor servname|No address associated|Temporary failure in name resolution/i,
    'unknown host name',
  ],
  [/No route to host|Network is unreachable|Host is unreachable/i, 'the host cannot be reached'],
  [/Connection timed out|Operation timed out|Connection reset by peer|Broken pipe/i, 'the server no longer responds'],
  [
    /Device or resource busy|device is already in use|is in use by another/i,
    'the camera is busy: another program uses it',
  ],
  [
    /Permission denied|Operation not permitted|not authorized/i,
    'this user may not access the input (for a camera on Linux: sudo usermod -aG video $USER, then log in again)',
  ],
  [/Not a video capture device/i, 'this device does not capture video'],
  [
    /Cannot open video device|Could not find video device|Video device not found|No such device\b|No such device or address/i,
    'no such camera, or it was unplugged',
  ],
  [
    /Selected framerate .* is not supported|Selected video size .* is not supported|Could not set video options/i,
    'the camera does not support this size or rate',
  ],
  [
    /Cannot open display|Can't open display|cannot connect to X|XDG|screen grab/i,
    'no X11 display (set DISPLAY; Wayland is not supported)',
  ],
  [
    /Unrecognized option|Option not found|Option \S+ \(.*\) cannot be applied|Missing argument for option|Unable to parse option|Error parsing options|Trailing option/i,
    'FFmpeg does not accept an option',
  ],
  [/Unknown input format/i, 'this FFmpeg does not support the format or device'],
  [
    /Unknown (?:decoder|encoder)|Decoder not found|Encoder not found/i,
    'this FFmpeg has no suitable decoder or encoder',
  ],
  [
    /No such filter|Error (?:initializing|parsing|reinitializing) .*filter|Failed to (?:configure|set) .*filter|Invalid filter/i,
    'the filter is invalid',
  ],
  [
    /Protocol not found|Protocol '.*' not on whitelist|Protocol .* not on whitelist/i,
    'this FFmpeg does not support the protocol, or it is not allowed here',
  ],
  [/Unexpected Content-Type/i, MJPEG_REFUSED],
  [/Expected boundary .* not found|Invalid Content-Length value/i, MJPEG_REFUSED],
  [/^rtsps?:\/\/.+: Invalid data found/i, 'the server does not respond, or not with RTSP'],
  [/matches no streams|does not contain any stream|Output file #0 does not contain/i, 'the input contains no video'],
  [
    /moov atom not found|Invalid data found when processing input|could not find codec parameters|Invalid NAL/i,
    'the input is damaged, or in a format that FFmpeg cannot read',
  ],
  [/No such file or directory/i, 'no such file'],
  [/Input\/output error/i, 'reading the input failed'],
];

/** Lines that FFmpeg prints after any error. */
const CONSEQUENCE =
  /^(?:\[[^\]]*\] ?)*(?:Error (?:initializing|opening|splitting|while|configuring|binding|reinitializing|marking)|Conversion failed|Nothing was written|Exiting|Output file (?:#\d+ |)(?:does not|is empty)|Task finished|Terminating|Could not write header|maybe incorrect parameters|Failed to open segment)/i;

/**
 * FFmpeg's output when a live picture changes its shape or size: see `squareScale` in output-args.ts, and `NUMBERED`.
 */
const SHAPE_CHANGED = /Error when evaluating the expression 'if\(ld\(0\)|Invalid pts \(0\) <= last/;

/**
 * Explains why FFmpeg, or another capture program, has ended.
 *
 * @param lines its last lines. They may contain secrets, which {@link RedactedSource} hides.
 */
export function explainFailure(command: string, end: ProgramEnd, lines: readonly string[]): GearwayError {
  switch (end.kind) {
    case 'missing':
      return new GearwayError('ffmpeg-missing', `${command} is not installed, or not in the PATH`);
    case 'unstartable':
      return new GearwayError('source-failed', `${command} could not be started: ${end.error.message}`, {
        cause: end.error,
      });
    case 'killed':
    case 'exited': {
      if (lines.some((line) => SHAPE_CHANGED.test(line)))
        return new GearwayError(
          'source-failed',
          'the size or shape of the picture has changed; the source is reopened',
        );
      const cause = findCause(lines);
      if (cause !== null) return new GearwayError('source-failed', `${cause.meaning} (${command}: ${cause.line})`);
      const how = end.kind === 'killed' ? `was killed by ${end.signal}` : `exited with code ${end.code}`;
      // FFmpeg's last lines often report only consequences.
      const last = lines.findLast((line) => !CONSEQUENCE.test(line)) ?? lines.at(-1);
      return new GearwayError(
        'source-failed',
        `${command} ${how}${last === undefined ? '' : ` (${withoutPrefix(last)})`}`,
      );
    }
    default:
      return end satisfies never;
  }
}

function findCause(lines: readonly string[]): { readonly meaning: string; readonly line: string } | null {
  for (const [printed, meaning] of CAUSES) {
    const line = lines.findLast((each) => printed.test(each));
    if (line !== undefined) return { meaning, line: withoutPrefix(line) };
  }
  return null;
}

/** Removes FFmpeg's component prefix, such as `[tcp @ 0x5581c7]`. */
function withoutPrefix(line: string): string {
  return line.replace(/^(?:\[[^\]]*\] ?)+/, '');
}
