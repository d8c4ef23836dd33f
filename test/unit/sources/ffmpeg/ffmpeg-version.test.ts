import { describe, expect, it } from 'vitest';
import { isAtLeast, NEWEST, parseFfmpegVersion } from '../../../../gateway/sources/ffmpeg/ffmpeg-version.ts';
import { installCommand } from '../../../../gateway/sources/ffmpeg/install-command.ts';

describe('parseFfmpegVersion', () => {
  it.each([
    [
      'ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers\nbuilt with gcc 12',
      { major: 5, minor: 1 },
    ],
    ['ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright (c) 2000-2021', { major: 4, minor: 4 }],
    ['ffmpeg version n6.1 Copyright', { major: 6, minor: 1 }],
    ['ffmpeg version 8.0 Copyright', { major: 8, minor: 0 }],
    ['ffmpeg version N-112345-gabcdef0123 Copyright', NEWEST],
    ['ffmpeg version 2024-03-04-git-e30369bc1c-full_build-www.gyan.dev Copyright', NEWEST],
    ['zsh: command not found', null],
  ])('reads %j', (text, version) => {
    expect(parseFfmpegVersion(text)).toEqual(version);
  });
});

describe('isAtLeast', () => {
  it.each([
    [4, 1, false],
    [4, 2, true],
    [4, 10, true],
    [3, 9, false],
    [5, 0, true],
  ])('%i.%i: %s', (major, minor, expected) => {
    expect(isAtLeast({ major, minor }, { major: 4, minor: 2 })).toBe(expected);
  });
});

describe('installCommand', () => {
  it.each([
    ['darwin', '', 'brew install ffmpeg'],
    ['win32', '', 'winget install Gyan.FFmpeg'],
    ['linux', 'PRETTY_NAME="Debian"\nID=debian\n', 'sudo apt-get install ffmpeg'],
    ['linux', 'ID=raspbian\nID_LIKE=debian\n', 'sudo apt-get install ffmpeg'],
    ['linux', 'ID="rhel"\nID_LIKE="fedora centos"', 'sudo dnf install ffmpeg-free'],
    ['linux', 'ID=opensuse-leap\nID_LIKE="suse opensuse"', 'sudo zypper install ffmpeg'],
    ['linux', '', 'sudo apt-get install ffmpeg'],
  ] as const)('on %s with %j', (platform, osRelease, command) => {
    expect(installCommand(platform, osRelease)).toBe(command);
  });
});
