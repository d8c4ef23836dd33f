import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { findAnsweringServer } from '../../../gateway/cluster/answering-server.ts';

/** A server at `HOST:PORT` that answers new connections, or only accepts them. */
async function start(
  answers: boolean,
  host = '127.0.0.1',
): Promise<{ readonly at: string; readonly open: () => number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    if (answers) socket.write('INFO {}\r\n');
  });
  server.listen(0, host);
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { at: `${host.includes(':') ? `[${host}]` : host}:${port}`, open: () => sockets.size };
}

describe('findAnsweringServer', () => {
  it('finds the server that answers among those that hang, refuse, or do not exist', async () => {
    const [hanging, good, v6] = [await start(false), await start(true), await start(true, '::1')];
    expect(await findAnsweringServer([hanging.at, '127.0.0.1:1', 'no-such-host.invalid:4222', good.at])).toBe(good.at);
    expect(await findAnsweringServer([v6.at])).toBe(v6.at);
    await expect.poll(good.open).toBe(0);
  });

  it('finds none if all hang or refuse, and leaves no connection open', async () => {
    const hanging = await start(false);
    expect(await findAnsweringServer([hanging.at, '127.0.0.1:1'])).toBeNull();
    expect(await findAnsweringServer([])).toBeNull();
    await expect.poll(hanging.open).toBe(0);
  });
});
