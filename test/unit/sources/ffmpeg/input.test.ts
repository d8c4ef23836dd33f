import { describe, expect, it } from 'vitest';
import { parseInput } from '../../../../gateway/sources/ffmpeg/input.ts';

describe('parseInput', () => {
  it.each([
    ['camera', { kind: 'camera', name: null }],
    ['camera:', { kind: 'camera', name: null }],
    ['camera:1', { kind: 'camera', name: '1' }],
    ['camera:HD Pro Webcam: C920 "x"', { kind: 'camera', name: 'HD Pro Webcam: C920 "x"' }],
    ['/dev/video0', { kind: 'camera', name: '/dev/video0' }],
    [
      '/dev/v4l/by-id/usb-046d_C920-video-index0',
      { kind: 'camera', name: '/dev/v4l/by-id/usb-046d_C920-video-index0' },
    ],
    ['screen', { kind: 'screen', name: null }],
    ['screen::0.0+100,200', { kind: 'screen', name: ':0.0+100,200' }],
    ['picamera', { kind: 'pi-camera', number: 0 }],
    ['picamera:1', { kind: 'pi-camera', number: 1 }],
    ['lavfi:testsrc2=size=640x480:rate=24', { kind: 'filter-graph', graph: 'testsrc2=size=640x480:rate=24' }],
    [
      'rtsp://user:pass@cam.local:554/stream?channel=1',
      { kind: 'url', url: 'rtsp://user:pass@cam.local:554/stream?channel=1', scheme: 'rtsp' },
    ],
    ['HTTPS://cam/video.mjpg', { kind: 'url', url: 'https://cam/video.mjpg', scheme: 'https' }],
    ['udp://239.0.0.1:1234', { kind: 'url', url: 'udp://239.0.0.1:1234', scheme: 'udp' }],
    ['list.M3U', { kind: 'playlist', path: 'list.M3U', format: 'm3u' }],
    ['a/list.ffconcat', { kind: 'playlist', path: 'a/list.ffconcat', format: 'ffconcat' }],
    ['live.m3u8', { kind: 'file', path: 'live.m3u8' }],
    // Names that a shell, an option parser, a protocol or a pattern would interpret.
    ['-i', { kind: 'file', path: '-i' }],
    ['-f lavfi -i testsrc', { kind: 'file', path: '-f lavfi -i testsrc' }],
    ['a b; rm -rf $HOME `id` "q" \'s\' |&<>.mp4', { kind: 'file', path: 'a b; rm -rf $HOME `id` "q" \'s\' |&<>.mp4' }],
    ['concat:a.ts|b.ts', { kind: 'file', path: 'concat:a.ts|b.ts' }],
    ['file:x.mp4', { kind: 'file', path: 'file:x.mp4' }],
    ['http:x', { kind: 'file', path: 'http:x' }],
    ['C:\\Videos\\a.mp4', { kind: 'file', path: 'C:\\Videos\\a.mp4' }],
    ['my%20file+1.mp4', { kind: 'file', path: 'my%20file+1.mp4' }],
    ['Füße ☃ 視頻.mp4', { kind: 'file', path: 'Füße ☃ 視頻.mp4' }],
    ['./camera', { kind: 'file', path: './camera' }],
    ['cameras', { kind: 'file', path: 'cameras' }],
    ['/dev/video', { kind: 'file', path: '/dev/video' }],
    [' ', { kind: 'file', path: ' ' }],
  ])('reads %j', (place, input) => {
    expect(parseInput(place)).toEqual(input);
  });

  it.each([
    'rtsp://192.168.1.300/live',
    'RTSP://user:1.2.3.4@192.168.1.256:554/live',
    'http://1.2.3/video',
    'rtsp://[fe80::g]/live',
  ])('refuses the IP address in %s', (place) => {
    expect(() => parseInput(place)).toThrow(expect.objectContaining({ code: 'address-invalid' }));
  });

  it.each(['', 'lavfi:', 'lavfi', 'picamera:front', 'a\0.mp4', 'a\nb.mp4', 'a\rb', 'rtsp://cam/\n'])(
    'refuses %j',
    (place) => {
      expect(() => parseInput(place)).toThrow(expect.objectContaining({ code: 'source-invalid' }));
    },
  );
});
