import { describe, expect, it } from 'vitest';
import { explainFailure } from '../../../../gateway/sources/ffmpeg/explain-failure.ts';

/** Messages as printed by FFmpeg 5.1 and 7.0. */
const PRINTED: readonly (readonly [message: string, lines: readonly string[]])[] = [
  [
    'nothing is listening at this address (ffmpeg: Connection to tcp://127.0.0.1:1?timeout=4500000 failed: Connection refused)',
    [
      '[tcp @ 0x55d0] Connection to tcp://127.0.0.1:1?timeout=4500000 failed: Connection refused',
      'rtsp://127.0.0.1:1/: Connection refused',
    ].slice(0, 1),
  ],
  [
    'wrong or missing user name and password: rtsp://USER:PASSWORD@HOST/… (ffmpeg: method DESCRIBE failed: 401 Unauthorized)',
    ['[rtsp @ 0x55d0] method DESCRIBE failed: 401 Unauthorized'],
  ],
  [
    'the server does not support TCP; use UDP: inputArgs=-rtsp_transport udp (ffmpeg: method SETUP failed: 461 Unsupported Transport)',
    [
      '[rtsp @ 0x55c497f56240] method SETUP failed: 461 Unsupported Transport',
      'rtsp://127.0.0.1:26554/s: Protocol not supported',
    ],
  ],
  [
    'the server does not respond, or not with RTSP (ffmpeg: rtsp://127.0.0.1:18777/x: Invalid data found when processing input)',
    ['rtsp://127.0.0.1:18777/x: Invalid data found when processing input'],
  ],
  [
    'the server has no stream at this path (ffmpeg: HTTP error 404 Not Found)',
    ['[http @ 0x5581] HTTP error 404 Not Found', 'http://127.0.0.1:8080/x: Server returned 404 Not Found'].slice(0, 1),
  ],
  [
    'unknown host name (ffmpeg: Failed to resolve hostname cam.invalid: Name or service not known)',
    [
      '[tcp @ 0x5581] Failed to resolve hostname cam.invalid: Name or service not known',
      'rtsp://cam.invalid/: Input/output error',
    ],
  ],
  [
    'the server no longer responds (ffmpeg: rtsp://10.0.0.1/: Connection timed out)',
    ['rtsp://10.0.0.1/: Connection timed out'],
  ],
  [
    'the camera is busy: another program uses it (ffmpeg: ioctl(VIDIOC_STREAMON): Device or resource busy)',
    [
      '[video4linux2,v4l2 @ 0x5581] ioctl(VIDIOC_STREAMON): Device or resource busy',
      '/dev/video0: Device or resource busy',
    ].slice(0, 1),
  ],
  [
    'no such camera, or it was unplugged (ffmpeg: Cannot open video device /dev/video9: No such file or directory)',
    [
      '[video4linux2,v4l2 @ 0x5581] Cannot open video device /dev/video9: No such file or directory',
      '/dev/video9: No such file or directory',
    ],
  ],
  [
    'no such camera, or it was unplugged (ffmpeg: ioctl(VIDIOC_DQBUF): No such device)',
    ['[video4linux2,v4l2 @ 0x5581] ioctl(VIDIOC_DQBUF): No such device'],
  ],
  [
    'the input is damaged, or in a format that FFmpeg cannot read (ffmpeg: file:a.txt: Invalid data found when processing input)',
    ['file:a.txt: Invalid data found when processing input'],
  ],
  [
    "the input contains no video (ffmpeg: Stream map '0:V:0' matches no streams.)",
    ["Stream map '0:V:0' matches no streams.", "To ignore this, add a trailing '?' to the map."],
  ],
  [
    "FFmpeg does not accept an option (ffmpeg: Unrecognized option 'nonsense'.)",
    ["Unrecognized option 'nonsense'.", 'Error splitting the argument list: Option not found'].slice(0, 1),
  ],
  [
    "FFmpeg's reader refuses this camera's MJPEG; add format=mjpeg (ffmpeg: Unexpected Content-Type : image/jpg)",
    [
      '[mpjpeg @ 0x55c0] Unexpected Content-Type : image/jpg',
      "[mpjpeg @ 0x55c0] Expected boundary '--' not found, instead found a line of 21 bytes",
      'Error initializing output stream 0:0 -- ',
      'Conversion failed!',
    ],
  ],
  [
    "FFmpeg's reader refuses this camera's MJPEG; add format=mjpeg (ffmpeg: Expected boundary '--cam' not found, instead found a line of 4 bytes)",
    [
      "[mpjpeg @ 0x55c0] Expected boundary '--cam' not found, instead found a line of 4 bytes",
      'http://127.0.0.1:8099/: Invalid data found when processing input',
    ],
  ],
  [
    "this FFmpeg does not support the format or device (ffmpeg: Unknown input format: 'nonsense')",
    ["Unknown input format: 'nonsense'"],
  ],
];

describe('explainFailure', () => {
  it.each(PRINTED)('%s', (message, lines) => {
    const error = explainFailure('ffmpeg', { kind: 'exited', code: 1 }, ['[h264 @ 0x1] something before', ...lines]);
    expect(error.code).toBe('source-failed');
    expect(error.message).toBe(message);
  });

  it('reports the exit status if the lines contain no known error', () => {
    expect(explainFailure('ffmpeg', { kind: 'exited', code: 69 }, ['[x @ 0x1] [y @ 0x2] a riddle']).message).toBe(
      'ffmpeg exited with code 69 (a riddle)',
    );
    expect(
      explainFailure('ffmpeg', { kind: 'exited', code: 1 }, [
        '[x @ 0x1] the cause',
        '[vost#0:0 @ 0x2] Error initializing output stream 0:0 -- ',
        'Conversion failed!',
      ]).message,
    ).toBe('ffmpeg exited with code 1 (the cause)');
    expect(explainFailure('ffmpeg', { kind: 'exited', code: 1 }, ['Conversion failed!']).message).toBe(
      'ffmpeg exited with code 1 (Conversion failed!)',
    );
    expect(explainFailure('ffmpeg', { kind: 'killed', signal: 'SIGKILL' }, []).message).toBe(
      'ffmpeg was killed by SIGKILL',
    );
  });

  it('reports a missing program', () => {
    expect(explainFailure('rpicam-vid', { kind: 'missing' }, [])).toMatchObject({
      code: 'ffmpeg-missing',
      message: 'rpicam-vid is not installed, or not in the PATH',
    });
  });
});
