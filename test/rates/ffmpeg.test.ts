import { describe, expect, it } from 'vitest';
import { FrameRecorder, type RecordedFrame } from '../helpers/frame-recorder.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { withinAttempts } from '../helpers/within-attempts.ts';
import { ffmpeg, Folder, numberedJpegs, programsOf } from '../helpers/media.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { RtspCamera } from '../helpers/rtsp-camera.ts';

/** Frames per second, over all received frames. */
function rateOf(frames: readonly RecordedFrame[]): number {
  const [first, last] = [frames[0]!, frames.at(-1)!];
  return ((last.sequence - first.sequence) * 1000) / (last.atMs - first.atMs);
}

// Concurrently, because they mostly wait for frames.
describe.concurrent('a file', () => {
  it.for([
    ['24', 24],
    ['60000/1001', 59.94],
  ] as const)('of H.264 at %s fps keeps its rate within 1 %, looped', async ([rate, expected], { expect }) => {
    await using folder = await Folder.create();
    await ffmpeg(
      '-f',
      'lavfi',
      '-i',
      `testsrc2=size=640x360:rate=${rate}`,
      '-f',
      'lavfi',
      '-i',
      'sine',
      '-t',
      '2',
      '-c:v',
      'libx264',
      '-bf',
      '2',
      '-pix_fmt',
      'yuv420p',
      folder.file('a.mp4'),
    );
    await using gateway = await GatewayProcess.start('--source', `ffmpeg:${folder.file('a.mp4')}?loop=true`);
    await using viewer = await FrameRecorder.open(await gateway.url);
    // The first frames arrive as fast as FFmpeg can send them.
    await viewer.take(60);
    await withinAttempts(
      async () => {
        const from = viewer.frames.length;
        await viewer.take(from + Math.round(expected * 8));
        return rateOf(viewer.frames.slice(from));
      },
      (measured) => expect(Math.abs(measured / expected - 1)).toBeLessThan(0.01),
    );
    expect(viewer.frames[0]).toMatchObject({ width: 640, height: 360, encoding: { kind: 'jpeg' } });
    expect(await gateway.status()).toMatchObject({
      state: 'live',
      source: { kind: 'ffmpeg', state: 'running', lastError: null, restarts: 0 },
      counters: { rejected: 0 },
    });
  });

  it('is encoded if an option requires it', async ({ expect }) => {
    await using folder = await Folder.create();
    const path = await folder.write('a.mjpeg', Buffer.concat(await numberedJpegs(50)));
    await using gateway = await GatewayProcess.start(
      '--source',
      `ffmpeg:${path}?loop=true&size=320x96&fps=50&quality=30&filter=hflip`,
    );
    await using viewer = await FrameRecorder.open(await gateway.url);
    const frames = await viewer.take(100);
    expect(frames.every(({ width, height }) => width === 320 && height === 96)).toBe(true);
    await withinAttempts(
      async () => {
        const from = viewer.frames.length;
        await viewer.take(from + 250);
        return rateOf(viewer.frames.slice(from));
      },
      (rate) => expect(Math.abs(rate / 50 - 1)).toBeLessThan(0.02),
    );
  });
});

describe('lavfi', () => {
  it('on demand: shows its first picture within a second of the first viewer, and is closed again', async () => {
    await using gateway = await GatewayProcess.start(
      '--source',
      'ffmpeg:lavfi:testsrc2=size=640x480:rate=30?onDemand=true',
    );
    await gateway.statusWhere('sleep', ({ source }) => source.state === 'asleep');
    expect(await programsOf(gateway.process.pid!, 'ffmpeg')).toEqual([]);
    await withinAttempts(
      async () => {
        const fromMs = performance.now();
        await using viewer = await FrameRecorder.open(await gateway.url);
        await viewer.take(1);
        const tookMs = performance.now() - fromMs;
        await viewer[Symbol.asyncDispose]();
        await gateway.statusWhere('sleep', ({ source }) => source.state === 'asleep', 6000);
        expect(await programsOf(gateway.process.pid!, 'ffmpeg')).toEqual([]);
        return tookMs;
      },
      (tookMs) => expect(tookMs).toBeLessThan(1000),
    );
  });
});

describe.concurrent('RTSP', () => {
  it.for(['h264', 'jpeg'])('of %s reaches a real client and a viewer at its rate', async (kind, { expect }) => {
    await using camera = new RtspCamera();
    const [port] = (await freePorts(1)) as [number];
    await using client = new PythonPeer('client.py', { port });
    await using gateway = await GatewayProcess.start(
      '--source',
      `ffmpeg:rtsp://${await camera.address()}/${kind}`,
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
    await using viewer = await FrameRecorder.open(await gateway.url);
    await viewer.take(60);
    await withinAttempts(
      async () => {
        const from = viewer.frames.length;
        await viewer.take(from + 150);
        return rateOf(viewer.frames.slice(from));
      },
      (rate) => expect(Math.abs(rate / 30 - 1)).toBeLessThan(0.02),
    );
    await client.waitFor<ClientReport>('progress', ({ count }) => count > 60);
    expect(await gateway.status()).toMatchObject({
      frame: { width: 640, height: 480, encoding: 'jpeg' },
      counters: { rejected: 0 },
      source: { lastError: null, restarts: 0 },
    });
  });
});
