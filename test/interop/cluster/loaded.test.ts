import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Child } from '../../helpers/child.ts';
import { NatsServer } from '../../helpers/nats.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Files that a gateway has loaded when it serves. */
async function loadedBy(...args: string[]): Promise<readonly string[]> {
  await using gateway = new Child(
    process.execPath,
    ['--import', './test/helpers/loaded-modules.mjs', 'dist/gateway/main.js', '--port', '0', ...args],
    { cwd: ROOT },
  );
  await gateway.stdout.waitFor('the ready line', (line) => (line.startsWith('Gearway is serving') ? line : undefined));
  return gateway.stderr.all.filter((line) => line.startsWith('loaded '));
}

/** The address of the cluster is read with the other options. */
const ofCluster = (file: string): boolean =>
  file.includes('/@nats-io/') ||
  (file.includes('/dist/gateway/cluster/') && !file.endsWith('/dist/gateway/cluster/cluster-address.js'));

describe('gearway', () => {
  it('loads NATS and the code of the cluster with --cluster only', async () => {
    const alone = await loadedBy('--source', 'push:');
    expect(alone.length).toBeGreaterThan(50);
    expect(alone.filter(ofCluster)).toEqual([]);
    await using nats = await NatsServer.start();
    const clustered = await loadedBy('--source', 'push:', '--cluster', nats.url);
    expect(clustered.filter(ofCluster).length).toBeGreaterThan(10);
  });
});
