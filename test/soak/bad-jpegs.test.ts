import { describe, expect, it } from 'vitest';
import { createGateway } from '../../gateway/create-gateway.ts';
import { freePorts } from '../helpers/free-port.ts';
import { buildJpeg, createRandom, segment } from '../helpers/jpeg-builder.ts';
import { numberedJpegs } from '../helpers/media.ts';
import { PythonPeer } from '../helpers/peers.ts';

/** What ends a real client, and every browser shows at least in part. */
const FAULTS: readonly ((jpeg: Buffer) => Buffer)[] = [
  (jpeg) => Buffer.concat([jpeg.subarray(0, -2), Buffer.alloc(8), jpeg.subarray(-2)]),
  (jpeg) => Buffer.concat([jpeg.subarray(0, jpeg.byteLength * 0.6), jpeg.subarray(-2)]),
  (jpeg) => Buffer.concat([jpeg.subarray(0, -200), Buffer.of(0xff, 0xd3), jpeg.subarray(-200)]),
  (jpeg) => Buffer.concat([jpeg.subarray(0, 2), segment(0xe0, ...Buffer.from('JFIF\0'), 2, 1, 0, 0, 1, 0, 1, 0, 0), jpeg.subarray(20)]),
  () => buildJpeg({ width: 400, height: 120, sampling: [[2, 2], [2, 1], [1, 2]], random: createRandom(1) }),
];

const COUNT = 15;
const isBad = (index: number): boolean => index % 3 !== 2;
const whole = await numberedJpegs(COUNT);
const JPEGS = whole.map((jpeg, index) => (isBad(index) ? FAULTS[(index - Math.floor(index / 3)) % FAULTS.length]!(jpeg) : jpeg));

describe('JPEGs that end a real client, among good ones', () => {
  it('keeps a client alive that gets nothing else: the card, and then the last good one, is repeated', async () => {
    const [native = 0] = await freePorts(1);
    await using client = new PythonPeer('client.py', { port: native, height: 120, numbers: true });
    await using gateway = await createGateway({ port: 0 });
    const timer = setInterval(() => gateway.stream.push(JPEGS[0]!), 100);
    await using _stop = { [Symbol.asyncDispose]: async () => clearInterval(timer) };
    // Listed while there is nothing but bad frames.
    gateway.stream.addClient(`tcp://127.0.0.1:${native}`);
    await client.waitFor<{ count: number }>('progress', ({ count }) => count >= 1);
    await expect.poll(() => gateway.stream.clients[0]?.repeated, { timeout: 30_000 }).toBeGreaterThan(5);
    expect(gateway.stream.clients[0]).toMatchObject({ state: 'live', delivered: 0, reason: expect.stringContaining('cannot decode') as string });
    expect(client.isRunning).toBe(true);
    gateway.stream.push(JPEGS[2]!);
    await client.waitFor<{ n: number }>('number', ({ n }) => n === 2);
  });
});
