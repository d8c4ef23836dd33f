import type { FfmpegTools } from '../ffmpeg-tools.ts';
import { listAvfoundationDevices } from './avfoundation-devices.ts';

/** A screen, and its source URL. */
interface Screen {
  readonly name: string;
  readonly source: string;
}

/** Screens that FFmpeg can capture, and a note if there are none, or if some are missing. */
export interface Screens {
  readonly screens: readonly Screen[];
  readonly note: string | null;
}

const LIST_TIMEOUT_MS = 5000;

/** @param environment of this process, for the X11 display. */
export async function listScreens(
  tools: FfmpegTools,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Screens> {
  switch (tools.platform) {
    case 'darwin': {
      const screens = (await listAvfoundationDevices(tools)).filter(({ kind }) => kind === 'screen');
      return {
        screens: screens.map(({ name }) => ({ name, source: `ffmpeg:screen:${/\d+$/.exec(name)?.[0] ?? '0'}` })),
        note:
          screens.length > 0
            ? null
            : 'none: allow this terminal to record the screen (System Settings, Privacy & Security, Screen Recording)',
      };
    }
    case 'win32':
      return { screens: [{ name: 'the desktop, all screens', source: 'ffmpeg:screen' }], note: null };
    default:
      return listX11(tools, environment);
  }
}

async function listX11(
  tools: FfmpegTools,
  { DISPLAY, WAYLAND_DISPLAY }: Readonly<Record<string, string | undefined>>,
): Promise<Screens> {
  const isWayland = WAYLAND_DISPLAY !== undefined && WAYLAND_DISPLAY !== '';
  const instead = 'share the screen from a browser: /publish?stream=NAME';
  if (DISPLAY === undefined || DISPLAY === '')
    return {
      screens: [],
      note: isWayland
        ? `none: FFmpeg does not support Wayland; ${instead}`
        : 'none: DISPLAY is not set to an X11 display',
    };
  const { output } = await tools.run('ffmpeg', ['-hide_banner', '-devices'], { timeoutMs: LIST_TIMEOUT_MS });
  if (!parseInputDevices(output).has('x11grab'))
    return { screens: [], note: `none: this FFmpeg was built without x11grab; ${instead}` };
  return {
    screens: [{ name: `the X11 display ${DISPLAY}`, source: 'ffmpeg:screen' }],
    note: isWayland ? `on Wayland, only X11 windows are visible; ${instead}` : null,
  };
}

/** Parses the output of `ffmpeg -devices`. */
export function parseInputDevices(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/^ D[ E]d? +(\S+) /gm)].flatMap(([, names = '']) => names.split(',')));
}
