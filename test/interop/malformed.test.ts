import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';

interface Returned {
  n: number;
  data: Record<string, unknown> | null;
}

describe('a server that misbehaves', () => {
  it.each([
    { pattern: 1, parts: 1_000_000 },
    { pattern: 0, parts: 10_000 },
  ])(
    'is answered and counted, and crashes neither the gateway nor a real client, pattern $pattern',
    async ({ pattern, parts }) => {
      const [source, a] = (await freePorts(2)) as [number, number];
      await using gateway = await GatewayProcess.start(
        '--source',
        `netgear:tcp://127.0.0.1:${source}?pattern=${pattern}`,
        '--client',
        `tcp://127.0.0.1:${a}`,
      );
      await using client = new PythonPeer('client.py', { port: a, bidirectional: true, height: 0, returns: 'alive' });
      await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
      await using server = new PythonPeer('fake_server.py', { port: source, pattern, parts });
      await server.waitFor('done', undefined, 90_000);
      const replies = server.events<{ to: string; text: string }>('reply');
      expect(replies).toHaveLength(18);
      // No data is returned for a message that is not a frame.
      for (const { text } of replies.slice(1, -2))
        expect(JSON.parse(text)).toEqual({ port: String(source), return_type: 'NoneType', data: null });
      const status = await gateway.statusWhere(
        'the valid frame at the client',
        ({ clients }) => clients[0]?.delivered === 2 && clients[0].state === 'live',
      );
      expect(status.counters).toMatchObject({ received: 2, rejected: 16 });
      // Only the first of far too many parts are kept.
      expect(status.counters.lastRejections[0]).toMatch(/^parts-unexpected: message has \d\d parts/);
      expect(client.isRunning).toBe(true);
    },
  );
});

describe('a viewer that misbehaves', () => {
  it('is refused with a code and counted, and crashes neither the gateway nor a real peer', async () => {
    const [source, a] = (await freePorts(2)) as [number, number];
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}`,
    );
    await using client = new PythonPeer('client.py', { port: a, bidirectional: true, returns: 'alive' });
    await gateway.statusWhere('a live client', ({ clients }) => clients[0]?.state === 'live');
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 3000 });
    await server.waitFor<Returned>('returned', ({ data }) => data?.[a] === 'alive');
    await using viewer = new PythonPeer('fake_viewer.py', {
      url: `${(await gateway.url).replace('http', 'ws')}/streams/main/ws`,
    });
    const { after, code } = await viewer.waitFor<{ after: string; code: number }>('closed');
    expect(viewer.events('returned')).toEqual([
      { event: 'returned', what: 'truncated JPEG', accepted: false, code: 'jpeg-invalid' },
      { event: 'returned', what: 'JPEG with an end but half a scan', accepted: false, code: 'jpeg-invalid' },
      { event: 'returned', what: 'no JPEG', accepted: false, code: 'jpeg-invalid' },
      { event: 'returned', what: '20000x20000 JPEG', accepted: false, code: 'too-large' },
      { event: 'returned', what: 'misfit array', accepted: false, code: 'array-misfit' },
      { event: 'returned', what: 'array of objects', accepted: false, code: 'array-misfit' },
      { event: 'returned', what: 'array of terabytes', accepted: false, code: 'array-misfit' },
      { event: 'returned', what: '5000-digit integer', accepted: false, code: 'value-invalid' },
      { event: 'returned', what: 'list 65 deep', accepted: false, code: 'value-invalid' },
    ]);
    expect({ after, code }).toEqual({ after: 'list 100 000 deep', code: 4000 });
    expect((await gateway.status()).counters).toMatchObject({ returnsRejected: 10 });
    // The server still gets the same data.
    const { frame } = await gateway.status();
    await gateway.statusWhere(
      '30 more frames',
      (status) => (status.frame?.sequence ?? 0) > (frame?.sequence ?? 0) + 30,
    );
    expect(server.events<Returned>('returned').at(-1)?.data).toEqual({ [a]: 'alive' });
    expect(
      server
        .events<Returned>('returned')
        .flatMap(({ data }) => Object.values(data ?? {}))
        .every((value) => value === null || value === 'alive'),
    ).toBe(true);
    expect([server.isRunning, client.isRunning]).toEqual([true, true]);
    expect(
      await client.waitFor('progress', ({ last }: { last: number }) => last > (frame?.sequence ?? 0)),
    ).toMatchObject({ mismatched: 0 });
  });
});
