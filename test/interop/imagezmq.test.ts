import jpegTurbo from '@julusian/jpeg-turbo';
import { describe, expect, it } from 'vitest';
import type { FrameMessage } from '../../shared/protocol.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { Viewer } from '../helpers/viewer.ts';

const [WIDTH, HEIGHT] = [64, 48];

/** The gray in the middle of a frame, however it came. */
async function middle({ encoding, payload }: FrameMessage): Promise<number> {
  const at = (HEIGHT / 2) * WIDTH + WIDTH / 2;
  if (encoding.kind === 'raw') return payload[at * 3] ?? -1;
  const gray = Buffer.alloc(WIDTH * HEIGHT);
  await jpegTurbo.decompress(Buffer.from(payload), gray, { format: jpegTurbo.FORMAT_GRAY });
  return gray[at] ?? -1;
}

const stream = async (gateway: GatewayProcess, name: string): Promise<StreamStatus> => (await fetch(`${await gateway.url}/api/streams/${name}`)).json() as Promise<StreamStatus>;

describe('imagezmq', () => {
  it.each([
    ['REQ, JPEG', false, false],
    ['REQ, raw', false, true],
    ['PUB, JPEG', true, false],
    ['PUB, raw', true, true],
  ])('gives its pictures to viewers and native clients: %s', async (_name, publish, raw) => {
    const [port = 0, native = 0] = await freePorts(2);
    await using gateway = await GatewayProcess.start('--source', publish ? `imagezmq:tcp://127.0.0.1:${port}?pattern=publish-subscribe` : `imagezmq:tcp://127.0.0.1:${port}`, '--client', `tcp://127.0.0.1:${native}`);
    await using client = new PythonPeer('marked_client.py', { port: native, pattern: 1, mark: 100, size: [HEIGHT, WIDTH] });
    await using viewer = await Viewer.connect(await gateway.url);
    await viewer.hello();
    viewer.want({ raw: true });
    await using sender = new PythonPeer('imagezmq_sender.py', { port, publish, raw, name: 'kitchen', mark: 100, frames: 90 });
    const frame = await viewer.until('frame');
    viewer.ack(frame.sequence);
    expect(frame).toMatchObject({ width: WIDTH, height: HEIGHT, message: 'kitchen', encoding: raw ? { kind: 'raw', dtype: 'uint8', shape: [HEIGHT, WIDTH, 3] } : { kind: 'jpeg' } });
    if (raw) expect([...frame.payload.subarray(0, 6)]).toEqual([1, 2, 3, 100, 100, 100]);
    else expect(Math.abs((await middle(frame)) - 100)).toBeLessThanOrEqual(2);
    await sender.waitFor('done');
    const { counters, source } = await gateway.status();
    expect(counters.rejected).toBe(0);
    expect(source.kind).toBe('imagezmq');
    // A publisher's first pictures go by before anybody has subscribed.
    if (publish) expect(counters.received).toBeGreaterThan(30);
    else expect(counters.received).toBe(90);
    expect(await client.waitFor<{ marked: number; unmarked: number }>('progress', ({ marked }) => marked > 30)).toMatchObject({ unmarked: 0 });
  });

  it('has a stream for each sender that is named, and says that another comes', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await GatewayProcess.start('--source', `imagezmq:tcp://127.0.0.1:${port}?senders=kitchen,porch`);
    const url = await gateway.url;
    await using kitchen = await Viewer.connect(url, 'kitchen');
    await using porch = await Viewer.connect(url, 'porch');
    await Promise.all([kitchen.hello(), porch.hello()]);
    const marks = { kitchen: 60, porch: 180, attic: 240 };
    const senders = Object.entries(marks).map(([name, mark]) => new PythonPeer('imagezmq_sender.py', { port, name, mark, frames: 60 }));
    for (const [viewer, name] of [[kitchen, 'kitchen'], [porch, 'porch']] as const) {
      for (let n = 0; n < 20; n += 1) {
        const frame = await viewer.until('frame');
        viewer.ack(frame.sequence);
        expect(frame.message).toBe(name);
        expect(Math.abs((await middle(frame)) - marks[name])).toBeLessThanOrEqual(2);
      }
    }
    await Promise.all(senders.map((sender) => sender.waitFor('done')));
    expect((await stream(gateway, 'kitchen')).counters).toMatchObject({ received: 60, rejected: 0 });
    expect((await stream(gateway, 'porch')).counters).toMatchObject({ received: 60, rejected: 0 });
    expect(gateway.stderr.all.filter((line) => line.includes('attic'))).toHaveLength(1);
    await Promise.all(senders.map((sender) => sender[Symbol.asyncDispose]()));
  });

  it('says that two senders are in one stream', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await GatewayProcess.start('--source', `imagezmq:tcp://127.0.0.1:${port}`);
    await using first = new PythonPeer('imagezmq_sender.py', { port, name: 'kitchen', mark: 60, frames: 300 });
    await using second = new PythonPeer('imagezmq_sender.py', { port, name: 'porch', mark: 180, frames: 300 });
    await Promise.all([first.waitFor('ready'), second.waitFor('ready')]);
    const { source } = await gateway.statusWhere('a word of both', ({ source: { state } }) => state.includes('senders='));
    expect(source.state).toMatch(/^2 senders connected; 2 senders in one stream: a stream each with senders=(?:kitchen,porch|porch,kitchen)$/);
  });

  it('goes on with a sender that was killed and comes back, and with a hub that does', async () => {
    const [port = 0, http = 0] = await freePorts(2);
    const args = ['--port', String(http), '--source', `imagezmq:tcp://127.0.0.1:${port}`];
    const gateway = await GatewayProcess.start(...args);
    await using sender = new PythonPeer('imagezmq_sender.py', { port, name: 'kitchen', mark: 60, frames: 3000 });
    await gateway.statusWhere('frames', ({ counters }) => counters.received > 10);
    sender.signal('SIGKILL');
    await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    await using back = new PythonPeer('imagezmq_sender.py', { port, name: 'kitchen', mark: 60, frames: 3000 });
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    await gateway[Symbol.asyncDispose]();
    // A REQ that waits for an answer of a hub that has gone waits for ever: imagezmq's own limit. The next sender does not.
    await using again = await GatewayProcess.start(...args);
    back.signal('SIGKILL');
    await using next = new PythonPeer('imagezmq_sender.py', { port, name: 'kitchen', mark: 60, frames: 3000 });
    await again.statusWhere('a live stream', ({ state }) => state === 'live');
    expect(next.isRunning).toBe(true);
  });
});
