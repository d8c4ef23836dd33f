import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';

interface Returned {
  n: number;
  data: Record<string, unknown> | null;
}
interface Frame {
  sequence: number;
  encoding: string;
  dtype?: string;
  shape?: number[];
  bytes: number;
  sha1: string;
  message: { n: number; t: number };
}

const SCRIPT = 'protocol_viewer.py';

const address = (gateway: LocalGateway): string => `${gateway.url.replace('http', 'ws')}/streams/main/ws`;

describe('protocol_viewer.py, written from docs/protocol.md alone', () => {
  it('gets the requested port and frames with their messages, and returns data to a real server', async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 3000 });
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    await using viewer = new PythonPeer(SCRIPT, {
      url: address(gateway),
      hello: { port: 6007, name: 'a Python viewer' },
      returns: [
        { id: 1, mode: 'once', kind: 'value', value: 'first' },
        { id: 2, mode: 'once', kind: 'array', dtype: 'uint8', shape: [2], payload: 'AAE=' },
        { id: 3, mode: 'sticky', kind: 'value', value: { list: [1, 0.5, null, 'é', true], big: 5_000_000_000 } },
        { id: 4, mode: 'sticky', kind: 'array', dtype: 'uint8', shape: [3], payload: 'AAE=' },
      ],
      ping: 7,
      frames: 60,
    });
    expect(await viewer.waitFor('welcome')).toMatchObject({
      stream: 'main',
      port: 6007,
      rights: ['view', 'return', 'publish'],
      state: 'live',
      leaseKey: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    });
    const sticky = { list: [1, 0.5, null, 'é', true], big: 5_000_000_000 };
    await server.waitFor<Returned>('returned', ({ data }) => JSON.stringify(data?.['6007']) === JSON.stringify(sticky));
    expect(await viewer.waitFor('closed')).toMatchObject({ code: 1000 });
    expect(viewer.events('returned')).toEqual([
      { event: 'returned', id: 1, accepted: true },
      { event: 'returned', id: 2, accepted: true },
      { event: 'returned', id: 3, accepted: true },
      { event: 'returned', id: 4, accepted: false, code: 'array-misfit', reason: expect.any(String) as string },
    ]);
    expect(viewer.events<{ id: number }>('pong').map(({ id }) => id)).toEqual([7]);
    const frames = viewer.events<Frame>('frame');
    // The server counts from 0, the stream from 1; both rise by one, with a gap where a frame was dropped for this
    // viewer.
    for (const { sequence, message, encoding } of frames)
      expect({ n: message.n, encoding }).toEqual({ n: sequence - 1, encoding: 'jpeg' });
    const values = server.events<Returned>('returned').map(({ data }) => data?.['6007']);
    expect(values.filter((value) => value !== undefined && value !== null)).toEqual([
      'first',
      { $ndarray: { dtype: 'uint8', shape: [2], data: 'AAE=' } },
      sticky,
    ]);
    await server.waitFor<Returned>(
      'returned',
      ({ n, data }) => n > frames.at(-1)!.message.n && data?.['6007'] === undefined,
    );
  });

  it('gets unmodified raw frames on request', async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
    await using viewer = new PythonPeer(SCRIPT, { url: address(gateway), want: { raw: true }, frames: 20 });
    await viewer.waitFor('welcome');
    await using server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      raw: true,
      hash: true,
      frames: 120,
    });
    await viewer.waitFor('closed');
    const frames = viewer.events<Frame>('frame').filter(({ encoding }) => encoding === 'raw');
    expect(frames.length).toBeGreaterThan(15);
    // The server reports a frame when it has been answered, which may be after the viewer has received the frame.
    const last = frames.at(-1)!.message.n;
    await server.waitFor<{ n: number }>('sent', ({ n }) => n === last);
    const sent = new Map(server.events<{ n: number; sha1: string }>('sent').map(({ n, sha1 }) => [n, sha1]));
    for (const { dtype, shape, bytes, sha1, message } of frames) {
      expect({ dtype, shape, bytes, sha1 }).toEqual({
        dtype: 'uint8',
        shape: [121, 401, 3],
        bytes: 121 * 401 * 3,
        sha1: sent.get(message.n),
      });
    }
  });

  it('watches as a spectator without a port, and may not return data', async () => {
    await using gateway = await LocalGateway.start();
    await using viewer = new PythonPeer(SCRIPT, {
      url: address(gateway),
      hello: { spectate: true },
      returns: [{ id: 1, mode: 'sticky', kind: 'value', value: 1 }],
      frames: 5,
    });
    expect(await viewer.waitFor('welcome')).toMatchObject({ port: null, leaseKey: null });
    expect(await viewer.waitFor('returned')).toMatchObject({ id: 1, accepted: false, code: 'no-port' });
    await viewer.waitFor('closed');
    expect(viewer.events('frame')).toHaveLength(5);
  });
});
