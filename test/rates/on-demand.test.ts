import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { withinAttempts } from '../helpers/within-attempts.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { Viewer } from '../helpers/viewer.ts';

/** Waits between two checks of a condition without an event. */
const elapse = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const sleeps = (gateway: GatewayProcess, timeoutMs?: number): Promise<unknown> =>
  gateway.statusWhere('a source without viewers', ({ source }) => source.state === 'asleep', timeoutMs);

describe('a source on demand', () => {
  let gateway: GatewayProcess;
  let port: number;

  beforeAll(async () => {
    [port = 0] = await freePorts(1);
    gateway = await GatewayProcess.start(
      '--source',
      'test-pattern:?onDemand=true',
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
  });

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
  });

  it('shows its first picture within a second of the first viewer, and is closed within 5 s of the last', async () => {
    await withinAttempts(
      async () => {
        await sleeps(gateway);
        const came = performance.now();
        const viewer = await Viewer.connect(await gateway.url);
        await viewer.hello();
        await viewer.until('frame');
        const firstMs = performance.now() - came;
        await viewer[Symbol.asyncDispose]();
        const left = performance.now();
        await sleeps(gateway);
        return { firstMs, asleepMs: performance.now() - left };
      },
      ({ firstMs, asleepMs }) => {
        expect(firstMs).toBeLessThan(1000);
        expect(asleepMs).toBeLessThan(5000);
      },
    );
  });

  it('is never closed while a native client is connected', async () => {
    await using client = new PythonPeer('client.py', { port });
    await client.waitFor('progress');
    // The client's first pictures may be the placeholder while the source is being opened.
    const { counters } = await gateway.statusWhere('a running source', ({ source }) => source.state === 'running');
    // Longer than the delay after which the source is closed.
    await elapse(8000);
    const later = await gateway.status();
    expect(later.source.state).toBe('running');
    expect(later.counters.received - counters.received).toBeGreaterThan(150);
    client.signal('SIGKILL');
    await sleeps(gateway);
  });
});
