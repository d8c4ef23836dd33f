import { describe, expect, it } from 'vitest';
import { createGateway } from '../../gateway/create-gateway.ts';
import { freePorts } from '../helpers/free-port.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { JPEGS } from '../helpers/bad-jpegs.ts';

describe('JPEGs that crash a real client, among valid ones', () => {
  it('keeps a client connected by repeating the placeholder, and then the last valid frame', async () => {
    const [native = 0] = await freePorts(1);
    await using client = new PythonPeer('client.py', { port: native, height: 120, numbers: true });
    await using gateway = await createGateway({ port: 0 });
    const timer = setInterval(() => gateway.stream.push(JPEGS[0]!), 100);
    await using _stop = { [Symbol.asyncDispose]: async () => clearInterval(timer) };
    // The client is listed while there are only invalid frames.
    gateway.stream.addClient(`tcp://127.0.0.1:${native}`);
    await client.waitFor<{ count: number }>('progress', ({ count }) => count >= 1);
    await expect.poll(() => gateway.stream.clients[0]?.repeated, { timeout: 30_000 }).toBeGreaterThan(5);
    expect(gateway.stream.clients[0]).toMatchObject({
      state: 'live',
      delivered: 0,
      reason: expect.stringContaining('cannot decode') as string,
    });
    expect(client.isRunning).toBe(true);
    gateway.stream.push(JPEGS[2]!);
    await client.waitFor<{ n: number }>('number', ({ n }) => n === 2);
  });
});
