import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jpegTurbo from '@julusian/jpeg-turbo';
import { describe, expect, it } from 'vitest';
import type { FrameMessage } from '../../shared/protocol.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { Child, killProgram, stopProgram } from '../helpers/child.ts';
import { blocks } from '../helpers/example-lines.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess, waitForStatus } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer, peers } from '../helpers/peers.ts';
import { Viewer } from '../helpers/viewer.ts';

/** A sender's report about a picture, or a client's report about a frame. */
interface Sent {
  readonly n: number;
  readonly sha1: string;
  readonly decoded: string;
}

const [WIDTH, HEIGHT] = [64, 48];

/** The gray value in the middle of a frame of any encoding. */
async function middle({ encoding, payload }: FrameMessage): Promise<number> {
  const at = (HEIGHT / 2) * WIDTH + WIDTH / 2;
  if (encoding.kind === 'raw') return payload[at * 3] ?? -1;
  const gray = Buffer.alloc(WIDTH * HEIGHT);
  await jpegTurbo.decompress(Buffer.from(payload), gray, { format: jpegTurbo.FORMAT_GRAY });
  return gray[at] ?? -1;
}

const stream = async (gateway: LocalGateway, name: string): Promise<StreamStatus> =>
  (await fetch(`${gateway.url}/api/streams/${name}`)).json() as Promise<StreamStatus>;

describe('imagezmq', () => {
  it.concurrent.each([
    ['REQ, JPEG', false, false],
    ['REQ, raw', false, true],
    ['PUB, JPEG', true, false],
    ['PUB, raw', true, true],
  ])('sends its pictures to viewers and native clients: %s', async (_name, publish, raw) => {
    const [port = 0, native = 0] = await freePorts(2);
    await using gateway = await LocalGateway.start(
      '--source',
      publish ? `imagezmq:tcp://127.0.0.1:${port}?pattern=publish-subscribe` : `imagezmq:tcp://127.0.0.1:${port}`,
      '--client',
      `tcp://127.0.0.1:${native}`,
    );
    await using client = new PythonPeer('marked_client.py', {
      port: native,
      pattern: 1,
      mark: 100,
      size: [HEIGHT, WIDTH],
    });
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    viewer.want({ raw: true });
    await using sender = new PythonPeer('imagezmq_sender.py', {
      port,
      publish,
      raw,
      name: 'kitchen',
      mark: 100,
      frames: 90,
    });
    const frame = await viewer.until('frame');
    viewer.ack(frame.sequence);
    expect(frame).toMatchObject({
      width: WIDTH,
      height: HEIGHT,
      message: 'kitchen',
      encoding: raw ? { kind: 'raw', dtype: 'uint8', shape: [HEIGHT, WIDTH, 3] } : { kind: 'jpeg' },
    });
    if (raw) expect([...frame.payload.subarray(0, 6)]).toEqual([1, 2, 3, 100, 100, 100]);
    else expect(Math.abs((await middle(frame)) - 100)).toBeLessThanOrEqual(2);
    await sender.waitFor('done');
    const { counters, source } = await gateway.status();
    expect(counters.rejected).toBe(0);
    expect(source.kind).toBe('imagezmq');
    // The first pictures of a publisher are lost before the gateway has subscribed.
    if (publish) expect(counters.received).toBeGreaterThan(30);
    else expect(counters.received).toBe(90);
    expect(
      await client.waitFor<{ marked: number; unmarked: number }>('progress', ({ marked }) => marked > 30),
    ).toMatchObject({ unmarked: 0 });
  });

  it.concurrent.each([
    ['REQ, JPEG', false, false],
    ['REQ, raw', false, true],
    ['PUB, JPEG', true, false],
    ['PUB, raw', true, true],
  ])('forwards its pictures unmodified: %s', async (_name, publish, raw) => {
    const [port = 0, native = 0] = await freePorts(2);
    const frames = 60;
    await using gateway = await LocalGateway.start(
      '--source',
      publish ? `imagezmq:tcp://127.0.0.1:${port}?pattern=publish-subscribe` : `imagezmq:tcp://127.0.0.1:${port}`,
      '--client',
      `tcp://127.0.0.1:${native}`,
    );
    await using client = new PythonPeer('client.py', { port: native, hash: true });
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    viewer.want({ raw: true });
    await gateway.statusWhere('a connected client', ({ clients }) =>
      clients.some(({ kind, state }) => kind === 'native' && state === 'live'),
    );
    await using sender = new PythonPeer('imagezmq_sender.py', { port, publish, raw, numbered: true, frames, fps: 20 });
    const seen: string[] = [];
    // The first pictures of a publisher are lost before the gateway has subscribed; only the last one is certain to
    // arrive.
    const hashes = (): Map<string, Sent> => new Map(sender.events<Sent>('sent').map((sent) => [sent.sha1, sent]));
    for (let last = -1; last < frames - 1;) {
      const frame = await viewer.until('frame');
      viewer.ack(frame.sequence);
      const sha1 = createHash('sha1').update(frame.payload).digest('hex');
      seen.push(sha1);
      await sender.waitFor<Sent>('sent', (sent) => sent.sha1 === sha1);
      last = hashes().get(sha1)!.n;
    }
    expect(new Set(seen).size).toBe(seen.length);
    await client.waitFor<Sent>('frame', ({ n }) => n === frames - 1);
    const decoded = new Map([...hashes().values()].map((sent) => [sent.n, sent.decoded]));
    const received = client.events<Sent>('frame');
    expect(received.length).toBeGreaterThan(10);
    expect(received.map(({ n, sha1 }) => [n, sha1])).toEqual(received.map(({ n }) => [n, decoded.get(n)]));
    expect((await gateway.status()).counters.rejected).toBe(0);
  });

  it('creates a stream for each listed sender, and reports another one', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start(
      '--source',
      `imagezmq:tcp://127.0.0.1:${port}?senders=kitchen,porch`,
    );
    const url = gateway.url;
    await using kitchen = await Viewer.connect(url, 'kitchen');
    await using porch = await Viewer.connect(url, 'porch');
    await Promise.all([kitchen.hello(), porch.hello()]);
    const marks = { kitchen: 60, porch: 180, attic: 240 };
    const senders = Object.entries(marks).map(
      ([name, mark]) => new PythonPeer('imagezmq_sender.py', { port, name, mark, frames: 60 }),
    );
    for (const [viewer, name] of [
      [kitchen, 'kitchen'],
      [porch, 'porch'],
    ] as const) {
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
    expect(gateway.log.filter((line) => line.includes('attic'))).toHaveLength(1);
    await Promise.all(senders.map((sender) => sender[Symbol.asyncDispose]()));
  });

  it('reports that two senders are in one stream', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start('--source', `imagezmq:tcp://127.0.0.1:${port}`);
    await using first = new PythonPeer('imagezmq_sender.py', { port, name: 'kitchen', mark: 60, frames: 300 });
    await using second = new PythonPeer('imagezmq_sender.py', { port, name: 'porch', mark: 180, frames: 300 });
    await Promise.all([first.waitFor('ready'), second.waitFor('ready')]);
    const { source } = await gateway.statusWhere('a message of both senders', ({ source: { state } }) =>
      state.includes('senders='),
    );
    expect(source.state).toBe(
      '2 senders connected; pictures of kitchen and porch alternate in this stream; use senders=kitchen,porch for one stream each',
    );
    expect(gateway.log.filter((line) => line.includes('alternate in this stream'))).toHaveLength(1);
  });

  it.concurrent.each([
    ['a sender that counts', ['1', '2', '3', '4', '5', '6', '7']],
    ['a sender that writes JSON', ['{"moving": true}', '{"moving": false}']],
    [
      'a sender with a text that changes occasionally',
      [...Array.from({ length: 10 }, () => 'motion'), ...Array.from({ length: 10 }, () => 'still')],
    ],
    ['a sender with numbers', [2.0, 3]],
  ])('reports no mixture for a single sender: %s', async (_name, messages) => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start('--source', `imagezmq:tcp://127.0.0.1:${port}`);
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await using sender = new PythonPeer('imagezmq_sender.py', { port, messages, frames: 101, fps: 200, pause_at: 100 });
    expect((await viewer.until('frame')).message).toBe(messages[0]);
    await sender.waitFor('paused');
    const { source, counters } = await gateway.status();
    expect(counters).toMatchObject({ received: 100, rejected: 0 });
    expect(source.state).toBe('1 sender connected');
    expect(gateway.log.join('\n')).not.toContain('take turns');
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'continues with the same sender after the gateway has ended by %s and restarted',
    async (signal) => {
      const [port = 0] = await freePorts(1);
      const gateway = await GatewayProcess.start('--source', `imagezmq:tcp://127.0.0.1:${port}`);
      // The gateway ends between two pictures: because of a limitation of imagezmq, a sender that waits for an answer
      // when its hub ends waits forever.
      await using sender = new PythonPeer('imagezmq_sender.py', { port, name: 'kitchen', frames: 60, pause_at: 30 });
      await sender.waitFor('paused');
      gateway.signal(signal);
      await gateway.exited;
      sender.stdin.write('go on\n');
      await using again = await GatewayProcess.start('--source', `imagezmq:tcp://127.0.0.1:${port}`);
      await sender.waitFor('done');
      expect((await again.status()).counters).toMatchObject({ received: 30, rejected: 0 });
    },
  );

  it('continues with the sender of the documentation, whose answer was lost when the gateway was killed', async () => {
    const [port = 0] = await freePorts(1);
    const folder = await mkdtemp(join(tmpdir(), 'gearway-docs-'));
    const [program = ''] = blocks('source-urls.md', 'python');
    await writeFile(join(folder, 'camera.py'), program.replace('5555', String(port)));
    try {
      await using gateway = await GatewayProcess.start('--source', `imagezmq:tcp://127.0.0.1:${port}`);
      await using sender = new Child(peers().python, [join(folder, 'camera.py')]);
      await waitForStatus(gateway, 'pictures', ({ counters }) => counters.received > 0);
      await stopProgram(gateway);
      await sender.stdout.waitFor('the lost answer', (line) => (line.startsWith('no answer') ? line : undefined));
      await killProgram(gateway);
      await using again = await GatewayProcess.start('--source', `imagezmq:tcp://127.0.0.1:${port}`);
      const { counters } = await waitForStatus(again, 'pictures', (status) => status.counters.received > 10);
      expect(counters.rejected).toBe(0);
      expect(sender.isRunning).toBe(true);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([false, true])('continues with a sender that was killed and restarted, publishing: %s', async (publish) => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start(
      '--source',
      publish ? `imagezmq:tcp://127.0.0.1:${port}?pattern=publish-subscribe` : `imagezmq:tcp://127.0.0.1:${port}`,
    );
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await using killed = new PythonPeer('imagezmq_sender.py', {
      port,
      publish,
      name: 'kitchen',
      mark: 60,
      frames: 3000,
    });
    await viewer.until('frame');
    killed.signal('SIGKILL');
    await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    await using back = new PythonPeer('imagezmq_sender.py', { port, publish, name: 'kitchen', mark: 60, frames: 3000 });
    const { source } = await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    expect(source).toMatchObject({ state: publish ? 'connected' : '1 sender connected', lastError: null, restarts: 0 });
    expect(back.isRunning).toBe(true);
  });
});
