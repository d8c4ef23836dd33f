import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Request } from 'zeromq';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { JPEG, Viewer } from '../helpers/viewer.ts';

describe('a NetGear_Async server', () => {
  it.each([0, 1, 2, 3])('sends its frames to viewers, in pattern %i, and ends', async (pattern) => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear-async:tcp://127.0.0.1:${port}?pattern=${pattern}`,
    );
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    viewer.want({ raw: true });
    await using server = new PythonPeer('async_server.py', { port, pattern, frames: 90 });
    const frame = await viewer.until('frame');
    expect(frame).toMatchObject({
      width: 32,
      height: 24,
      message: null,
      encoding: { kind: 'raw', dtype: 'uint8', shape: [24, 32, 3] },
    });
    expect(new Set(frame.payload).size).toBe(1);
    await server.waitFor('done');
    const { counters } = await gateway.statusWhere('the end', ({ state }) => state === 'ended');
    expect(counters.rejected).toBe(0);
    if (pattern === 2) expect(counters.received).toBeGreaterThan(60);
    else expect(counters.received).toBe(90);
    // The server waits for the answer to its termination.
    expect(await server.exited).toBe(0);
  });

  it.concurrent.each([0, 1])('gets return data of viewers, and sends them its data, in pattern %i', async (pattern) => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear-async:tcp://127.0.0.1:${port}?pattern=${pattern}`,
    );
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello({ port: 6001 });
    expect(await viewer.return({ kind: 'value', value: { gripper: 'close', n: 3, x: 1.5 } })).toMatchObject({
      accepted: true,
    });
    await using server = new PythonPeer('async_server.py', { port, pattern, bidirectional: true, frames: 90 });
    expect(await viewer.until('frame')).toMatchObject({ message: { number: expect.any(Number) as unknown } });
    expect(await server.waitFor('returned', ({ data }: { data?: unknown }) => data !== null)).toMatchObject({
      data: { 6001: { gripper: 'close', n: 3, x: 1.5 } },
    });
    await server.waitFor('done');
    expect((await gateway.status()).counters).toMatchObject({ received: 90, rejected: 0 });
  });

  it.concurrent.each([0, 1, 2, 3])('has its frames forwarded unmodified, in pattern %i', async (pattern) => {
    const [port = 0, native = 0] = await freePorts(2);
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear-async:tcp://127.0.0.1:${port}?pattern=${pattern}`,
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
    await using server = new PythonPeer('async_server.py', { port, pattern, numbered: true, frames: 60 });
    await server.waitFor('sent', ({ n }: { n?: number }) => n === 59);
    const sent = new Map(server.events<{ n: number; sha1: string }>('sent').map(({ n, sha1 }) => [n, sha1]));
    const frame = await viewer.until('frame');
    expect([...sent.values()]).toContain(createHash('sha1').update(frame.payload).digest('hex'));
    await gateway.statusWhere('the end', ({ state }) => state === 'ended');
    await client.waitFor('frame', ({ n }: { n?: number }) => (n ?? 0) >= 30);
    const received = client.events<{ n: number; sha1: string }>('frame');
    expect(received.map(({ n, sha1 }) => [n, sha1])).toEqual(received.map(({ n }) => [n, sent.get(n)]));
    expect((await gateway.status()).counters.rejected).toBe(0);
  });

  it('sends and receives data in which floats remain floats', async () => {
    const [port = 0, native = 0] = await freePorts(2);
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear-async:tcp://127.0.0.1:${port}?pattern=1&capturedAt=t`,
      '--client',
      `tcp://127.0.0.1:${native}`,
    );
    await using client = new PythonPeer('client.py', {
      port: native,
      bidirectional: true,
      messages: true,
      returns: [1.5, 'é', null],
    });
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await using server = new PythonPeer('async_server.py', {
      port,
      pattern: 1,
      bidirectional: true,
      frames: 3000,
      data: '{"x": 2.0, "n": 2, "big": 18446744073709551615, "t": 1769860800.25, "list": [null, true, "é"]}',
    });
    await client.waitFor(
      'message',
      ({ text }: { text?: string }) =>
        text === "{'x': 2.0, 'n': 2, 'big': 18446744073709551615, 't': 1769860800.25, 'list': [None, True, 'é']}",
    );
    expect(await viewer.until('frame')).toMatchObject({ capturedAtUs: 1_769_860_800_250_000, message: { x: 2, n: 2 } });
    // VidGear converts lists to tuples.
    await server.waitFor(
      'returned',
      ({ text }: { text?: string }) => text === `{'6000': None, '${native}': (1.5, 'é', None)}`,
    );
  });

  it('gets only the newest value with returns=newest, and arrays as arrays', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear-async:tcp://127.0.0.1:${port}?pattern=0&returns=newest`,
    );
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    const data = new Uint8Array(Float32Array.of(0.5, 1.5, 2.5, 3.5, 4.5, 5.5).buffer);
    await viewer.return({ kind: 'array', array: { dtype: 'float32', shape: [2, 3], data } });
    await using server = new PythonPeer('async_server.py', { port, pattern: 0, bidirectional: true, frames: 3000 });
    expect(
      await server.waitFor('returned', ({ data: returned }: { data?: unknown }) => returned !== null),
    ).toMatchObject({
      data: { $array: 'float32', shape: [2, 3], sha1: createHash('sha1').update(data).digest('hex') },
    });
    const jpeg = Buffer.from(JPEG);
    viewer.send({ type: 'return', id: 2, mode: 'sticky', body: { kind: 'jpeg', data: jpeg } });
    expect(
      await server.waitFor(
        'returned',
        ({ data: returned }: { data?: { $array?: string } }) => returned?.$array === 'uint8',
      ),
    ).toMatchObject({ data: { shape: [jpeg.byteLength], sha1: createHash('sha1').update(jpeg).digest('hex') } });
    viewer.send({ type: 'return', id: 3, mode: 'sticky', body: { kind: 'value', value: 7 } });
    expect(await server.waitFor('returned', ({ data: returned }: { data?: unknown }) => returned === 7)).toMatchObject({
      text: '7',
    });
  });

  it('gets an answer to any message, and the expected pattern is reported', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start('--source', `netgear-async:tcp://127.0.0.1:${port}?pattern=1`);
    const request = new Request({ linger: 0, receiveTimeout: 5000 });
    request.connect(`tcp://127.0.0.1:${port}`);
    for (const parts of [['no MessagePack'], [Buffer.from('80', 'hex'), 'x'], ['a', 'b', 'c']]) {
      await request.send(parts);
      // The answer that a server in bidirectional mode expects; other servers accept anything.
      expect(String((await request.receive())[0])).toContain('NoneType');
    }
    request.close();
    expect((await gateway.status()).counters).toMatchObject({ received: 0, rejected: 3 });
    await using server = new PythonPeer('async_server.py', { port, pattern: 2, frames: 3000 });
    await server.waitFor('ready');
    const { source } = await gateway.statusWhere('the reason', ({ source: { state } }) =>
      state.includes('socket type'),
    );
    expect(source.state).toBe(
      'listening; the ZeroMQ peer 127.0.0.1 was refused: its socket type is not that of a server of pattern 1',
    );
  });

  it('may send 16-bit pictures, and may restart', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await LocalGateway.start('--source', `netgear-async:tcp://127.0.0.1:${port}`);
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await using killed = new PythonPeer('async_server.py', { port, pattern: 0, frames: 900 });
    await viewer.until('frame');
    killed.signal('SIGKILL');
    await killed.exited;
    await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    await using server = new PythonPeer('async_server.py', { port, pattern: 0, frames: 60, dtype: 'uint16' });
    await server.waitFor('done');
    expect((await gateway.statusWhere('the end', ({ state }) => state === 'ended')).frame).toMatchObject({
      encoding: 'uint16',
    });
  });
});
