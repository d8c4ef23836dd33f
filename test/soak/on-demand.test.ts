import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';

describe('a source on demand', () => {
  it('is never closed while a native client is connected', async () => {
    const [port = 0] = await freePorts(1);
    await using gateway = await GatewayProcess.start(
      '--source',
      'test-pattern:?size=320x180&fps=15&onDemand=true',
      '--client',
      `tcp://127.0.0.1:${port}`,
    );
    await using client = new PythonPeer('client.py', { port });
    await client.waitFor('progress');
    // The client's first pictures may be the placeholder while the source is being opened.
    const { counters } = await gateway.statusWhere('a running source', ({ source }) => source.state === 'running');
    // Longer than the delay after which the source is closed.
    await sleep(8000);
    const later = await gateway.status();
    expect(later.source.state).toBe('running');
    expect(later.counters.received - counters.received).toBeGreaterThan(75);
    client.signal('SIGKILL');
    await gateway.statusWhere('a source without viewers', ({ source }) => source.state === 'asleep');
  });
});
