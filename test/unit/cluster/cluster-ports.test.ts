import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Logger, SILENT_LOGGER } from '../../../shared/logger.ts';
import { ClusterPorts } from '../../../gateway/cluster/cluster-ports.ts';
import { Membership } from '../../../gateway/cluster/membership.ts';
import { Replica } from '../../../gateway/cluster/store.ts';
import { logTo } from '../../helpers/log.ts';
import { ModelServers, ModelStore } from './model-store.ts';

const HOLDER = { revoke: () => undefined, lose: () => undefined };

/** @param patienceMs null for the default of `ClusterPorts`. */
async function createPorts({
  servers = new ModelServers(),
  patienceMs = 0,
  hasFailover = false,
  log = SILENT_LOGGER,
}: {
  readonly servers?: ModelServers;
  readonly patienceMs?: number | null;
  readonly hasFailover?: boolean;
  readonly log?: Logger;
} = {}): Promise<{
  readonly ports: ClusterPorts;
  readonly membership: Membership;
  readonly store: ModelStore;
  /** Sends a heartbeat, and delivers all writes. */
  readonly beat: () => Promise<void>;
  readonly writes: () => number;
}> {
  const store = new ModelStore(servers);
  const replica = new Replica(store);
  const membership = new Membership({ store, replica, name: 'A', describe: () => ({ url: null, streams: [] }), log });
  const ports = new ClusterPorts({
    stream: 'main',
    ranges: [{ from: 6000, to: 6099 }],
    reserved: [],
    hasFailover: () => hasFailover,
    replica,
    membership,
    log,
    ...(patienceMs === null ? {} : { patienceMs }),
  });
  await membership.beat();
  const beat = async (): Promise<void> => {
    await membership.beat().catch(() => undefined);
    store.deliver(replica);
  };
  return {
    ports,
    membership,
    store,
    beat,
    writes: () => servers.log.filter(({ key }) => key.startsWith('port.')).length,
  };
}

describe('ClusterPorts', () => {
  it('assigns different ports to viewers that connect at the same time, with one write each', async () => {
    const { ports, writes } = await createPorts();
    const leases = await Promise.all(Array.from({ length: 100 }, () => ports.lease({ ...HOLDER })));
    expect(new Set(leases.map(({ port }) => port)).size).toBe(100);
    expect(writes()).toBe(100);
  });

  it('assigns an address its share of the ports, whether its viewers connect at the same time or one after another', async () => {
    const granted = (results: readonly PromiseSettledResult<unknown>[]): number =>
      results.filter(({ status }) => status === 'fulfilled').length;
    const { ports } = await createPorts();
    const oneByOne: PromiseSettledResult<unknown>[] = [];
    for (let n = 0; n < 100; n += 1)
      oneByOne.push(...(await Promise.allSettled([ports.lease({ ...HOLDER }, { address: '192.0.2.1' })])));
    const { ports: others } = await createPorts();
    const together = await Promise.allSettled(
      Array.from({ length: 100 }, () => others.lease({ ...HOLDER }, { address: '192.0.2.1' })),
    );
    expect(granted(together)).toBe(granted(oneByOne));
    expect(granted(together)).toBeLessThan(100);
    const refused = together.find(({ status }) => status === 'rejected');
    expect(refused).toMatchObject({ reason: { code: 'address-limit' } });
  });

  it('can assign a port after its write has failed', async () => {
    const { ports, store } = await createPorts();
    store.isCut = true;
    await expect(ports.lease({ ...HOLDER }, { wanted: 6005 })).rejects.toMatchObject({ code: 'cluster-unreachable' });
    store.isCut = false;
    expect(await ports.lease({ ...HOLDER }, { wanted: 6005 })).toMatchObject({ port: 6005 });
  });

  it('logs once that ports cannot be written, and not for each of them', async () => {
    const lines: string[] = [];
    const { ports, store } = await createPorts({ log: logTo(lines) });
    const holders = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const holder = { ...HOLDER };
        return { holder, port: (await ports.lease(holder)).port };
      }),
    );
    store.refuses = (key) => key.startsWith('port.');
    for (const { holder, port } of holders) ports.leave(port, holder);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lines).toEqual([expect.stringContaining('could not be written: Permissions Violation')]);
  });

  it("recognizes the key of another gateway before this gateway's copy of the store was updated, and no older key", async () => {
    const servers = new ModelServers();
    const [{ ports: a }, { ports: b }] = [await createPorts({ servers }), await createPorts({ servers })];
    const holder = { ...HOLDER };
    await a.lease({ ...HOLDER });
    const first = await a.lease(holder);
    const second = await a.lease({ ...HOLDER }, { key: first.leaseKey });
    await expect(b.lease({ ...HOLDER }, { key: first.leaseKey, wanted: first.port })).rejects.toMatchObject({
      code: 'port-taken',
    });
    const third = await b.lease({ ...HOLDER }, { key: second.leaseKey });
    expect(third.port).toBe(first.port);
    expect((await a.lease({ ...HOLDER }, { key: third.leaseKey, wanted: first.port })).port).toBe(first.port);
  });

  it('waits while the connection to a server is being restored, and adopts a write whose answer was lost', async () => {
    const { ports, store, writes } = await createPorts({ patienceMs: 60_000 });
    store.losesAnswer = true;
    const leased = ports.lease({ ...HOLDER });
    store.isCut = true;
    setTimeout(() => (store.isCut = false), 150);
    expect(await leased).toMatchObject({ port: 6000 });
    expect(writes()).toBe(1);
  });

  it.each([
    ['a new viewer', {}],
    ['a viewer with the key of another gateway', { key: `1770${'0'.repeat(28)}` }],
  ])('lets %s wait for at most 3 s while heartbeats can be written, but ports cannot', async (_, request) => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { ports, membership, store } = await createPorts({ patienceMs: null });
    store.refuses = (key) => key.startsWith('port.');
    let outcome: unknown = 'waiting';
    void ports.lease({ ...HOLDER }, request).catch((error: unknown) => (outcome = error));
    for (let passedMs = 0; passedMs < 2900; passedMs += 100) {
      await vi.advanceTimersByTimeAsync(100);
      await membership.beat();
    }
    expect(outcome).toBe('waiting');
    await vi.advanceTimersByTimeAsync(200);
    expect(outcome).toMatchObject({ code: 'cluster-unreachable' });
    expect((outcome as Error).message).toContain('Permissions Violation');
    expect(vi.getTimerCount()).toBe(0);
    // The port can still be assigned.
    store.refuses = () => false;
    expect(await ports.lease({ ...HOLDER })).toMatchObject({ port: 6000 });
  });

  it.each([
    { hasFailover: false, keepsMs: 29_000, receiver: 'viewers' },
    { hasFailover: true, keepsMs: 4500, receiver: 'viewers' },
    { hasFailover: true, keepsMs: 4500, receiver: 'native clients' },
  ] as const)(
    'frees the port of a native client for $receiver after its gateway was cut off and has given it up (failover: $hasFailover)',
    async ({ hasFailover, keepsMs, receiver }) => {
      vi.useFakeTimers();
      onTestFinished(() => void vi.useRealTimers());
      const servers = new ModelServers();
      const [a, b] = [await createPorts({ servers, hasFailover }), await createPorts({ servers, hasFailover })];
      const lost: string[] = [];
      a.ports.reserve(6000, (reason) => lost.push(reason));
      await vi.advanceTimersByTimeAsync(0);
      for (const one of [a, b]) await one.beat();
      a.store.isCut = true;
      const isFree = (): boolean => {
        if (receiver === 'viewers') return b.ports.status().free === 100;
        try {
          b.ports.reserve(6000);
          return true;
        } catch (error) {
          expect(error).toMatchObject({ code: 'port-taken' });
          return false;
        }
      };
      let keptMs = 0;
      let freeMs = 0;
      for (let ms = 500; freeMs === 0; ms += 500) {
        await vi.advanceTimersByTimeAsync(500);
        for (const one of [a, b]) {
          await one.beat();
          one.ports.tick();
        }
        if (lost.length === 0) keptMs = ms;
        if (isFree()) freeMs = ms;
        expect(ms).toBeLessThan(60_000);
      }
      expect(lost).toHaveLength(1);
      expect(keptMs).toBeGreaterThanOrEqual(keepsMs);
      expect(freeMs).toBeGreaterThan(keptMs);
      // Clients end after 12 s without a frame.
      if (receiver === 'native clients') expect(freeMs).toBeLessThan(9000);
    },
  );
});
