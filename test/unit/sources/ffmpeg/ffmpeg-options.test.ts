import { describe, expect, it } from 'vitest';
import { FFMPEG_OPTIONS, parseFfmpegOptions } from '../../../../gateway/sources/ffmpeg/ffmpeg-options.ts';
import { parseInput } from '../../../../gateway/sources/ffmpeg/input.ts';
import { parseSourceUrl } from '../../../../gateway/config/source-url.ts';

function parse(url: string): ReturnType<typeof parseFfmpegOptions> {
  const { target, options } = parseSourceUrl(url, FFMPEG_OPTIONS);
  return parseFfmpegOptions(options, parseInput(target));
}

const NONE = {
  size: null,
  fps: null,
  quality: null,
  pixels: null,
  isLooped: false,
  format: null,
  inputArgs: [],
  outputArgs: [],
  hwaccel: null,
  filter: null,
  copy: null,
  isChecked: true,
};

describe('parseFfmpegOptions', () => {
  it.each([
    ['ffmpeg:a.mp4', NONE],
    ['ffmpeg:what?.mp4?', NONE],
    [
      'ffmpeg:camera?size=1280x720&fps=29.97&copy=true',
      { ...NONE, size: { width: 1280, height: 720 }, fps: 29.97, copy: true },
    ],
    ['ffmpeg:a.mp4?loop=true&quality=80', { ...NONE, isLooped: true, quality: 80 }],
    ['ffmpeg:a.mp4?pixels=gray16le&copy=false', { ...NONE, pixels: 'gray16le', copy: false }],
    ['ffmpeg:a.avi?check=false', { ...NONE, isChecked: false }],
    ['ffmpeg:rtsp://cam/s?channel=1?hwaccel=vaapi', { ...NONE, hwaccel: 'vaapi' }],
    [
      'ffmpeg:-f?format=rawvideo&inputArgs=-s+2x2+-pix_fmt "gray"&outputArgs=-frames:v 3',
      { ...NONE, format: 'rawvideo', inputArgs: ['-s', '2x2', '-pix_fmt', 'gray'], outputArgs: ['-frames:v', '3'] },
    ],
    ['ffmpeg:screen?filter=crop=iw/2:ih,hflip', { ...NONE, filter: 'crop=iw/2:ih,hflip' }],
    [
      'ffmpeg:picamera?size=640x480&fps=15&quality=70',
      { ...NONE, size: { width: 640, height: 480 }, fps: 15, quality: 70 },
    ],
  ])('reads %s', (url, options) => {
    expect(parse(url)).toEqual(options);
  });

  it.each([
    'ffmpeg:camera?sizes=1x1',
    'ffmpeg:camera?size=15x16',
    'ffmpeg:camera?size=16385x16',
    'ffmpeg:camera?fps=0',
    'ffmpeg:camera?quality=0',
    'ffmpeg:camera?quality=101',
    'ffmpeg:camera?pixels=rgb24',
    'ffmpeg:camera?copy=yes',
    'ffmpeg:camera?format=-i',
    'ffmpeg:camera?format=',
    'ffmpeg:camera?hwaccel=a b',
    'ffmpeg:camera?inputArgs=%27a',
    'ffmpeg:camera?filter=a%00b',
    'ffmpeg:camera?loop=true',
    'ffmpeg:lavfi:testsrc2?loop=true',
    'ffmpeg:a.mp4?pixels=gray&quality=50',
    'ffmpeg:a.avi?copy=true&pixels=gray',
    'ffmpeg:a.avi?copy=true&size=640x480',
    'ffmpeg:camera?copy=true&filter=hflip',
    'ffmpeg:picamera?pixels=bgr24',
    'ffmpeg:picamera?filter=hflip',
  ])('refuses %s', (url) => {
    expect(() => parse(url)).toThrow(expect.objectContaining({ code: 'source-invalid' }));
  });
});
