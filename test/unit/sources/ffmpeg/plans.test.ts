import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseFormat } from '../../../../gateway/sources/ffmpeg/camera-plan.ts';
import { oneSize } from '../../../../gateway/sources/ffmpeg/devices/camera.ts';
import {
  FFMPEG_OPTIONS,
  type FfmpegOptions,
  parseFfmpegOptions,
} from '../../../../gateway/sources/ffmpeg/ffmpeg-options.ts';
import { FfmpegTools } from '../../../../gateway/sources/ffmpeg/ffmpeg-tools.ts';
import { parseInput } from '../../../../gateway/sources/ffmpeg/input.ts';
import { checkInput, planInput } from '../../../../gateway/sources/ffmpeg/input-plan.ts';
import type { InputPlan } from '../../../../gateway/sources/ffmpeg/plan.ts';
import { outputArgs, toQscale } from '../../../../gateway/sources/ffmpeg/output-args.ts';
import { piCameraArgs } from '../../../../gateway/sources/ffmpeg/pi-camera.ts';
import { parseMediaInfo, probeMedia, UNKNOWN_COLORS } from '../../../../gateway/sources/ffmpeg/probe-media.ts';
import type { RunResult } from '../../../../gateway/sources/ffmpeg/run-program.ts';
import { parseSourceUrl } from '../../../../gateway/config/source-url.ts';

const V5 = { major: 5, minor: 1 };
const V4 = { major: 4, minor: 4 };

/** A fake FFmpeg: error output by a part of the command line. */
class AnsweringTools extends FfmpegTools {
  readonly #answers: Readonly<Record<string, readonly string[]>>;

  constructor(platform: NodeJS.Platform, answers: Readonly<Record<string, readonly string[]>>) {
    super(platform);
    this.#answers = answers;
  }

  override run(command: string, args: readonly string[]): Promise<RunResult> {
    if (command === 'ffprobe')
      return Promise.resolve({
        end: { kind: 'exited', code: 0 },
        hasTimedOut: false,
        output: '{}',
        errorText: '',
        errorLines: [],
      });
    const line = [command, ...args].join(' ');
    const errorLines = Object.entries(this.#answers).find(([part]) => line.includes(part))?.[1] ?? [
      `unexpected: ${line}`,
    ];
    return Promise.resolve({
      end: { kind: 'exited', code: 1 },
      hasTimedOut: false,
      output: '',
      errorText: errorLines.join('\n'),
      errorLines,
    });
  }
}

/** The plan of an input. */
function plan(
  url: string,
  {
    platform = 'linux',
    version = V5,
    answers = {},
  }: { platform?: NodeJS.Platform; version?: typeof V5; answers?: Readonly<Record<string, readonly string[]>> } = {},
): Promise<InputPlan> {
  const { target, options } = parseSourceUrl(url, FFMPEG_OPTIONS);
  const input = parseInput(target);
  if (input.kind === 'pi-camera') throw new TypeError('FFmpeg does not read it');
  return planInput(input, parseFfmpegOptions(options, input), {
    tools: new AnsweringTools(platform, answers),
    version,
    signal: new AbortController().signal,
  });
}

function optionsOf(url: string): FfmpegOptions {
  const { target, options } = parseSourceUrl(url, FFMPEG_OPTIONS);
  return parseFfmpegOptions(options, parseInput(target));
}

describe('probeMedia', () => {
  it('reports the duration of the silence of an input', async () => {
    const tools = new FfmpegTools('linux');
    tools.run = () =>
      Promise.resolve({
        end: { kind: 'killed', signal: 'SIGKILL' },
        hasTimedOut: true,
        output: '',
        errorText: '',
        errorLines: [],
      });
    const probing = probeMedia(tools, {
      args: ['-i', 'rtsp://cam/'],
      input: null,
      signal: new AbortController().signal,
    });
    await expect(probing).rejects.toMatchObject({
      code: 'source-failed',
      message: expect.stringMatching(/ 12 s$/) as string,
    });
  });
});

describe('planInput', () => {
  it.each([
    ['ffmpeg:lavfi:testsrc2', {}, ['-re', '-f', 'lavfi', '-i', 'testsrc2']],
    ['ffmpeg:screen', {}, ['-f', 'x11grab', '-framerate', '30', '-i', '']],
    ['ffmpeg:screen::1.0?fps=10', {}, ['-f', 'x11grab', '-framerate', '10', '-i', ':1.0']],
    [
      'ffmpeg:screen:1',
      { platform: 'darwin' },
      ['-f', 'avfoundation', '-framerate', '30', '-capture_cursor', '1', '-i', 'Capture screen 1:none'],
    ],
    ['ffmpeg:screen', { platform: 'win32' }, ['-f', 'gdigrab', '-framerate', '30', '-i', 'desktop']],
    [
      'ffmpeg:screen:Notes - a "b"',
      { platform: 'win32' },
      ['-f', 'gdigrab', '-framerate', '30', '-i', 'title=Notes - a "b"'],
    ],
    [
      'ffmpeg:rtsp://cam/s?fps=0.5',
      {},
      [
        '-thread_type',
        'slice',
        '-flags',
        'low_delay',
        '-analyzeduration',
        '1000000',
        '-fpsprobesize',
        '0',
        '-rtsp_transport',
        'tcp',
        '-timeout',
        '9500000',
        '-i',
        'rtsp://cam/s',
      ],
    ],
    [
      'ffmpeg:rtsp://cam/s?copy=false',
      {},
      [
        '-thread_type',
        'slice',
        '-flags',
        'low_delay',
        '-analyzeduration',
        '1000000',
        '-fpsprobesize',
        '0',
        '-rtsp_transport',
        'tcp',
        '-timeout',
        '4500000',
        '-i',
        'rtsp://cam/s',
      ],
    ],
    [
      'ffmpeg:rtsp://cam/s?copy=false',
      { version: V4 },
      [
        '-thread_type',
        'slice',
        '-flags',
        'low_delay',
        '-analyzeduration',
        '1000000',
        '-fpsprobesize',
        '0',
        '-rtsp_transport',
        'tcp',
        '-stimeout',
        '4500000',
        '-i',
        'rtsp://cam/s',
      ],
    ],
    [
      'ffmpeg:udp://239.0.0.1:1234?pixels=gray',
      {},
      [
        '-thread_type',
        'slice',
        '-flags',
        'low_delay',
        '-analyzeduration',
        '1000000',
        '-fpsprobesize',
        '0',
        '-i',
        'udp://239.0.0.1:1234',
      ],
    ],
  ] as const)('%s %j', async (url, on, args) => {
    expect((await plan(url, on)).args).toEqual(args);
  });

  it.each([
    ['-i?copy=false', ['-re', '-i', 'file:-i']],
    [
      'a b;"c".mp4?quality=50&loop=true&hwaccel=auto&inputArgs=-ss 3',
      ['-re', '-stream_loop', '-1', '-hwaccel', 'auto', '-ss', '3', '-i', 'file:a b;"c".mp4'],
    ],
    ['100%d.jpg?copy=false', ['-re', '-f', 'image2', '-pattern_type', 'none', '-i', 'file:100%d.jpg']],
    ['100%d.mp4?copy=false', ['-re', '-i', 'file:100%d.mp4']],
    ['x?format=h264&copy=false', ['-re', '-f', 'h264', '-i', 'file:x']],
    [
      'a.ffconcat?copy=false',
      ['-re', '-f', 'concat', '-safe', '0', '-protocol_whitelist', 'file,pipe', '-i', 'file:a.ffconcat'],
    ],
  ])('of the file %s', async (url, args) => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-file-'));
    const { target } = parseSourceUrl(`ffmpeg:${url}`, FFMPEG_OPTIONS);
    await writeFile(join(folder, target), '');
    try {
      const { args: planned, ...rest } = await plan(`ffmpeg:${folder}/${url}`);
      expect(planned.map((each) => each.replace(`${folder}/`, ''))).toEqual(args);
      expect(rest).toMatchObject({ isLive: false, hasEnd: true, isCopied: false });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('does not inspect a named pipe, and waits for the next writer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-pipe-'));
    execFileSync('mkfifo', [join(folder, 'p')]);
    try {
      expect(await plan(`ffmpeg:${folder}/p?format=mjpeg`)).toMatchObject({
        args: ['-thread_type', 'slice', '-flags', 'low_delay', '-f', 'mjpeg', '-i', `file:${folder}/p`],
        isLive: true,
        hasEnd: false,
        isCopied: false,
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('detects inputs that end', async () => {
    expect(await plan('ffmpeg:lavfi:testsrc2')).toMatchObject({ isLive: false, hasEnd: true });
    expect(await plan('ffmpeg:rtsp://cam/s?copy=false')).toMatchObject({ isLive: true, hasEnd: false });
    expect(await plan('ffmpeg:screen')).toMatchObject({ isLive: true, hasEnd: false });
  });

  it('passes a playlist to FFmpeg as a list in a pipe, and HLS unmodified', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gearway-list-'));
    await writeFile(join(folder, "it's.m3u"), 'a b.mp4\n');
    await writeFile(join(folder, 'hls.m3u'), '#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\na.ts\n');
    try {
      expect(await plan(`ffmpeg:${folder}/it's.m3u?copy=false`)).toMatchObject({
        args: ['-re', '-f', 'concat', '-safe', '0', '-protocol_whitelist', 'file,pipe', '-i', 'pipe:0'],
        stdin: `ffconcat version 1.0\nfile 'file:${folder}/a b.mp4'\n`,
      });
      expect(await plan(`ffmpeg:${folder}/hls.m3u?copy=false`)).toMatchObject({
        args: ['-re', '-i', `file:${folder}/hls.m3u`],
        stdin: null,
      });
      await truncate(join(folder, "it's.m3u"), (4 << 20) + 1);
      await expect(plan(`ffmpeg:${folder}/it's.m3u`)).rejects.toMatchObject({
        code: 'source-invalid',
        message: 'the playlist has 4194305 bytes, expected at most 4194304',
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

/** FFmpeg's output for a webcam. */
const V4L2 = [
  '[video4linux2,v4l2 @ 0x55a8f1d0c6c0] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x480',
  '[video4linux2,v4l2 @ 0x55a8f1d0c6c0] Compressed:       mjpeg :          Motion-JPEG : 640x480 1280x720',
  '/dev/video0: Immediate exit requested',
];
const AVFOUNDATION = [
  '[AVFoundation indev @ 0x1] AVFoundation video devices:',
  '[AVFoundation indev @ 0x1] [0] FaceTime: HD',
  '[AVFoundation indev @ 0x1] [1] USB Camera',
  '[AVFoundation indev @ 0x1] [2] Capture screen 0',
  '[AVFoundation indev @ 0x1] AVFoundation audio devices:',
];
const DSHOW = {
  '-list_devices': [
    '[dshow @ 0x1] "Integrated Camera" (video)',
    '[dshow @ 0x1] "USB Camera" (video)',
    '[dshow @ 0x1] "Microphone" (audio)',
  ],
  'video=Integrated Camera': ['[dshow @ 0x1]   pixel_format=nv12  min s=640x480 fps=30 max s=640x480 fps=30'],
  'video=USB Camera': [
    '[dshow @ 0x1]   vcodec=mjpeg  min s=1280x720 fps=5 max s=1280x720 fps=30',
    '[dshow @ 0x1]   pixel_format=yuyv422  min s=640x480 fps=5 max s=640x480 fps=30',
  ],
};

describe('planCamera', () => {
  const prompt = ['-thread_type', 'slice', '-flags', 'low_delay'];

  it.each([
    [
      'ffmpeg:/dev/video0',
      {},
      [...prompt, '-f', 'v4l2', '-input_format', 'mjpeg', '-i', '/dev/video0'],
      { isCopied: true },
    ],
    [
      'ffmpeg:camera:2?size=1280x720&fps=30',
      {},
      [
        ...prompt,
        '-f',
        'v4l2',
        '-input_format',
        'mjpeg',
        '-video_size',
        '1280x720',
        '-framerate',
        '30',
        '-i',
        '/dev/video2',
      ],
      { isCopied: true, needsScaling: false, needsRateFilter: false },
    ],
    [
      'ffmpeg:/dev/video0?size=800x600',
      {},
      [...prompt, '-f', 'v4l2', '-video_size', '800x600', '-i', '/dev/video0'],
      { isCopied: false, needsScaling: true },
    ],
    [
      'ffmpeg:/dev/video0?pixels=bgr24&inputArgs=-ts abs',
      {},
      [...prompt, '-ts', 'abs', '-f', 'v4l2', '-i', '/dev/video0'],
      { isCopied: false },
    ],
    [
      'ffmpeg:camera',
      { platform: 'darwin' },
      [...prompt, '-f', 'avfoundation', '-framerate', '30', '-i', '0:none'],
      { isCopied: false },
    ],
    [
      'ffmpeg:camera:FaceTime: HD?fps=24&size=1280x720',
      { platform: 'darwin' },
      [...prompt, '-f', 'avfoundation', '-video_size', '1280x720', '-framerate', '24', '-i', '0:none'],
      { isCopied: false },
    ],
    [
      'ffmpeg:camera:1',
      { platform: 'darwin' },
      [...prompt, '-f', 'avfoundation', '-framerate', '30', '-i', '1:none'],
      { isCopied: false },
    ],
    [
      'ffmpeg:camera',
      { platform: 'win32' },
      [...prompt, '-f', 'dshow', '-i', 'video=Integrated Camera'],
      { isCopied: false },
    ],
    [
      'ffmpeg:camera:1?size=1280x720',
      { platform: 'win32' },
      [...prompt, '-f', 'dshow', '-vcodec', 'mjpeg', '-video_size', '1280x720', '-i', 'video=USB Camera'],
      { isCopied: true },
    ],
    [
      'ffmpeg:camera:USB Camera?pixels=gray',
      { platform: 'win32' },
      [...prompt, '-f', 'dshow', '-i', 'video=USB Camera'],
      { isCopied: false },
    ],
  ] as const)('%s %j', async (url, on, args, rest) => {
    const answers = { '-f v4l2 -list_formats': V4L2, '-f avfoundation -list_devices': AVFOUNDATION, ...DSHOW };
    expect(await plan(url, { ...on, answers })).toMatchObject({ args, isLive: true, hasEnd: false, ...rest });
  });

  it.each([
    [
      'ffmpeg:/dev/video9',
      'linux',
      [
        '[video4linux2,v4l2 @ 0x1] Cannot open video device /dev/video9: No such file or directory',
        '/dev/video9: No such file or directory',
      ],
      /no such camera/,
    ],
    [
      'ffmpeg:/dev/video0',
      'linux',
      [
        '[video4linux2,v4l2 @ 0x1] Cannot open video device /dev/video0: Permission denied',
        '/dev/video0: Permission denied',
      ],
      /usermod -aG video/,
    ],
    [
      'ffmpeg:/dev/video1',
      'linux',
      ['[video4linux2,v4l2 @ 0x1] Not a video capture device.', '/dev/video1: No such device'],
      /this device does not capture video/,
    ],
    ['ffmpeg:camera:Brio', 'darwin', AVFOUNDATION, /no camera "Brio" found; available: "FaceTime: HD", "USB Camera"/],
    [
      'ffmpeg:camera:Brio',
      'win32',
      DSHOW['-list_devices'],
      /no camera "Brio" found; available: "Integrated Camera", "USB Camera"/,
    ],
    ['ffmpeg:camera', 'win32', ['nothing'], /no camera found; available: none/],
  ] as const)('%s on %s reports why it cannot be captured', async (url, platform, lines, sentence) => {
    await expect(plan(url, { platform, answers: { ffmpeg: lines } })).rejects.toThrow(sentence);
  });
});

describe('checkInput', () => {
  it.each(['/nonexistent/a.mp4', '-i', `${tmpdir()}`, '/etc/hostname/x.m3u'])('refuses %s', async (path) => {
    await expect(checkInput(parseInput(path))).rejects.toMatchObject({ code: 'source-unavailable' });
  });

  it('does not check inputs that are not files', async () => {
    for (const target of ['camera', 'lavfi:x', 'rtsp://cam/'])
      await expect(checkInput(parseInput(target))).resolves.toBeUndefined();
  });
});

describe('outputArgs', () => {
  const live: InputPlan = {
    args: [],
    stdin: null,
    isLive: true,
    hasEnd: false,
    isCopied: false,
    needsScaling: true,
    needsRateFilter: true,
  };
  const chosen = ['-map', '0:V:0', '-an', '-sn', '-dn'];
  const multipart = ['-f', 'mpjpeg', '-boundary_tag', 'ffmpeg', 'pipe:1'];
  const numbered = ['settb=1/1000,setpts=N', '-enc_time_base', '1:1000'];
  const encoded = ['-c:v', 'mjpeg', '-thread_type', 'slice', '-q:v', '2', '-qmin', '1'];
  const filters = (args: readonly string[]): string => args[args.indexOf('-vf') + 1]!.replaceAll(/'[^']*'/g, '…');
  const square = 'scale=w=…:h=…';
  const squareLive = 'scale=eval=frame:w=…:h=…';
  const colours = ',setsar=1,scale=out_color_matrix=bt601:out_range=pc';
  const hd = { isUntaggedHd: true, conversion: { ispace: 'bt709', format: 'yuv420p' } } as const;
  const precise =
    'colorspace=ispace=bt709:iprimaries=bt709:itrc=bt709:space=smpte170m:primaries=bt709:trc=bt709:range=pc:format=yuv420p:fast=1';

  it.each([
    ['ffmpeg:rtsp://cam/', {}, `${squareLive}${colours}`],
    ['ffmpeg:a.mp4', { isLive: false }, `${square}${colours}`],
    ['ffmpeg:a.mp4', { isLive: false, colors: hd }, `setparams=colorspace=bt709,${square},setsar=1,${precise}`],
    [
      'ffmpeg:a.mp4?filter=hflip',
      { isLive: false, colors: hd },
      `setparams=colorspace=bt709,hflip,${square}${colours}`,
    ],
    ['ffmpeg:rtsp://cam/?size=640x480', {}, `scale=640:480${colours}`],
    ['ffmpeg:camera?size=640x480', { needsScaling: false }, `${squareLive}${colours}`],
    ['ffmpeg:a.mp4?fps=10&size=640x480&filter=hflip&pixels=bgr24', {}, 'hflip,fps=10,scale=640:480,setsar=1,vflip'],
    [
      'ffmpeg:camera?fps=10&size=640x480&pixels=gray',
      { needsScaling: false, needsRateFilter: false },
      `${squareLive},setsar=1`,
    ],
    ['ffmpeg:a.mkv?pixels=gray16le', { isLive: false }, `${square},setsar=1`],
  ] as const)('%s %j', (url, changed, expected) => {
    expect(filters(outputArgs(optionsOf(url), { ...live, ...changed }, V5))).toBe(`${expected},settb=1/1000,setpts=N`);
  });

  it.each([
    [
      'ffmpeg:a.mp4?size=64x48',
      {},
      V5,
      [
        ...chosen,
        '-fps_mode',
        'passthrough',
        '-vf',
        `scale=64:48${colours},${numbered[0]}`,
        ...numbered.slice(1),
        ...encoded,
        ...multipart,
      ],
    ],
    [
      'ffmpeg:a.mp4?size=64x48',
      {},
      V4,
      [
        ...chosen,
        '-vsync',
        'passthrough',
        '-vf',
        `scale=64:48${colours},${numbered[0]}`,
        ...numbered.slice(1),
        ...encoded,
        ...multipart,
      ],
    ],
    ['ffmpeg:a.mp4?outputArgs=-x 1', { isCopied: true }, V5, [...chosen, '-c:v', 'copy', '-x', '1', ...multipart]],
    [
      'ffmpeg:a.mp4?size=64x48&pixels=bgr24',
      {},
      V5,
      [
        ...chosen,
        '-fps_mode',
        'passthrough',
        '-vf',
        `scale=64:48,setsar=1,vflip,${numbered[0]}`,
        ...numbered.slice(1),
        '-c:v',
        'bmp',
        '-thread_type',
        'slice',
        '-pix_fmt',
        'bgr24',
        '-f',
        'image2pipe',
        'pipe:1',
      ],
    ],
    [
      'ffmpeg:a.mp4?size=64x48&pixels=gray16le',
      {},
      V5,
      [
        ...chosen,
        '-fps_mode',
        'passthrough',
        '-vf',
        `scale=64:48,setsar=1,${numbered[0]}`,
        ...numbered.slice(1),
        '-c:v',
        'pgm',
        '-thread_type',
        'slice',
        '-pix_fmt',
        'gray16be',
        '-f',
        'image2pipe',
        'pipe:1',
      ],
    ],
  ] as const)('%s %j', (url, changed, version, args) => {
    expect(outputArgs(optionsOf(url), { ...live, ...changed }, version)).toEqual(args);
  });
});

describe('toQscale', () => {
  it.each([
    [1, 31],
    [20, 31],
    [25, 25],
    [50, 12],
    [80, 5],
    [90, 2],
    [95, 1],
    [100, 1],
  ])('%i is %i', (quality, qscale) => {
    expect(toQscale(quality)).toBe(qscale);
  });
});

describe('chooseFormat', () => {
  const JPEG = { name: 'mjpeg', isCompressed: true, sizes: [oneSize(640, 480), oneSize(1280, 720)] };
  const YUYV = { name: 'yuyv422', isCompressed: false, sizes: [oneSize(640, 480)] };
  const Y16 = { name: 'gray16le', isCompressed: false, sizes: [oneSize(640, 480)] };
  const H264 = { name: 'h264', isCompressed: true, sizes: [oneSize(1920, 1080)] };

  it.each([
    ['camera', [YUYV, JPEG], { format: 'mjpeg', isCopied: true, hasSize: true }],
    ['camera?size=1280x720', [YUYV, JPEG], { format: 'mjpeg', isCopied: true, hasSize: true }],
    ['camera?size=1280x720&quality=50', [YUYV, JPEG], { format: 'mjpeg', isCopied: false, hasSize: true }],
    ['camera?copy=false', [YUYV, JPEG], { format: 'mjpeg', isCopied: false, hasSize: true }],
    ['camera?size=800x600', [YUYV, JPEG], { format: null, isCopied: false, hasSize: false }],
    ['camera', [YUYV, H264], { format: null, isCopied: false, hasSize: true }],
    ['camera?pixels=bgr24', [YUYV, JPEG], { format: null, isCopied: false, hasSize: true }],
    ['camera?pixels=bgr24&size=1280x720', [YUYV, JPEG], { format: 'mjpeg', isCopied: false, hasSize: true }],
    ['camera?pixels=gray16le', [YUYV, Y16, JPEG], { format: 'gray16le', isCopied: false, hasSize: true }],
    ['camera?size=640x480', [], { format: null, isCopied: false, hasSize: false }],
    ['camera', [], { format: null, isCopied: false, hasSize: true }],
  ])('%s', (place, formats, choice) => {
    expect(chooseFormat(formats, optionsOf(`ffmpeg:${place}`))).toEqual(choice);
  });

  it('refuses copy=true without JPEG', () => {
    expect(() => chooseFormat([YUYV], optionsOf('ffmpeg:camera?copy=true'))).toThrow(
      expect.objectContaining({ code: 'source-failed' }),
    );
  });
});

describe('piCameraArgs', () => {
  it('requests endless JPEGs', () => {
    expect(
      piCameraArgs(1, optionsOf('ffmpeg:picamera:1?size=1280x720&fps=25&quality=80&inputArgs=--rotation 180')),
    ).toEqual([
      '--codec',
      'mjpeg',
      '--timeout',
      '0',
      '--nopreview',
      '--flush',
      '--camera',
      '1',
      '--width',
      '1280',
      '--height',
      '720',
      '--framerate',
      '25',
      '--quality',
      '80',
      '--rotation',
      '180',
      '--output',
      '-',
    ]);
  });
});

describe('parseMediaInfo', () => {
  const tagged = (ispace: string, format: string): object => ({
    isUntaggedHd: false,
    conversion: { ispace, format },
  });
  const untagged = (format: string): object => ({ isUntaggedHd: true, conversion: { ispace: 'bt709', format } });
  const stream = (fields: object): string =>
    JSON.stringify({ streams: [{ codec_name: 'h264', pix_fmt: 'yuv420p', height: 1080, ...fields }], format: {} });

  it.each([
    ['{"programs":[],"streams":[{"codec_name":"mjpeg"}],"format":{}}', { codec: 'mjpeg', hasEnd: false }],
    [
      '{"programs":[],"streams":[{"codec_name":"h264"}],"format":{"duration":"10.000000"}}',
      { codec: 'h264', hasEnd: true },
    ],
    ['{"programs":[],"streams":[],"format":{"duration":"0.000000"}}', { codec: null, hasEnd: false }],
    ['{}', { codec: null, hasEnd: false }],
    [stream({ sample_aspect_ratio: '1:1' }), { hasSquarePixels: true }],
    [stream({ sample_aspect_ratio: '0:1' }), { hasSquarePixels: true }],
    [stream({ sample_aspect_ratio: '16:11' }), { hasSquarePixels: false }],
    [stream({}), { colors: untagged('yuv420p') }],
    [stream({ color_space: 'unknown', pix_fmt: 'yuvj420p' }), { colors: untagged('yuv420p') }],
    [stream({ pix_fmt: 'yuv422p10le' }), { colors: untagged('yuv422p') }],
    [stream({ pix_fmt: 'nv12' }), { colors: { isUntaggedHd: true, conversion: null } }],
    [stream({ pix_fmt: 'yuv444p', color_space: 'bt709', height: 64 }), { colors: tagged('bt709', 'yuv444p') }],
    [stream({ pix_fmt: 'yuv420p12le', color_space: 'bt2020nc' }), { colors: tagged('bt2020nc', 'yuv420p') }],
    [stream({ pix_fmt: 'yuva420p', color_space: 'bt709' }), { colors: UNKNOWN_COLORS }],
    [stream({ pix_fmt: 'yuv420p9le', color_space: 'bt709' }), { colors: UNKNOWN_COLORS }],
    [stream({ color_space: 'smpte170m' }), { colors: UNKNOWN_COLORS }],
    [stream({ height: 576 }), { colors: UNKNOWN_COLORS }],
    [stream({ pix_fmt: 'gbrp' }), { colors: UNKNOWN_COLORS }],
    [stream({ pix_fmt: 'gray' }), { colors: UNKNOWN_COLORS }],
    [stream({ codec_name: 'rawvideo' }), { colors: UNKNOWN_COLORS }],
    [stream({ codec_name: 'mjpeg' }), { colors: UNKNOWN_COLORS }],
  ])('%s', (json, info) => {
    expect(parseMediaInfo(json)).toMatchObject(info);
  });
});
