import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { withinAttempts } from '../helpers/within-attempts.ts';
import { type ClientReport, PythonPeer, VGA } from '../helpers/peers.ts';

/** Waits between two checks of a condition without an event. */
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('native clients', () => {
  it('are not affected by a missing one, one that is suspended for 10 s, and one that is killed and restarted', async () => {
    await withinAttempts(
      async () => {
        const [source, missing, stopped, killed, healthy] = (await freePorts(5)) as [
          number,
          number,
          number,
          number,
          number,
        ];
        await using gateway = await GatewayProcess.start(
          '--source',
          `netgear:tcp://127.0.0.1:${source}?pattern=1`,
          ...[missing, stopped, killed, healthy].flatMap((port) => ['--client', `tcp://127.0.0.1:${port}`]),
        );
        const options = { bidirectional: true, returns: 1, warm_up: 30, ...VGA };
        await using stoppedClient = new PythonPeer('client.py', { port: stopped, ...options });
        await using killedClient = new PythonPeer('client.py', { port: killed, ...options });
        await using healthyClient = new PythonPeer('client.py', { port: healthy, ...options });
        await gateway.statusWhere(
          'three live clients',
          ({ clients }) => clients.filter(({ state }) => state === 'live').length === 3,
        );
        await using server = new PythonPeer('server.py', {
          port: source,
          bidirectional: true,
          frames: 30 * 20,
          ...VGA,
        });
        await healthyClient.waitFor<ClientReport>('progress', ({ last }) => (last ?? 0) > 30);

        stoppedClient.signal('SIGSTOP');
        killedClient.signal('SIGKILL');
        await sleep(5000);
        const during = await gateway.status();
        const state = (port: number): string | undefined =>
          during.clients.find((client) => client.port === port)?.state;
        expect([state(missing), state(stopped), state(killed), state(healthy)]).toEqual([
          'connecting',
          'stuck',
          'connecting',
          'live',
        ]);
        await using back = new PythonPeer('client.py', { port: killed, ...options });
        await sleep(5000);
        stoppedClient.signal('SIGCONT');

        await server.waitFor('done', undefined, 60_000);
        const [resumed, returned, felt] = await Promise.all(
          [stoppedClient, back, healthyClient].map((peer) =>
            peer.waitFor<ClientReport>('progress', ({ last }) => (last ?? 0) > 585),
          ),
        );
        expect(felt!.mismatched).toBe(0);
        expect(returned!.mismatched).toBe(0);
        return { resumed, returned, felt };
      },
      ({ resumed, returned, felt }) => {
        // A client that gets no processor time skips frames.
        expect(felt!.gaps).toBe(0);
        expect(felt!.stale).toEqual([]);
        // Three frame times at 30 fps.
        expect(felt!.longest).toBeLessThan(0.1);
        expect(resumed!.stale.length).toBeLessThanOrEqual(2);
        expect(returned!.stale.length).toBeLessThanOrEqual(2);
      },
    );
  });

  it('get the termination on SIGINT, and the gateway ends within 2 s even if one does not answer', async () => {
    await withinAttempts(
      async () => {
        const [a, b] = (await freePorts(2)) as [number, number];
        await using gateway = await GatewayProcess.start(
          '--client',
          `tcp://127.0.0.1:${a}`,
          '--client',
          `tcp://127.0.0.1:${b}`,
        );
        await using ends = new PythonPeer('client.py', { port: a, bidirectional: true });
        await using hangs = new PythonPeer('client.py', { port: b, bidirectional: true });
        await Promise.all([ends.waitFor('progress'), hangs.waitFor('progress')]);
        hangs.signal('SIGSTOP');
        const startMs = performance.now();
        gateway.signal('SIGINT');
        expect(await gateway.exited).toBe(0);
        const tookMs = performance.now() - startMs;
        await ends.waitFor('done');
        return tookMs;
      },
      (tookMs) => expect(tookMs).toBeLessThan(2000),
    );
  });
});
