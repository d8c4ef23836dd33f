import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { stopProgram } from '../helpers/child.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { NatsServer } from '../helpers/nats.ts';
import { WebViewer } from '../helpers/web-viewer.ts';
import { get, Here, served, until } from '../interop/cluster/here.ts';
import type { StreamStatus } from '../../shared/status.ts';

const PATTERN = 'main=test-pattern:?size=320x180&fps=20';

describe('a gateway that is suspended for 10 s', () => {
  it('loses its source to another gateway, and does not take over the return data of others when it resumes', async () => {
    await using nats = await NatsServer.start();
    await using a = await GatewayProcess.start(
      '--source',
      PATTERN,
      '--failover',
      'main',
      '--cluster',
      `${nats.url}?gateway=A`,
    );
    await a.url;
    await using b = await Here.start(nats.url, 'B', { source: PATTERN, failover: ['main'] });
    await using c = await Here.start(nats.url, 'C', { source: 'shed=push:' });
    await Promise.all([served(b.url, 'main'), served(c.url, 'main')]);
    await using atB = await WebViewer.open(`${b.url}/streams/main`);
    await using atC = await WebViewer.open(`${c.url}/streams/main`);
    const home = async (): Promise<string | undefined> =>
      (await get<StreamStatus>(`${c.url}/api/streams/main`)).gateway?.name;
    expect(await until('an owner', home, (name) => name !== undefined)).toBe('A');
    await atC.return({ kind: 'value', value: 'before' });
    await stopProgram(a);
    expect(await until('another owner', home, (name) => name === 'B')).toBe('B');
    const before = [atB, atC].map(({ messages }) => messages.length);
    await until(
      'frames at both',
      () => [atB, atC].map(({ messages }) => messages.length),
      (counts) => counts.every((count, index) => count > before[index]! + 5),
    );
    await sleep(8000);
    a.signal('SIGCONT');
    await sleep(3000);
    expect(await home()).toBe('B');
    expect([atB.isOpen, atC.isOpen]).toEqual([true, true]);
    const returns = b.gateway.stream.returns();
    for (const [viewer, value] of [
      [atB, 'own'],
      [atC, 'remote'],
    ] as const) {
      await viewer.return({ kind: 'value', value });
      expect((await returns.next()).value).toEqual({ port: (await viewer.welcome).port, data: value });
    }
  });
});
