import { describe, expect, it } from 'vitest';
import { parseAvfoundationDevices } from '../../../../gateway/sources/ffmpeg/devices/avfoundation-devices.ts';
import { hasSize, oneSize } from '../../../../gateway/sources/ffmpeg/devices/camera.ts';
import { formatCamera } from '../../../../gateway/sources/ffmpeg/devices/command.ts';
import { parseDshowDevices, parseDshowFormats } from '../../../../gateway/sources/ffmpeg/devices/dshow-cameras.ts';
import { parsePiCameras } from '../../../../gateway/sources/ffmpeg/devices/pi-cameras.ts';
import { parseInputDevices } from '../../../../gateway/sources/ffmpeg/devices/screens.ts';
import { parseV4l2Formats } from '../../../../gateway/sources/ffmpeg/devices/v4l2-cameras.ts';

describe('parseV4l2Formats', () => {
  it("reads FFmpeg's output for a webcam", () => {
    const text = [
      '[video4linux2,v4l2 @ 0x55a8f1d0c6c0] Compressed:       mjpeg :          Motion-JPEG : 1280x720 320x180 640x480',
      '[video4linux2,v4l2 @ 0x55a8f1d0c6c0] Compressed:        h264 :                H.264 : 640x480',
      '[video4linux2,v4l2 @ 0x55a8f1d0c6c0] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480 1280x720',
      '/dev/video0: Immediate exit requested',
    ].join('\n');
    expect(parseV4l2Formats(text)).toEqual([
      { name: 'mjpeg', isCompressed: true, sizes: [oneSize(1280, 720), oneSize(320, 180), oneSize(640, 480)] },
      { name: 'h264', isCompressed: true, sizes: [oneSize(640, 480)] },
      { name: 'yuyv422', isCompressed: false, sizes: [oneSize(640, 480), oneSize(1280, 720)] },
    ]);
  });

  it('reads ranges of sizes, emulated formats, and formats that FFmpeg does not support, as printed by FFmpeg 7', () => {
    const text = [
      '[in#0 @ 0x5587] Raw       :     yuv420p :     Planar YUV 4:2:0 : {32-2592, 2}x{32-1944, 2}',
      '[in#0 @ 0x5587] Raw       :       bgr24 :         24-bit BGR 8-8-8 : Emulated : 640x480',
      '[in#0 @ 0x5587] Raw       : Unsupported :    10-bit Bayer BGBG/GRGR : 640x480',
      '[in#0 @ 0x5587] Raw       :    gray16le :     16-bit Greyscale :',
      'Error opening input file /dev/video0.',
    ].join('\n');
    expect(parseV4l2Formats(text)).toEqual([
      {
        name: 'yuv420p',
        isCompressed: false,
        sizes: [
          {
            min: { width: 32, height: 32 },
            max: { width: 2592, height: 1944 },
            step: { width: 2, height: 2 },
            maxFps: null,
          },
        ],
      },
      { name: 'bgr24', isCompressed: false, sizes: [oneSize(640, 480)] },
      { name: 'gray16le', isCompressed: false, sizes: [] },
    ]);
  });

  it('finds no cameras in other output', () => {
    expect(
      parseV4l2Formats('[video4linux2,v4l2 @ 0x1] Not a video capture device.\n/dev/video1: No such device\n'),
    ).toEqual([]);
  });
});

describe('hasSize', () => {
  it.each([
    [640, 480, true],
    [32, 32, true],
    [2592, 1944, true],
    [2594, 1944, false],
    [30, 32, false],
    [641, 480, false],
  ])('%i×%i: %s', (width, height, expected) => {
    const sizes = [
      {
        min: { width: 32, height: 32 },
        max: { width: 2592, height: 1944 },
        step: { width: 2, height: 2 },
        maxFps: null,
      },
    ];
    expect(hasSize({ name: 'yuv420p', isCompressed: false, sizes }, { width, height })).toBe(expected);
  });
});

const ALTERNATIVE = '[dshow @ 000001eeef06b240]   Alternative name "@device_pnp_\\\\?\\usb#vid_13d3&pid_56a2"';

describe('parseDshowDevices', () => {
  it('reads the list of FFmpeg 5 and newer', () => {
    const text = [
      '[dshow @ 000001eeef06b240] "Integrated Camera" (video)',
      ALTERNATIVE,
      '[dshow @ 000001eeef06b240] "HD Webcam [Fixed] (2)" (video, audio)\r',
      ALTERNATIVE,
      '[dshow @ 000001eeef06b240] "Microphone (HyperX QuadCast)" (audio)',
      ALTERNATIVE,
      '[dshow @ 000001eeef06b240] "Nothing" (none)',
      '[in#0 @ 000001eeef06b080] Error opening input: Immediate exit requested',
      'Error opening input file dummy.',
    ].join('\n');
    expect(parseDshowDevices(text)).toEqual(['Integrated Camera', 'HD Webcam [Fixed] (2)']);
  });

  it('reads the list of FFmpeg 4', () => {
    const text = [
      '[dshow @ 00000000025eb4e0] DirectShow video devices (some may be both video and audio devices)',
      '[dshow @ 00000000025eb4e0]  "USB2.0 HD UVC WebCam"',
      ALTERNATIVE,
      '[dshow @ 00000000025eb4e0] DirectShow audio devices',
      '[dshow @ 00000000025eb4e0]  "麦克风 (Realtek High Definition Audio)"',
      ALTERNATIVE,
      'dummy: Immediate exit requested',
    ].join('\n');
    expect(parseDshowDevices(text)).toEqual(['USB2.0 HD UVC WebCam']);
  });
});

describe('parseDshowFormats', () => {
  it('reads each format and size once', () => {
    const text = [
      '[dshow @ 0000023d0186e480] DirectShow video device options (from video devices)',
      '[dshow @ 0000023d0186e480]  Pin "Capture" (alternative pin name "0")',
      '[dshow @ 0000023d0186e480]   vcodec=mjpeg  min s=1280x720 fps=5 max s=1280x720 fps=30',
      '[dshow @ 0000023d0186e480]   vcodec=mjpeg  min s=1280x720 fps=5 max s=1280x720 fps=30 (pc, bt470bg/bt709/unknown, center)',
      '[dshow @ 0000023d0186e480]   pixel_format=yuyv422  min s=640x480 fps=30 max s=640x480 fps=60.0002',
      '[dshow @ 0000023d0186e480]   vcodec=mjpeg  min s=320x240 fps=15 max s=640x480 fps=15',
    ].join('\n');
    expect(parseDshowFormats(text)).toEqual([
      {
        name: 'mjpeg',
        isCompressed: true,
        sizes: [
          oneSize(1280, 720, 30),
          {
            min: { width: 320, height: 240 },
            max: { width: 640, height: 480 },
            step: { width: 1, height: 1 },
            maxFps: 15,
          },
        ],
      },
      { name: 'yuyv422', isCompressed: false, sizes: [oneSize(640, 480, 60.0002)] },
    ]);
  });
});

describe('parseAvfoundationDevices', () => {
  it('reads cameras and screens, and skips microphones', () => {
    const text = [
      '[AVFoundation indev @ 0x7f8b1f504d80] AVFoundation video devices:',
      '[AVFoundation indev @ 0x7f8b1f504d80] [0] FaceTime HD Camera',
      '[AVFoundation indev @ 0x7f8b1f504d80] [1] Anna’s iPhone: Camera [2]',
      '[AVFoundation indev @ 0x7f8b1f504d80] [2] Capture screen 0',
      '[AVFoundation indev @ 0x7f8b1f504d80] AVFoundation audio devices:',
      '[AVFoundation indev @ 0x7f8b1f504d80] [0] Built-in Microphone',
      ': Input/output error',
    ].join('\n');
    expect(parseAvfoundationDevices(text)).toEqual([
      { kind: 'camera', number: 0, name: 'FaceTime HD Camera' },
      { kind: 'camera', number: 1, name: 'Anna’s iPhone: Camera [2]' },
      { kind: 'screen', number: 2, name: 'Capture screen 0' },
    ]);
  });
});

describe('parsePiCameras', () => {
  it('reads each camera with its modes', () => {
    const text = [
      'Available cameras',
      '-----------------',
      '0 : imx708 [4608x2592 10-bit RGGB] (/base/axi/pcie@120000/rp1/i2c@88000/imx708@1a)',
      "    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]",
      '                             4608x2592 [14.35 fps - (0, 0)/4608x2592 crop]',
      '1 : imx477 [4056x3040 12-bit RGGB] (/base/axi/pcie@120000/rp1/i2c@80000/imx477@1a)',
      "    Modes: 'SRGGB12_CSI2P' : 2028x1080 [50.03 fps - (0, 440)/4056x2160 crop]",
    ].join('\n');
    expect(parsePiCameras(text)).toEqual([
      {
        name: 'imx708',
        device: '0',
        formats: [
          { name: 'mjpeg', isCompressed: true, sizes: [oneSize(1536, 864, 120.13), oneSize(4608, 2592, 14.35)] },
        ],
      },
      {
        name: 'imx477',
        device: '1',
        formats: [{ name: 'mjpeg', isCompressed: true, sizes: [oneSize(2028, 1080, 50.03)] }],
      },
    ]);
  });

  it('finds none', () => {
    expect(parsePiCameras('No cameras available!\n')).toEqual([]);
  });
});

describe('parseInputDevices', () => {
  it('reads devices that support input', () => {
    const text = [
      'Devices:',
      ' D. = Demuxing supported',
      ' .E = Muxing supported',
      ' --',
      ' DE alsa            ALSA audio output',
      '  E caca            caca (color ASCII art) output device',
      ' D  lavfi           Libavfilter virtual input device',
      ' DE video4linux2,v4l2 Video4Linux2 output device',
      ' D  x11grab         X11 screen capture, using XCB',
      '',
    ].join('\n');
    expect([...parseInputDevices(text)]).toEqual(['alsa', 'lavfi', 'video4linux2', 'v4l2', 'x11grab']);
  });
});

describe('formatCamera', () => {
  it('shows the information needed to choose, and the command that shows the camera', () => {
    const formats = [
      {
        name: 'mjpeg',
        isCompressed: true,
        sizes: [oneSize(1280, 720, 30), oneSize(1280, 720, 30), oneSize(640, 480, 60.0002)],
      },
      { name: 'gray16le', isCompressed: false, sizes: [] },
    ];
    expect(formatCamera({ name: 'HD Webcam', device: '/dev/video0', formats }, 'ffmpeg:/dev/video0')).toBe(
      [
        '  HD Webcam (/dev/video0)',
        '    JPEG: 1280x720 (30 fps), 640x480 (60 fps)',
        '    gray16le: any size',
        '    --source "ffmpeg:/dev/video0"',
        '',
      ].join('\n'),
    );
  });
});
