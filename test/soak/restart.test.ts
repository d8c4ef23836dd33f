import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';

const PICTURE = { height: 120, width: 400 };

describe('native clients', () => {
  it('and a server continue when the gateway is restarted', async () => {
    const [source, a, b, c] = (await freePorts(4)) as [number, number, number, number];
    const options = [
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${b}?pattern=0`,
      '--client',
      `tcp://127.0.0.1:${c}?pattern=2`,
    ];
    const first = await GatewayProcess.start(...options);
    const clients = [1, 0, 2].map(
      (pattern, index) =>
        new PythonPeer('client.py', {
          port: [a, b, c][index],
          pattern,
          bidirectional: pattern < 2,
          returns: pattern < 2 ? pattern : undefined,
          ...PICTURE,
        }),
    );
    await using server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      frames: 30 * 60,
      ...PICTURE,
    });
    const hasAll = (data: Record<string, unknown> | null): boolean =>
      data?.[a] === 1 && data[b] === 0 && data[c] === null;
    await server.waitFor<{ data: Record<string, unknown> | null }>('returned', ({ data }) => hasAll(data));
    await Promise.all(clients.map((client) => client.waitFor<ClientReport>('progress', ({ last }) => last !== null)));
    await first[Symbol.asyncDispose]();
    const stoppedAt = Date.now() / 1000;
    await using second = await GatewayProcess.start(...options);
    await second.statusWhere(
      'all of them live',
      (status) => status.state === 'live' && status.clients.every(({ state }) => state === 'live'),
    );
    const { n } = await server.waitFor<{ n: number; data: Record<string, unknown> | null; t: number }>(
      'progress',
      ({ data, t }) => t > stoppedAt && hasAll(data),
    );
    const reports = await Promise.all(
      clients.map((client) => client.waitFor<ClientReport>('progress', ({ last }) => (last ?? 0) > n + 15)),
    );
    for (const report of reports) expect(report.mismatched).toBe(0);
    for (const peer of [...clients, server]) expect(peer.isRunning).toBe(true);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  });
});
