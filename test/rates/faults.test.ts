import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { withinAttempts } from '../helpers/within-attempts.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';

const KILLS = 20;

const PICTURE = { height: 120, width: 400 };

describe('native clients', () => {
  // Runs concurrently with the next test, which mostly waits.
  it.concurrent(`are served after each of ${KILLS} restarts, without any effect on another client`, async ({
    expect,
  }) => {
    await withinAttempts(
      async () => {
        const [source, a, b] = (await freePorts(3)) as [number, number, number];
        await using gateway = await GatewayProcess.start(
          '--source',
          `netgear:tcp://127.0.0.1:${source}?pattern=1`,
          '--client',
          `tcp://127.0.0.1:${a}`,
          '--client',
          `tcp://127.0.0.1:${b}`,
        );
        await using healthy = new PythonPeer('client.py', {
          port: b,
          bidirectional: true,
          returns: 'b',
          warm_up: 30,
          ...PICTURE,
        });
        await using server = new PythonPeer('server.py', {
          port: source,
          bidirectional: true,
          frames: 30 * 60 * 5,
          ...PICTURE,
        });
        await healthy.waitFor<ClientReport>('progress', ({ last }) => (last ?? 0) > 30);
        for (let time = 1; time <= KILLS; time += 1) {
          const client = new PythonPeer('client.py', { port: a, bidirectional: true, returns: time, ...PICTURE });
          await client.waitFor<ClientReport>('progress', ({ first }) => first !== null);
          // The new value, not that of the previous client.
          const returned = await server.waitFor<{ data: Record<string, unknown> | null }>(
            'returned',
            ({ data }) => data?.[a] === time,
          );
          expect(returned.data).toEqual({ [a]: time, [b]: 'b' });
          client.signal('SIGKILL');
          await client.exited;
          await gateway.statusWhere('a missing client', ({ clients }) =>
            clients.some(({ port, state }) => port === a && state === 'connecting'),
          );
        }
        const felt = await healthy.waitFor<ClientReport>('progress');
        const [latest = felt] = healthy.events<ClientReport>('progress').slice(-1);
        expect(latest.mismatched).toBe(0);
        return latest;
      },
      ({ gaps, longest }) => {
        // A client that gets no processor time skips frames.
        expect(gaps).toBe(0);
        expect(longest).toBeLessThan(0.1);
      },
    );
  });

  it.concurrent('that read 10 of 30 frames per second are at most 1 s behind, 10 s after their queue of 96 is full', async ({
    expect,
  }) => {
    const [source, a, b] = (await freePorts(3)) as [number, number, number];
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}`,
      '--client',
      `tcp://127.0.0.1:${b}?pattern=0&fps=5`,
    );
    await using slow = new PythonPeer('client.py', { port: a, bidirectional: true, slow: 0.1, ...PICTURE });
    await using limited = new PythonPeer('client.py', {
      port: b,
      pattern: 0,
      bidirectional: true,
      slow: 0.1,
      ...PICTURE,
    });
    await gateway.statusWhere('two live clients', ({ clients }) => clients.every(({ state }) => state === 'live'));
    await using server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      frames: 30 * 120,
      ...PICTURE,
    });
    const reasonOf =
      (port: number) =>
      ({ clients }: Awaited<ReturnType<typeof gateway.status>>) =>
        clients.find((client) => client.port === port)?.reason ?? '';
    await gateway.statusWhere('a full queue', (status) => reasonOf(a)(status).startsWith('queue full'));
    await sleep(11_000);
    const latest = (peer: PythonPeer): ClientReport => peer.events<ClientReport>('progress').at(-1)!;
    await withinAttempts(
      async () => {
        const ages: (number | null)[] = [];
        for (let second = 0; second < 5; second += 1) {
          await sleep(1000);
          // With the rate set in advance, there is never a queue.
          ages.push(latest(slow).age, latest(limited).age);
        }
        return { ages, status: await gateway.status(), report: latest(slow) };
      },
      ({ ages, status, report: { count, busy } }) => {
        expect(Math.max(...ages.map((age) => age ?? Infinity)), ages.join(', ')).toBeLessThanOrEqual(1);
        const [, reads, limit] =
          /^reads ([\d.]+) fps; limited to ([\d.]+) fps to stay current$/.exec(reasonOf(a)(status))?.map(Number) ?? [];
        // Less than 10 on a busy machine.
        expect(Math.abs(reads! / (count / busy) - 1), `reads ${reads} fps, ${count} in ${busy} s`).toBeLessThan(0.1);
        expect(limit! / reads!).toBeCloseTo(0.9, 1);
        expect(status.clients.find(({ port }) => port === b)?.framesPerSecond).toBeCloseTo(5, 0);
      },
    );
    expect(server.isRunning).toBe(true);
  });

  it('get their first frame within 1 s if they bind late, in every pattern', async () => {
    const [source, ...ports] = (await freePorts(4)) as [number, number, number, number];
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      ...ports.flatMap((port, pattern) => ['--client', `tcp://127.0.0.1:${port}?pattern=${pattern}`]),
    );
    await using server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      frames: 30 * 60,
      ...PICTURE,
    });
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    for (const [pattern, port] of ports.entries()) {
      await withinAttempts(
        async () => {
          await using client = new PythonPeer('client.py', { port, pattern, bidirectional: pattern < 2, ...PICTURE });
          await client.waitFor('ready');
          const startMs = performance.now();
          await client.waitFor<ClientReport>('progress', ({ first }) => first !== null);
          return performance.now() - startMs;
        },
        (tookMs) => expect(tookMs, `pattern ${pattern}`).toBeLessThan(1000),
      );
    }
    expect(server.isRunning).toBe(true);
  });
});
