/** The version of a release. */
export interface FfmpegVersion {
  readonly major: number;
  readonly minor: number;
}

/** Version of a development build, which has no release number. */
export const NEWEST: FfmpegVersion = { major: Infinity, minor: 0 };

/**
 * The oldest supported version, which is that of Debian 11. Version 4.2 ends MJPEG without a Content-Length after one
 * picture.
 */
export const OLDEST: FfmpegVersion = { major: 4, minor: 3 };

/**
 * Parses the output of `ffmpeg -version`.
 *
 * @returns null if it is not from FFmpeg.
 */
export function parseFfmpegVersion(text: string): FfmpegVersion | null {
  const name = /^ffmpeg version (\S+)/m.exec(text)?.[1];
  if (name === undefined) return null;
  // 5.1.9-0+deb12u1, n6.1; but N-112345-gabcdef and 2024-03-04-git-e30369bc1c.
  const [, major, minor] = /^n?(\d{1,3})\.(\d{1,3})/.exec(name) ?? [];
  return major === undefined || minor === undefined ? NEWEST : { major: Number(major), minor: Number(minor) };
}

/** Whether `version` is this version or a later one. */
export function isAtLeast(version: FfmpegVersion, { major, minor }: FfmpegVersion): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}
