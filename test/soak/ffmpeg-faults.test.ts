import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { FrameRecorder, type RecordedFrame } from '../helpers/frame-recorder.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { isRunning } from '../helpers/is-running.ts';
import { Folder, numberedJpegs, programsOf } from '../helpers/media.ts';
import { PythonPeer } from '../helpers/peers.ts';

const sha1 = (data: Uint8Array): string => createHash('sha1').update(data).digest('hex');

/** Positions of frames in a repeated list; -1 for one that is not in it. */
function placesIn(list: readonly Buffer[], frames: readonly RecordedFrame[]): number[] {
  const known = list.map(sha1);
  return frames.map((frame) => known.indexOf(frame.sha1));
}

// Concurrent, because the tests mostly wait.
describe.concurrent('an FFmpeg', () => {
  it('that is killed is started again, and no viewer gets a broken picture', async () => {
    await using folder = await Folder.create();
    const jpegs = await numberedJpegs(50);
    const path = await folder.write('a.mjpeg', Buffer.concat(jpegs));
    const [port] = (await freePorts(1)) as [number];
    await using client = new PythonPeer('client.py', { port, height: 120 });
    await using gateway = await GatewayProcess.start(
      '--source',
      `ffmpeg:${path}?loop=true`,
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
    await using viewer = await FrameRecorder.open(await gateway.url);
    for (let time = 1; time <= 5; time += 1) {
      await viewer.take(viewer.frames.length + 30);
      const [pid] = await programsOf(gateway.process.pid!, 'ffmpeg');
      process.kill(pid!, 'SIGKILL');
      const { source } = await gateway.statusWhere(
        'another one',
        ({ state, source: { restarts } }) => restarts === time && state === 'live',
      );
      expect(source.lastError).toBe('ffmpeg was killed by SIGKILL');
    }
    await viewer.take(viewer.frames.length + 30);
    expect(placesIn(jpegs, viewer.frames)).not.toContain(-1);
    expect(client.isRunning).toBe(true);
    expect((await gateway.status()).counters.rejected).toBe(0);
  });

  it('that is suspended is started again after 5 s, and viewers get the reason', async () => {
    await using gateway = await GatewayProcess.start('--source', 'ffmpeg:lavfi:testsrc2=size=320x240:rate=30');
    await using viewer = await FrameRecorder.open(await gateway.url);
    await viewer.take(30);
    const [pid] = await programsOf(gateway.process.pid!, 'ffmpeg');
    process.kill(pid!, 'SIGSTOP');
    const stoppedAtMs = performance.now();
    await gateway.statusWhere('another one', ({ state, source: { restarts } }) => restarts === 1 && state === 'live');
    expect(performance.now() - stoppedAtMs).toBeGreaterThan(4000);
    expect(isRunning(pid!)).toBe(false);
    await viewer.take(viewer.frames.length + 30);
    expect(viewer.states.join('\n')).toContain('no frame for 5 s');
  });

  it('that prints endlessly does not increase the use of memory, and its pictures arrive', async () => {
    await using gateway = await GatewayProcess.start(
      '--source',
      'ffmpeg:lavfi:testsrc2=size=320x240:rate=30?inputArgs=-loglevel trace',
    );
    await using viewer = await FrameRecorder.open(await gateway.url);
    const memory = async (): Promise<number> =>
      Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${gateway.process.pid}/status`, 'utf8'))?.[1]);
    await viewer.take(100);
    const before = await memory();
    await viewer.take(400);
    expect((await memory()) - before).toBeLessThan(40_000);
    expect(await gateway.status()).toMatchObject({ source: { restarts: 0 } });
    expect(gateway.stderr.all.length).toBeLessThan(20);
  });
});
