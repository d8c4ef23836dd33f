import { readFileSync } from 'node:fs';

/** Distributions by their name or that of what they are made from, and the command that installs FFmpeg there. */
const LINUX_COMMANDS: readonly (readonly [distribution: string, command: string])[] = [
  ['debian', 'sudo apt-get install ffmpeg'],
  ['ubuntu', 'sudo apt-get install ffmpeg'],
  ['fedora', 'sudo dnf install ffmpeg-free'],
  ['arch', 'sudo pacman -S ffmpeg'],
  ['alpine', 'sudo apk add ffmpeg'],
  ['suse', 'sudo zypper install ffmpeg'],
];

/**
 * How FFmpeg is installed here.
 *
 * @param platform as node:os names it.
 */
export function installCommand(platform: NodeJS.Platform, osRelease = readOsRelease()): string {
  switch (platform) {
    case 'darwin':
      return 'brew install ffmpeg';
    case 'win32':
      return 'winget install Gyan.FFmpeg';
    default: {
      const names = [...osRelease.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, value = '']) => value.split(' '));
      return LINUX_COMMANDS.find(([distribution]) => names.includes(distribution))?.[1] ?? 'sudo apt-get install ffmpeg';
    }
  }
}

function readOsRelease(): string {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return ''; // not Linux, or a very small one
  }
}
