import { describe, expect, it } from 'vitest';
import { feature } from '../../../shared/protocol.ts';
import type { ControlStatus, StreamStatus } from '../../../shared/status.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { GatewayProcess } from '../../helpers/gateway-process.ts';
import { NatsServer } from '../../helpers/nats.ts';
import { PythonPeer } from '../../helpers/peers.ts';
import { WebViewer } from '../../helpers/web-viewer.ts';
import { get, Here, served, until } from './here.ts';

const PATTERN = 'main=test-pattern:?size=320x180&fps=10';

function viewer(url: string, name: string): Promise<WebViewer> {
  return WebViewer.open(`${url}/streams/main`, { name, features: [feature.control] });
}

async function controlAt(url: string): Promise<ControlStatus | null | undefined> {
  return (await get<StreamStatus>(`${url}/api/streams/main`)).control;
}

/** Waits until each of the gateways reports this holder. */
async function heldBy(port: number | null, ...urls: string[]): Promise<void> {
  for (const url of urls)
    await until(
      `the holder ${port}`,
      () => controlAt(url),
      (control) => control?.port === port,
    );
}

describe('exclusive control over NATS', () => {
  it('is handed over between viewers of several gateways, and lost with the gateway of the driver', async () => {
    await using nats = await NatsServer.start();
    const [port] = (await freePorts(1)) as [number];
    const source = `main=netgear:tcp://127.0.0.1:${port}?pattern=1`;
    await using a = await Here.start(nats.url, 'A', { source, control: 'exclusive' });
    await using b = await GatewayProcess.start('--source', 'yard=push:', '--cluster', `${nats.url}?gateway=B`);
    await using c = await Here.start(nats.url, 'C', { source: 'shed=push:' });
    await using server = new PythonPeer('server.py', { port, bidirectional: true, frames: 30_000 });
    const urlB = await b.url;
    await Promise.all([served(urlB, 'main'), served(c.url, 'main')]);
    await using own = await viewer(a.url, 'desk');
    const remote = await viewer(urlB, 'lab');
    const [ownPort, remotePort] = [(await own.welcome).port!, (await remote.welcome).port!];
    const drives = (data: Record<string, unknown> | null): unknown => Object.entries(data ?? {}).filter(([, v]) => v);
    const returned = (expected: Record<string, unknown>): Promise<unknown> =>
      server.waitFor<{ readonly data: Record<string, unknown> | null }>(
        'returned',
        ({ data }) => JSON.stringify(drives(data)) === JSON.stringify(Object.entries(expected)),
      );
    await remote.control('take');
    await remote.return({ kind: 'value', value: { drive: 1 } });
    await expect(own.return({ kind: 'value', value: { drive: 2 } })).rejects.toThrow('no-control');
    await returned({ [remotePort]: { drive: 1 } });
    await heldBy(remotePort, a.url, urlB, c.url);
    expect(await controlAt(c.url)).toMatchObject({ name: 'lab', client: null });
    // Control is handed over to the other gateway and back.
    await remote.control('hand-over', ownPort);
    await own.return({ kind: 'value', value: { drive: 3 } });
    await returned({ [ownPort]: { drive: 3 } });
    await heldBy(ownPort, a.url, urlB, c.url);
    await expect(remote.return({ kind: 'value', value: { drive: 4 } })).rejects.toThrow('no-control');
    await remote.return({ kind: 'value', value: { stop: true } });
    await returned({ [ownPort]: { drive: 3 }, [remotePort]: { stop: true } });
    await own.control('hand-over', remotePort);
    await heldBy(remotePort, urlB);
    await remote.return({ kind: 'value', value: { drive: 5 } });
    await returned({ [remotePort]: { drive: 5 } });
    b.signal('SIGKILL');
    const killedAtMs = performance.now();
    await server.waitFor<{ readonly data: Record<string, unknown> | null }>(
      'returned',
      ({ data }) => data !== null && !(String(remotePort) in data),
    );
    await heldBy(null, a.url, c.url);
    expect(performance.now() - killedAtMs).toBeLessThan(5000);
    await using next = await viewer(c.url, 'gate');
    // Takes control again in case this process was suspended for so long that control was lost.
    const drive = async (): Promise<void> => {
      await next.control('take');
      await next.return({ kind: 'value', value: { drive: 6 } });
    };
    await Promise.all([
      returned({ [(await next.welcome).port!]: { drive: 6 } }),
      until(
        'control',
        () => drive().then(String, String),
        (result) => result === 'undefined',
      ),
    ]);
    // Control is taken away at a gateway that does not run the source.
    const revoked = await fetch(`${c.url}/api/streams/main/control`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${c.gateway.administratorKey}` },
    });
    expect(revoked.status).toBe(200);
    await returned({});
    await heldBy(null, a.url, c.url);
  });

  it('has no holder after another gateway has taken over the source', async () => {
    await using nats = await NatsServer.start();
    const options = { source: PATTERN, failover: ['main'], control: 'exclusive' } as const;
    await using a = await GatewayProcess.start(
      '--source',
      PATTERN,
      '--failover',
      'main',
      '--control',
      'exclusive',
      '--cluster',
      `${nats.url}?gateway=A`,
    );
    const urlA = await a.url;
    await using b = await Here.start(nats.url, 'B', options);
    await using c = await Here.start(nats.url, 'C', { source: 'shed=push:' });
    await Promise.all([served(b.url, 'main'), served(c.url, 'main')]);
    await using driver = await viewer(c.url, 'driver');
    await using other = await viewer(b.url, 'other');
    const { port } = await driver.welcome;
    await driver.control('take');
    await driver.return({ kind: 'value', value: { drive: 1 } });
    await heldBy(port, urlA, b.url, c.url);
    a.signal('SIGKILL');
    await until(
      'the owner B',
      async () => (await get<StreamStatus>(`${c.url}/api/streams/main`)).gateway?.name,
      (name) => name === 'B',
    );
    await heldBy(null, b.url, c.url);
    await until(
      'a refusal',
      () => driver.return({ kind: 'value', value: { drive: 2 } }).catch((error: unknown) => String(error)),
      (error) => String(error).includes('no-control'),
    );
    // The new owner decides who has control.
    await other.control('take');
    await heldBy((await other.welcome).port, b.url, c.url);
    await expect(driver.control('take')).rejects.toThrow('control-taken');
    await other.control('hand-over', port!);
    await heldBy(port, b.url, c.url);
    await driver.return({ kind: 'value', value: { drive: 3 } });
  });
});
