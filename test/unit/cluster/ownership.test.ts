import { expect, it } from 'vitest';
import { BEATS_UNTIL_DEAD, memberKey } from '../../../gateway/cluster/membership.ts';
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
