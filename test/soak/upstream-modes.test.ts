import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

interface Done {
  sent: number;
  by_port: Record<string, unknown>;
  dealt: Record<string, number>;
}

const FRAMES = 3000;

describe('a server in multi-clients mode', () => {
  it.each([2, 3])(
    'is one stream over %i ports, in order and without duplicates; each port belongs to one client',
    async (count) => {
      const [native, ...ports] = await freePorts(1 + count);
      await using gateway = await LocalGateway.start(
        '--source',
        `netgear:tcp://127.0.0.1:${ports.join(',')}?multiclient=true`,
        '--client',
        `tcp://127.0.0.1:${native}?id=${ports[0]}`,
      );
      // The first port belongs to a native client, the second to a browser; the third is unused.
      await using client = new PythonPeer('client.py', {
        port: native,
        bidirectional: true,
        returns: { speed: 2.0 },
        height: 120,
      });
      await using viewer = await WebViewer.open(`${gateway.url}/streams/main`);
      expect((await viewer.welcome).port).toBe(ports[1]);
      const array = { dtype: '>u2', shape: [4, 6], data: Uint8Array.from({ length: 48 }, (_, index) => index) };
      await viewer.return({ kind: 'array', array });
      await gateway.statusWhere('the native client', ({ clients }) =>
        clients.some(({ kind, state }) => kind === 'native' && state === 'live'),
      );

      await using server = new PythonPeer('server.py', {
        ports,
        multiclient: true,
        bidirectional: true,
        frames: FRAMES,
        fps: 150,
        height: 120,
        width: 400,
        quiet: true,
      });
      const done = await server.waitFor<Done>('done', undefined, 90_000);
      expect(done.sent).toBe(FRAMES);
      // The server serves all ports evenly, including unused ones, and each client's data has its own port.
      expect(done.dealt).toEqual(Object.fromEntries(ports.map((port) => [port, FRAMES / count])));
      expect(done.by_port).toEqual({
        [ports[0]!]: { speed: 2 },
        [ports[1]!]: { $array: '>u2', shape: [4, 6], sha1: createHash('sha1').update(array.data).digest('hex') },
        ...(count === 3 ? { [ports[2]!]: null } : {}),
      });
      const status = await gateway.statusWhere('all frames', ({ counters }) => counters.received === FRAMES);
      expect(status.ports).toMatchObject({ ranges: ports.map((port) => ({ from: port, to: port })), taken: 2 });
      const numbers = viewer.messages.map((message) => (message as { n: number } | null)?.n ?? -1);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      expect(new Set(numbers).size).toBe(numbers.length);
      expect(numbers.length).toBeGreaterThan(FRAMES * 0.98);
      expect(await client.waitFor<ClientReport>('progress', ({ last }) => last === FRAMES - 1)).toMatchObject({
        mismatched: 0,
      });
      await gateway.statusWhere(
        'the end of the source',
        ({ state, reason }) => state === 'ended' && reason === 'the server has ended the stream',
      );
    },
  );
});
