import { createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { CHECK_MS, chooseServer, cut, SilentServerWatch } from '../../../gateway/cluster/silent-server.ts';

/** A connection to a server that answers pings, or is silent. */
class Connection {
  bytes = 0;
  answers = true;
  /** Whether a server answers on a new connection. */
  isReachable = true;
  pings = 0;
  cuts = 0;
  reports = 0;
  findServer = (): Promise<boolean> => Promise.resolve(this.isReachable);
  readonly watch = new SilentServerWatch({
    receivedBytes: () => this.bytes,
    ping: () => {
      this.pings += 1;
      return this.answers ? Promise.resolve() : new Promise(() => undefined);
    },
    findServer: () => this.findServer(),
    noServer: () => {
      this.reports += 1;
    },
    cut: () => {
      this.cuts += 1;
    },
  });

  /** @returns the time until the connection is cut. */
  async timeUntilCut(): Promise<number> {
    const before = this.cuts;
    for (let ms = 0; ms < 20_000; ms += 50) {
      if (this.cuts > before) return ms;
      await vi.advanceTimersByTimeAsync(50);
    }
    throw new Error('the connection was not cut');
  }
}

let connection: Connection;

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  connection = new Connection();
  connection.watch.start();
});

describe('SilentServerWatch', () => {
  it('cuts the connection to a server that has become silent, once and within 1.25 s', async () => {
    await vi.advanceTimersByTimeAsync(60_100);
    expect(connection.cuts).toBe(0);
    expect(connection.pings).toBeGreaterThan(200);
    connection.answers = false;
    const ms = await connection.timeUntilCut();
    expect(ms).toBeGreaterThanOrEqual(1000);
    expect(ms).toBeLessThanOrEqual(1300);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connection.cuts).toBe(1);
  });

  it('does not cut it while data arrives, although the answers wait behind it', async () => {
    connection.answers = false;
    for (let count = 0; count < 100; count += 1) {
      await vi.advanceTimersByTimeAsync(900);
      connection.bytes += 1;
    }
    expect(connection.cuts).toBe(0);
  });

  it('keeps it while no server answers on a new connection, reports that once, and cuts it when one does', async () => {
    connection.answers = false;
    connection.isReachable = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([connection.cuts, connection.reports]).toEqual([0, 1]);
    // The server was only busy.
    connection.answers = true;
    await vi.advanceTimersByTimeAsync(1000);
    connection.isReachable = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([connection.cuts, connection.reports]).toEqual([0, 1]);
    connection.answers = false;
    connection.isReachable = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([connection.cuts, connection.reports]).toEqual([0, 2]);
    connection.isReachable = true;
    expect(await connection.timeUntilCut()).toBeLessThanOrEqual(550);
  });

  it.each([900, 1100, 1600, 2300, 5100])(
    'keeps a server that was busy for %d ms, and then answers on this connection and on new ones at the same time',
    async (busyMs) => {
      let answer: (() => void)[] = [];
      connection.findServer = () => new Promise((resolve) => answer.push(() => resolve(true)));
      await vi.advanceTimersByTimeAsync(130);
      connection.answers = false;
      await vi.advanceTimersByTimeAsync(busyMs);
      for (let turn = 0; turn < 20; turn += 1) {
        // The new connections are answered first.
        for (const resolve of answer.splice(0)) resolve();
        await Promise.resolve();
      }
      connection.answers = true;
      connection.bytes += 6;
      await vi.advanceTimersByTimeAsync(5000);
      answer = [];
      expect(connection.cuts).toBe(0);
    },
  );

  it('ignores a server that answers after the connection was lost, or has been restored', async () => {
    let answer: (isFound: boolean) => void = () => undefined;
    connection.findServer = () => new Promise((resolve) => (answer = resolve));
    connection.answers = false;
    await vi.advanceTimersByTimeAsync(1300);
    const late = answer;
    connection.watch.start();
    late(true);
    await vi.advanceTimersByTimeAsync(500);
    expect(connection.cuts).toBe(0);
  });

  it('counts checks, not time: one check after a pause of the gateway', async () => {
    await vi.advanceTimersByTimeAsync(10_000);
    connection.answers = false;
    // The gateway was suspended: one timer is due, and the answer is read after it.
    vi.setSystemTime(Date.now() + 60_000);
    await vi.advanceTimersByTimeAsync(CHECK_MS);
    connection.answers = true;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(connection.cuts).toBe(0);
  });

  it('waits longer on a link on which new connections fall silent, and resets the wait later', async () => {
    connection.answers = false;
    const times: number[] = [];
    for (let count = 0; count < 6; count += 1) {
      connection.watch.start();
      times.push(await connection.timeUntilCut());
    }
    expect(times.map((ms) => Math.floor(ms / 1000))).toEqual([1, 1, 2, 4, 4, 4]);
    connection.answers = true;
    connection.watch.start();
    await vi.advanceTimersByTimeAsync(60_000);
    connection.answers = false;
    // The longer wait still applies to this connection.
    expect(await connection.timeUntilCut()).toBeGreaterThan(3500);
    connection.answers = true;
    connection.watch.start();
    await vi.advanceTimersByTimeAsync(60_000);
    connection.answers = false;
    expect(await connection.timeUntilCut()).toBeLessThan(1500);
  });

  it('does nothing while there is no connection', async () => {
    connection.answers = false;
    connection.watch.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([connection.cuts, connection.pings, vi.getTimerCount()]).toEqual([0, 1, 0]);
  });
});

describe('cut', () => {
  it('ends a connection immediately, although its server reads no data', async () => {
    vi.useRealTimers();
    const accepted: Socket[] = [];
    const server = createServer((socket) => accepted.push(socket.pause()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      for (const each of accepted) each.destroy();
      server.close();
    });
    const socket = connectSocket((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    // More than the buffers of the system hold.
    socket.write(new Uint8Array(64 << 20));
    const closed = once(socket, 'close');
    const reconnect = (): Promise<void> => Promise.reject(new Error('not used'));
    cut(Object.assign({ reconnect }, { protocol: { transport: { socket } } }));
    await closed;
  });

  it('uses the method of the library if the socket is unknown', () => {
    const reconnect = vi.fn(() => Promise.resolve());
    cut({ reconnect });
    expect(reconnect).toHaveBeenCalledOnce();
  });
});

describe('chooseServer', () => {
  const server = (name: string, lastConnect: number, gossiped = false) => ({
    name,
    src: name,
    listen: `${name}:4222`,
    lastConnect,
    gossiped,
  });

  it('tries servers in the order of their last connection, and of untried ones the configured first', () => {
    const servers = [server('lost', 900), server('learned', 0, true), server('b', 0), server('c', 100)];
    const order: string[] = [];
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const at = servers.indexOf(chooseServer(servers)!);
      order.push(servers[at]!.name);
      servers[at] = { ...servers[at]!, lastConnect: 1000 + attempt };
    }
    expect(order).toEqual(['b', 'learned', 'c', 'lost', 'b']);
  });

  it('prefers a server that has just answered, until it has been tried', () => {
    const servers = [server('a', 100), server('b', 300), server('c', 200)];
    expect(chooseServer(servers, { server: 'b', atMs: 400 })?.name).toBe('b');
    expect(chooseServer(servers, { server: 'c:4222', atMs: 400 })?.name).toBe('c');
    expect(chooseServer(servers, { server: 'b', atMs: 250 })?.name).toBe('a');
    expect(chooseServer(servers, { server: 'unknown', atMs: 400 })?.name).toBe('a');
  });

  it('leaves the choice of the first server to the library', () => {
    expect(chooseServer([server('x', 0), server('y', 0)])?.name).toBe('x');
    expect(chooseServer([])).toBeNull();
  });
});
