import { expect, it } from 'vitest';
import { RareWarnings } from '../../../gateway/cluster/rare-warnings.ts';
import { logTo } from '../../helpers/log.ts';

it('RareWarnings logs one warning per 10 s, with the number of the others', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const warnings = new RareWarnings(logTo(lines), () => nowMs);
  for (nowMs = 0; nowMs <= 20_000; nowMs += 100) warnings.warn(`at ${nowMs}`);
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/at 0$/);
  expect(lines[1]).toMatch(/at 10000 \(and 99 more warnings before\)$/);
});
