import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ClientConnection } from '../../gateway/netgear/client-connection.ts';
import { freePorts } from '../helpers/free-port.ts';

describe('ClientConnection.reset', () => {
  it('makes one connection, also when the next attempt was due anyhow', async () => {
    const [port] = (await freePorts(1)) as [number];
    const open = new Set<Socket>();
    let isRude = true;
    const server = createServer((socket) => {
      // ZeroMQ resets what it throws away.
      socket.on('error', () => {});
      if (isRude) socket.end();
      else open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.resume();
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    let tell: () => void = () => {};
    const refused = new Promise<void>((resolve) => (tell = resolve));
    const connection = new ClientConnection({ endpoint: `tcp://127.0.0.1:${port}`, pattern: 'request-reply', security: null }, {
      changed: (state) => {
        if (state === 'refused') tell();
      },
      replied: () => {},
      failed: () => {},
    });
    await refused;
    isRude = false;
    // An attempt is due within a second.
    connection.reset();
    await expect.poll(() => open.size).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(open.size).toBe(1);
    connection.close();
    await expect.poll(() => open.size).toBe(0);
    await new Promise((resolve) => server.close(resolve));
  });
});
