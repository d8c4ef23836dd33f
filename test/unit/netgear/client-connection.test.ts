import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pair, Reply, Subscriber } from 'zeromq';
import { afterEach, describe, expect, it } from 'vitest';
import { ClientConnection, type ConnectionState } from '../../../gateway/netgear/client-connection.ts';
import type { Pattern } from '../../../gateway/netgear/pattern.ts';
import { freePorts } from '../../helpers/free-port.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Watched {
  readonly connection: ClientConnection;
  readonly states: { state: ConnectionState; reason: string }[];
  readonly replies: string[][];
  readonly until: (state: ConnectionState) => Promise<string>;
}

function connect(endpoint: string, pattern: Pattern = 'request-reply'): Watched {
  const states: Watched['states'] = [];
  const replies: string[][] = [];
  const connection = new ClientConnection(
    { endpoint, pattern, security: null },
    {
      changed: (state, reason) => states.push({ state, reason }),
      replied: (parts) => replies.push(parts.map((part) => Buffer.from(part).toString())),
      failed: (error) => {
        throw error;
      },
    },
  );
  closers.push(() => connection.close());
  const until = async (state: ConnectionState): Promise<string> => {
    await expect.poll(() => states.at(-1)?.state, { timeout: 8000 }).toBe(state);
    return states.at(-1)!.reason;
  };
  return { connection, states, replies, until };
}

const place = async (): Promise<string> => `tcp://127.0.0.1:${(await freePorts(1))[0]}`;

describe('ClientConnection', () => {
  it('is connecting while nothing listens, and sends nothing', async () => {
    const endpoint = await place();
    const { connection } = connect(endpoint);
    expect([connection.state, connection.reason, connection.isReady]).toEqual([
      'connecting',
      `nothing is listening at ${endpoint}`,
      false,
    ]);
    expect(await connection.send('header', new Uint8Array(4))).toBe(false);
    expect(connection.inFlight).toBe(0);
  });

  it('sends frames and receives their answers, several in flight', async () => {
    const endpoint = await place();
    const { connection, replies, until } = connect(endpoint);
    const client = new Reply({ linger: 0 });
    closers.push(() => client.close());
    await client.bind(endpoint);
    await until('ready');
    expect(await Promise.all([connection.send('a', Buffer.from('1')), connection.send('b', Buffer.from('2'))])).toEqual(
      [true, true],
    );
    expect(connection.inFlight).toBe(2);
    for (const expected of [
      ['a', '1'],
      ['b', '2'],
    ]) {
      expect((await client.receive()).map(String)).toEqual(expected);
      await client.send(`answer to ${expected[0]}`);
    }
    await expect.poll(() => replies).toEqual([['answer to a'], ['answer to b']]);
    expect(connection.inFlight).toBe(0);
  });

  it('is ready for a subscriber once it has subscribed, and refuses a peer of another pattern', async () => {
    const endpoint = await place();
    const { connection, until } = connect(endpoint, 'publish-subscribe');
    const client = new Subscriber({ linger: 0, receiveHighWaterMark: 1 });
    closers.push(() => client.close());
    client.subscribe();
    await client.bind(endpoint);
    // A bound subscriber reports its subscription once its thread has entered ZeroMQ.
    const first = client.receive();
    await until('ready');
    expect(await connection.send('header', Buffer.from('1'))).toBe(true);
    expect((await first).map(String)).toEqual(['header', '1']);
    expect(connection.inFlight).toBe(0);
    // Without a reader, the buffers are full after a few megabytes; the connection stays open.
    const taken: boolean[] = [];
    for (let i = 0; i < 200 && taken.at(-1) !== false; i += 1)
      taken.push(await connection.send('header', Buffer.alloc(500_000)));
    expect(taken.at(-1)).toBe(false);
    expect(connection.state).toBe('ready');
  });

  it('is ready for a subscriber of 64 topics, and disconnects a subscriber of more topics for a while', async () => {
    const endpoint = await place();
    const { states, until } = connect(endpoint, 'publish-subscribe');
    const client = new Subscriber({ linger: 0 });
    closers.push(() => client.close());
    client.subscribe(...Array.from({ length: 64 }, (_, index) => `topic ${index}`));
    await client.bind(endpoint);
    void client.receive().catch(() => undefined);
    await until('ready');
    client.subscribe('one more');
    await expect
      .poll(() => states.at(-1))
      .toEqual({
        state: 'connecting',
        reason: 'its socket failed: the client has sent more than 64 subscriptions, expected one',
      });
  });

  it('disconnects a subscriber of a long topic, and is ready for its replacement', async () => {
    const endpoint = await place();
    const { states, until } = connect(endpoint, 'publish-subscribe');
    const wrong = new Subscriber({ linger: 0 });
    wrong.subscribe('t'.repeat(256));
    await wrong.bind(endpoint);
    void wrong.receive().catch(() => undefined);
    await expect
      .poll(() => states.at(-1))
      .toEqual({ state: 'connecting', reason: 'its socket failed: the client disconnected before it had subscribed' });
    wrong.close();
    const right = new Subscriber({ linger: 0 });
    closers.push(() => right.close());
    right.subscribe();
    await expect
      .poll(() =>
        right.bind(endpoint).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    void right.receive().catch(() => undefined);
    await until('ready');
  });

  it('reports the pattern of the client', async () => {
    const endpoint = await place();
    const { until } = connect(endpoint, 'request-reply');
    const client = new Pair({ linger: 0 });
    closers.push(() => client.close());
    await client.bind(endpoint);
    expect(await until('refused')).toBe(`the client at ${endpoint} has pattern 0, but its address specifies pattern 1`);
  });

  it('is ready soon after a client of another pattern was replaced with a matching one', async () => {
    const endpoint = await place();
    const { until } = connect(endpoint, 'request-reply');
    const wrong = new Pair({ linger: 0 });
    await wrong.bind(endpoint);
    await until('refused');
    wrong.close();
    const right = new Reply({ linger: 0 });
    closers.push(() => right.close());
    await expect
      .poll(() =>
        right.bind(endpoint).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    expect(await until('ready')).toBe('connected');
  });

  it('reports another program at the address', async () => {
    const server = createHttpServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const endpoint = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await connect(endpoint).until('refused')).toBe(
      `the program at ${endpoint} is not a NetGear client: it does not speak ZeroMQ; list the address at which the client binds`,
    );
  });

  it('reports a server that libzmq mistakes for an old ZeroMQ peer, and connects to it once', async () => {
    // The response of an HTTP server, whose first bytes look like a ZMTP 1.0 greeting.
    const answer =
      'HTTP/1.1 400 Bad Request\r\nServer: test\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><body><h1>400 Bad Request</h1></body></html>\r\n'.repeat(
        3,
      );
    const server = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.end(answer)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const endpoint = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { states, until } = connect(endpoint, 'pair');
    await until('refused');
    await sleep(2500);
    expect(states.at(-1)).toEqual({
      state: 'refused',
      reason: `the program at ${endpoint} is not a NetGear client: it does not speak ZeroMQ; list the address at which the client binds`,
    });
    expect(states.filter(({ state }) => state === 'ready').length).toBeLessThanOrEqual(1);
  });

  it('reports an unknown host name', async () => {
    const { states } = connect('tcp://no-such-host.invalid:5567', 'request-reply');
    await expect
      .poll(() => states.at(-1)?.reason ?? '')
      .toMatch(
        /^the client at tcp:\/\/no-such-host\.invalid:5567 cannot be reached: (?:there is no host of this name|the name of the host cannot be resolved)/,
      );
  });

  it('refuses an endpoint that ZeroMQ cannot use', () => {
    expect(() => connect('tcp://*:5567', 'request-reply')).toThrow(
      expect.objectContaining({ code: 'address-invalid' }),
    );
  });

  it('is stuck while a silent program keeps the connection open', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const endpoint = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await connect(endpoint).until('stuck')).toBe(
      'accepts connections but does not complete the handshake: it is stopped, or not a NetGear client',
    );
  });

  it('abandons frames in flight after 3.5 s without an answer, and reconnects', async () => {
    const endpoint = await place();
    const { connection, states, until, replies } = connect(endpoint);
    const client = new Reply({ linger: 0 });
    closers.push(() => client.close());
    await client.bind(endpoint);
    await until('ready');
    await connection.send('header', Buffer.from('1'));
    await client.receive();
    await expect
      .poll(() => states.some(({ state, reason }) => state === 'stuck' && reason === 'no answer for 3.5 s'), {
        timeout: 6000,
      })
      .toBe(true);
    expect(connection.inFlight).toBe(0);
    await until('ready');
    // The answer is late: it is discarded, not treated as an answer to a newer frame.
    await client.send('late');
    await connection.send('header', Buffer.from('2'));
    expect((await client.receive()).map(String)).toEqual(['header', '2']);
    await client.send('answer');
    await expect.poll(() => replies).toEqual([['answer']]);
  });

  it('is closed permanently', async () => {
    const endpoint = await place();
    const { connection, states } = connect(endpoint);
    connection.close();
    connection.close();
    expect(await connection.send('header')).toBe(false);
    expect(states).toEqual([]);
  });

  it('makes one connection even if the next attempt is due', async () => {
    const [port] = (await freePorts(1)) as [number];
    const open = new Set<Socket>();
    let isRude = true;
    const server = createServer((socket) => {
      // ZeroMQ resets connections that it discards.
      socket.on('error', () => undefined);
      if (isRude) socket.end();
      else open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.resume();
    });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    let noteRefusal: () => void = () => {};
    const refused = new Promise<void>((resolve) => (noteRefusal = resolve));
    const connection = new ClientConnection(
      { endpoint: `tcp://127.0.0.1:${port}`, pattern: 'request-reply', security: null },
      {
        changed: (state) => {
          if (state === 'refused') noteRefusal();
        },
        replied: () => {},
        failed: () => {},
      },
    );
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

  it('ends its probe of a disconnected peer when it is closed', async () => {
    const connections: Socket[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      connections.push(socket);
      // The first connection is from ZeroMQ. The next one gets no answer.
      if (connections.length === 1) socket.once('data', () => socket.end());
      else socket.resume();
    });
    closers.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { connection } = connect(`tcp://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await expect.poll(() => connections.length, { timeout: 4000, interval: 10 }).toBe(2);
    const ended = new Promise((resolve) => connections[1]!.once('close', resolve));
    const fromMs = performance.now();
    connection.close();
    await ended;
    expect(performance.now() - fromMs).toBeLessThan(500);
  });
});
