import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { QUIET_SECONDS } from '../helpers/soak.ts';

describe('native clients', () => {
  it('stay connected while a source is silent for longer than their timeout, or missing', async () => {
    const [source, a, b] = (await freePorts(3)) as [number, number, number];
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${b}?pattern=0`,
    );
    await using first = new PythonPeer('client.py', { port: a, pattern: 1, bidirectional: true });
    await using second = new PythonPeer('client.py', { port: b, pattern: 0, bidirectional: true });
    await Promise.all([first.waitFor('progress'), second.waitFor('progress')]);
    await sleep(QUIET_SECONDS * 1000);
    await using server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      frames: 60,
      fps: 10,
      pauses: [{ at: 30, seconds: QUIET_SECONDS }],
    });
    await server.waitFor('done', undefined, (QUIET_SECONDS + 30) * 1000);
    const reports = await Promise.all(
      [first, second].map((peer) =>
        peer.waitFor<ClientReport>('progress', ({ last }) => last !== null && last > 30).then(() => peer),
      ),
    );
    expect(reports.every(({ isRunning }) => isRunning)).toBe(true);
    const { clients } = await gateway.status();
    expect(clients.map(({ delivered, dropped }) => ({ delivered, dropped }))).toEqual([
      { delivered: 60, dropped: 0 },
      { delivered: 60, dropped: 0 },
    ]);
    // The message of a repeat is null, because it was delivered before.
    for (const { repeated } of clients) expect(repeated).toBeGreaterThanOrEqual(2 * Math.floor(QUIET_SECONDS / 4));
  });
});
