import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { Viewer } from '../helpers/viewer.ts';

describe('a NetGear_Async server', () => {
  it.each([0, 1, 2])('gives its frames to viewers, in pattern %i, and ends', async (pattern) => {
    const [port = 0] = await freePorts(1);
    await using gateway = await GatewayProcess.start('--source', `netgear-async:tcp://127.0.0.1:${port}?pattern=${pattern}`);
    await using viewer = await Viewer.connect(await gateway.url);
    await viewer.hello();
    viewer.want({ raw: true });
    await using server = new PythonPeer('async_server.py', { port, pattern, frames: 90 });
    const frame = await viewer.until('frame');
    expect(frame).toMatchObject({ width: 32, height: 24, message: null, encoding: { kind: 'raw', dtype: 'uint8', shape: [24, 32, 3] } });
    expect(new Set(frame.payload).size).toBe(1);
    await server.waitFor('done');
    const { counters } = await gateway.statusWhere('the end', ({ state }) => state === 'ended');
    expect(counters.rejected).toBe(0);
    if (pattern === 2) expect(counters.received).toBeGreaterThan(60);
    else expect(counters.received).toBe(90);
    // It waits for the answer to its termination.
    expect(await server.exited).toBe(0);
  });

  it.each([0, 1])('gets what viewers return, and its data reaches them, in pattern %i', async (pattern) => {
    const [port = 0] = await freePorts(1);
    await using gateway = await GatewayProcess.start('--source', `netgear-async:tcp://127.0.0.1:${port}?pattern=${pattern}`);
    await using viewer = await Viewer.connect(await gateway.url);
    await viewer.hello({ port: 6001 });
    expect(await viewer.return({ kind: 'value', value: { gripper: 'close', n: 3, x: 1.5 } })).toMatchObject({ accepted: true });
    await using server = new PythonPeer('async_server.py', { port, pattern, bidirectional: true, frames: 90 });
    expect(await viewer.until('frame')).toMatchObject({ message: { number: expect.any(Number) as unknown } });
    expect(await server.waitFor('returned', ({ data }: { data?: unknown }) => data !== null)).toMatchObject({ data: { 6001: { gripper: 'close', n: 3, x: 1.5 } } });
    await server.waitFor('done');
    expect((await gateway.status()).counters).toMatchObject({ received: 90, rejected: 0 });
  });

  it('may be of 16 bits, and may come back', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await GatewayProcess.start('--source', `netgear-async:tcp://127.0.0.1:${port}`);
    await using viewer = await Viewer.connect(await gateway.url);
    await viewer.hello();
    await using killed = new PythonPeer('async_server.py', { port, pattern: 0, frames: 900 });
    await viewer.until('frame');
    killed.signal('SIGKILL');
    await killed.exited;
    await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    await using server = new PythonPeer('async_server.py', { port, pattern: 0, frames: 60, dtype: 'uint16' });
    await server.waitFor('done');
    expect((await gateway.statusWhere('the end', ({ state }) => state === 'ended')).frame).toMatchObject({ encoding: 'uint16' });
  });
});
