import { expect, it } from 'vitest';
import { BEATS_OF_THE_DEAD, CLUSTER_PROTOCOL, memberKey, Membership } from '../../../gateway/cluster/membership.ts';
import { Ownership } from '../../../gateway/cluster/ownership.ts';
import { Replica } from '../../../gateway/cluster/store.ts';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { ModelServers, ModelStore } from './model-store.ts';

it('names the owner that is considered dead until another gateway owns the stream, or it has left', async () => {
  const servers = new ModelServers();
  const store = new ModelStore(servers);
  const replica = new Replica(store);
  const log = SILENT_LOGGER;
  const membership = new Membership({ store, replica, name: 'A', describe: () => ({ url: null, streams: [] }), log });
  const ownership = new Ownership({ replica, membership, streams: new Map(), log });
  const put = (key: string, value: unknown): void => {
    servers.put(key, JSON.stringify(value));
    store.deliver(replica);
  };
  const beat = (id: string, hasLeft = false): void =>
    put(memberKey(id), { id, name: id, url: null, protocol: CLUSTER_PROTOCOL, hasLeft, number: 1, streams: [] });

  expect(ownership.lastOwnerOf('main')).toBeNull();
  beat('b');
  put('owner.main', { member: 'b' });
  expect([ownership.ownerOf('main'), ownership.lastOwnerOf('main')]).toEqual(['b', 'b']);
  for (let count = 0; count <= BEATS_OF_THE_DEAD; count += 1) {
    await membership.beat();
    store.deliver(replica);
  }
  expect([ownership.ownerOf('main'), ownership.lastOwnerOf('main')]).toEqual([null, 'b']);
  beat('c');
  put('owner.main', { member: 'c' });
  expect([ownership.ownerOf('main'), ownership.lastOwnerOf('main')]).toEqual(['c', 'c']);
  beat('c', true);
  expect([ownership.ownerOf('main'), ownership.lastOwnerOf('main')]).toEqual([null, null]);
  put('owner.main', { member: null });
  expect(ownership.lastOwnerOf('main')).toBeNull();
});
