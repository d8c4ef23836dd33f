import { expect, it } from 'vitest';
import { BEATS_UNTIL_DEAD, memberKey, Membership } from '../../../gateway/cluster/membership.ts';
import { Ownership } from '../../../gateway/cluster/ownership.ts';
import { Replica } from '../../../gateway/cluster/store.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { logTo } from '../../helpers/log.ts';
import { ModelServers, ModelStore } from './model-store.ts';
import { member, OneGateway } from './one-gateway.ts';

it('names the owner that is considered dead until another gateway owns the stream, or it has left', async () => {
  const gateway = new OneGateway();
  const owners = (): (string | null)[] => [
    gateway.ownership.ownerOf('main'),
    gateway.ownership.lastOwnerOf('main')?.id ?? null,
  ];
  expect(owners()).toEqual([null, null]);
  gateway.put(memberKey('b'), member('b'));
  gateway.put('owner.main', { member: 'b' });
  expect(owners()).toEqual(['b', 'b']);
  for (let count = 0; count <= BEATS_UNTIL_DEAD; count += 1) await gateway.beat();
  expect(owners()).toEqual([null, 'b']);
  gateway.put(memberKey('c'), member('c'));
  gateway.put('owner.main', { member: 'c' });
  expect(owners()).toEqual(['c', 'c']);
  gateway.put(memberKey('c'), member('c', { hasLeft: true }));
  expect(owners()).toEqual([null, null]);
  gateway.put('owner.main', { member: null });
  expect(owners()).toEqual([null, null]);
});

it('logs once that streams cannot be claimed, however often and for how many it is tried', async () => {
  const store = new ModelStore(new ModelServers());
  const replica = new Replica(store);
  const description = { url: null, streams: [] };
  const membership = new Membership({ store, replica, name: 'A', describe: () => description, log: SILENT_LOGGER });
  const lines: string[] = [];
  const streams = new Map(['door', 'yard', 'gate'].map((name) => [name, { hasFailover: true }]));
  const ownership = new Ownership({ replica, membership, streams, log: logTo(lines) });
  store.refuses = (key) => key.startsWith('owner.');
  for (let beat = 0; beat < 20; beat += 1) {
    await membership.beat();
    store.deliver(replica);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(ownership.isOwner('door')).toBe(false);
  expect(lines).toEqual([expect.stringContaining('could not be claimed: Permissions Violation')]);
});
