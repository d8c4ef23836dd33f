import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';

const PICTURE = { height: 240, width: 400 };
const FRAMES = 40;

interface Size {
  readonly width: number;
  readonly height: number;
  readonly message: unknown;
}

async function temporaryFile(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'gearway-video-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, name);
}

/** A VidGear program that opens a `cv2.VideoWriter` with the size of its first frame. */
describe('a program that opens its video file by the first frame', () => {
  it('writes a readable video when it is started before its server', async () => {
    const [source, port] = (await freePorts(2)) as [number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${port}?pattern=1`,
    );
    await using writer = new PythonPeer('video_writer.py', {
      port,
      file: await temporaryFile('before.avi'),
      frames: FRAMES,
    });
    await gateway.statusWhere(
      'a connected client',
      ({ state, clients }) => state === 'waiting' && clients[0]?.state === 'live',
    );
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 600, ...PICTURE });
    const done = await writer.waitFor<{ received: number; count: number; shape: number[] }>('done');
    expect(done.received).toBe(FRAMES);
    expect(done.count).toBeGreaterThanOrEqual(FRAMES);
    expect(done.shape).toEqual([PICTURE.height, PICTURE.width, 3]);
    expect(writer.events<Size>('size')).toHaveLength(1);
    expect(server.isRunning).toBe(true);
  });

  it('gets a placeholder in the size of the stream when it is started while the server is down', async () => {
    const [source, port] = (await freePorts(2)) as [number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${port}?pattern=1`,
    );
    {
      await using _server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 20, ...PICTURE });
      // The server announces the end of the stream after it has printed `done`, and must not be killed before that.
      await gateway.statusWhere('a stream that has ended', ({ state }) => state === 'ended');
    }
    await using writer = new PythonPeer('video_writer.py', {
      port,
      file: await temporaryFile('away.avi'),
      frames: FRAMES,
    });
    await writer.waitFor('size');
    await using _server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 600, ...PICTURE });
    const done = await writer.waitFor<{ received: number; shape: number[] }>('done');
    expect(done).toMatchObject({ received: FRAMES, shape: [PICTURE.height, PICTURE.width, 3] });
    expect(writer.events<Size>('size')).toMatchObject([PICTURE]);
  });
});
