import { expect, it, vi } from 'vitest';
import { memberKey } from '../../../gateway/cluster/membership.ts';
import { member, OneGateway } from './one-gateway.ts';

it('reports another gateway of the same name once, but not the last heartbeat of its own former process', async () => {
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

it('logs few changes of gateways, however often another program writes them', async () => {
  const gateway = new OneGateway();
  await gateway.beat();
  for (let number = 1; number <= 500; number += 1)
    gateway.put(memberKey('c'), member('c', { number, name: number % 2 ? 'A' : 'B', hasLeft: number % 4 === 0 }));
  expect(gateway.logged.length).toBeGreaterThan(3);
  expect(gateway.logged.length).toBeLessThan(40);
  // Later, real changes are logged again.
  const nowMs = performance.now();
  vi.spyOn(performance, 'now').mockReturnValue(nowMs + 11_000);
  gateway.put(memberKey('d'), member('d', { name: 'D' }));
  vi.restoreAllMocks();
  expect(gateway.logged.at(-1)).toMatch(/gateway D is connected \(\d+ more messages about gateways were not logged\)/);
});
