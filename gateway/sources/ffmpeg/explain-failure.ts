import { GearwayError } from '../../../shared/errors.ts';
import type { ProgramEnd } from './program.ts';

/** What FFmpeg prints, and what it means. The first that is found in the last lines counts: the causes stand before their consequences. */
const CAUSES: readonly (readonly [printed: RegExp, meaning: string])[] = [
  [/401 Unauthorized|authorization failed/i, 'the user or the password is wrong, or none was given: rtsp://USER:PASSWORD@HOST/…'],
  [/461 Unsupported Transport/i, 'the server has no TCP; ask it for UDP: inputArgs=-rtsp_transport udp'],
  [/403 Forbidden/i, 'the server refuses access'],
  [/404 Not Found|Stream Not Found/i, 'the server has nothing at this path'],
  [/\b(?:4\d\d|5\d\d) [A-Z][A-Za-z ]+|Server returned (?:4|5)\w\w/, 'the server refuses'],
  [/Connection refused/i, 'nobody listens at this address'],
  [/Failed to resolve hostname|Name or service not known|nodename nor servname|No address associated|Temporary failure in name resolution/i, 'there is no host of this name'],
  [/No route to host|Network is unreachable|Host is unreachable/i, 'the host cannot be reached'],
  [/Connection timed out|Operation timed out|Connection reset by peer|Broken pipe/i, 'the server does not answer any more'],
  [/Device or resource busy|device is already in use|is in use by another/i, 'the camera is busy: another program uses it'],
  [/Permission denied|Operation not permitted|not authorized/i, 'this user may not read it (a camera on Linux: sudo usermod -aG video $USER, then log in again)'],
  [/Not a video capture device/i, 'this device gives no pictures'],
  [/Cannot open video device|Could not find video device|Video device not found|No such device\b|No such device or address/i, 'there is no such camera, or it was unplugged'],
  [/Selected framerate .* is not supported|Selected video size .* is not supported|Could not set video options/i, 'the camera does not have this size or rate'],
  [/Cannot open display|Can't open display|cannot connect to X|XDG|screen grab/i, 'there is no X display (set DISPLAY; Wayland has none)'],
  [/Unrecognized option|Option not found|Option \S+ \(.*\) cannot be applied|Missing argument for option|Unable to parse option|Error parsing options|Trailing option/i, 'an option is none of FFmpeg\'s'],
  [/Unknown input format/i, 'this FFmpeg does not have the format or the device'],
  [/Unknown (?:decoder|encoder)|Decoder not found|Encoder not found/i, 'this FFmpeg cannot decode or encode it'],
  [/No such filter|Error (?:initializing|parsing|reinitializing) .*filter|Failed to (?:configure|set) .*filter|Invalid filter/i, 'the filter does not work'],
  [/Protocol not found|Protocol '.*' not on whitelist|Protocol .* not on whitelist/i, 'this FFmpeg does not speak this protocol, or may not here'],
  [/^rtsps?:\/\/.+: Invalid data found/i, 'the server does not answer, or not as one of RTSP'],
  [/matches no streams|does not contain any stream|Output file #0 does not contain/i, 'there is no picture in it'],
  [/moov atom not found|Invalid data found when processing input|could not find codec parameters|Invalid NAL/i, 'it is damaged, or nothing that FFmpeg can read'],
  [/No such file or directory/i, 'there is no such file'],
  [/Input\/output error/i, 'reading failed'],
];

/**
 * Says why FFmpeg, or another program that makes pictures, has ended.
 *
 * @param lines the last ones that it has printed. They may have secrets in them, which the supervisor's {@link RedactedSource} hides.
 */
export function explainFailure(command: string, end: ProgramEnd, lines: readonly string[]): GearwayError {
  switch (end.kind) {
    case 'missing':
      return new GearwayError('ffmpeg-missing', `${command} is not installed, or not on the PATH`);
    case 'unstartable':
      return new GearwayError('source-failed', `${command} could not be started: ${end.error.message}`, { cause: end.error });
    case 'killed':
    case 'exited': {
      const cause = findCause(lines);
      if (cause !== null) return new GearwayError('source-failed', `${cause.meaning} (${command}: ${cause.line})`);
      const how = end.kind === 'killed' ? `was ended by ${end.signal}` : `ended with code ${end.code}`;
      const last = lines.at(-1);
      return new GearwayError('source-failed', `${command} ${how}${last === undefined ? '' : ` (${withoutPrefix(last)})`}`);
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

/** Without who says it: `[tcp @ 0x5581c7]`. */
function withoutPrefix(line: string): string {
  return line.replace(/^(?:\[[^\]]*\] ?)+/, '');
}
