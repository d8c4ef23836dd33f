import type { FfmpegOptions } from './ffmpeg-options.ts';

/** Arguments of rpicam-vid and libcamera-vid: an endless sequence of JPEGs, each flushed immediately. */
export function piCameraArgs(number: number, { size, fps, quality, inputArgs }: FfmpegOptions): readonly string[] {
  return [
    '--codec',
    'mjpeg',
    '--timeout',
    '0',
    '--nopreview',
    '--flush',
    '--camera',
    String(number),
    ...(size === null ? [] : ['--width', String(size.width), '--height', String(size.height)]),
    ...(fps === null ? [] : ['--framerate', String(fps)]),
    ...(quality === null ? [] : ['--quality', String(Math.round(quality))]),
    ...inputArgs,
    '--output',
    '-',
  ];
}
