import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { probe } from '../../../gateway/probe/probe.ts';

/** ZMTP 3.0, mechanism NULL, without any information about the socket. */
const GREETING = Buffer.alloc(64);
GREETING[0] = 0xff;
GREETING[9] = 0x7f;
GREETING[10] = 3;
GREETING.write('NULL', 12);

describe('probe', () => {
  it('reports a ZeroMQ socket that closes the connection during the handshake', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(GREETING);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const texts: string[] = [];
    const isGood = await probe(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`, 1, ({ text }) =>
      texts.push(text),
    );
    server.close();
    expect(isGood).toBe(false);
    expect(texts.at(-1)).toContain('closes the connection during the handshake');
    expect(texts.join()).not.toMatch(/undefined|null|NaN/);
  }, 60_000);
});
