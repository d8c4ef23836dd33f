import { createServer, type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Child } from '../../helpers/child.ts';
import { ROOT } from '../../helpers/example-lines.ts';
import { freePorts } from '../../helpers/free-port.ts';

/** A gateway that waits for its cluster, and has logged that. */
async function waiting(port: number): Promise<Child> {
  const gateway = new Child(
    process.execPath,
    ['dist/gateway/main.js', '--port', '0', '--source', 'push:', '--cluster', `nats://127.0.0.1:${port}`],
    { cwd: ROOT },
  );
  await gateway.stderr.waitFor('the notice', (line) =>
    line.includes(`no NATS server has answered yet at 127.0.0.1:${port}`) ? line : undefined,
  );
  return gateway;
}

describe('a gateway that waits for its cluster', () => {
  it('exits with 0 when it is stopped, without waiting for its limit', async () => {
    const [port] = (await freePorts(1)) as [number];
    await using gateway = await waiting(port);
    gateway.signal('SIGTERM');
    expect(await gateway.exited).toBe(0);
    expect(gateway.stderr.all.join('\n')).not.toMatch(/killed because|error/i);
  });

  it('exits when it is stopped while it tries to connect to a server that does not answer', async () => {
    await using server = createServer();
    server.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    await using gateway = await waiting((server.address() as AddressInfo).port);
    gateway.signal('SIGTERM');
    // It may end by the signal, because the library cannot abort an attempt to connect.
    expect([0, null]).toContain(await gateway.exited);
    expect(gateway.stderr.all.join('\n')).not.toMatch(/killed because|error/i);
  });
});
