import { readFileSync } from 'node:fs';

/** Distributions, matched by ID or ID_LIKE, and their command to install FFmpeg. */
const LINUX_COMMANDS: readonly (readonly [distribution: string, command: string])[] = [
  ['debian', 'sudo apt-get install ffmpeg'],
  ['ubuntu', 'sudo apt-get install ffmpeg'],
  ['fedora', 'sudo dnf install ffmpeg-free'],
  ['arch', 'sudo pacman -S ffmpeg'],
  ['alpine', 'sudo apk add ffmpeg'],
  ['suse', 'sudo zypper install ffmpeg'],
];

/**
 * The command that installs FFmpeg on this system.
 *
 * @param platform as returned by node:os.
 */
export function installCommand(platform: NodeJS.Platform, osRelease = readOsRelease()): string {
  switch (platform) {
    case 'darwin':
      return 'brew install ffmpeg';
    case 'win32':
      return 'winget install Gyan.FFmpeg';
    default: {
      const names = [...osRelease.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, value = '']) =>
        value.split(' '),
      );
      return (
        LINUX_COMMANDS.find(([distribution]) => names.includes(distribution))?.[1] ?? 'sudo apt-get install ffmpeg'
      );
    }
  }
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return ''; // The file is missing: not Linux, or a minimal system.
  }
}
