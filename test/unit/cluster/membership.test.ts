import { expect, it } from 'vitest';
import { memberKey } from '../../../gateway/cluster/membership.ts';
import { member, OneGateway } from './one-gateway.ts';

it('reports another gateway of the same name once, but not the last beat of its own former process', async () => {
  const gateway = new OneGateway();
  await gateway.beat();
  const warnings = (): readonly string[] => gateway.logged.filter((line) => line.includes('?gateway=NAME'));
  gateway.put(memberKey('former'), member('former', { name: 'A', number: 100 }));
  gateway.put(memberKey('other'), member('other', { name: 'B', number: 1 }));
  gateway.put(memberKey('other'), member('other', { name: 'B', number: 2 }));
  expect(warnings()).toEqual([]);
  for (let number = 1; number <= 3; number += 1) gateway.put(memberKey('twin'), member('twin', { name: 'A', number }));
  expect(warnings()).toHaveLength(1);
});
