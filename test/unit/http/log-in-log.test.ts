import { expect, it } from 'vitest';
import { LogInLog } from '../../../gateway/http/log-in-log.ts';
import { logTo } from '../../helpers/log.ts';

it('LogInLog logs at most 20 log-ins per 10 s of a user who logs in repeatedly, and all log-ins of others', () => {
  const lines: string[] = [];
  const log = new LogInLog(logTo(lines));
  for (let nowMs = 0; nowMs < 10_000; nowMs += 10) log.loggedIn('bob', '192.0.2.1', nowMs);
  log.loggedIn('ann', '192.0.2.2', 9990);
  expect(lines).toHaveLength(21);
  expect(lines.at(-1)).toContain('192.0.2.2: ann logged in');
  log.loggedIn('bob', '192.0.2.1', 10_000);
  expect(lines.at(-1)).toContain('192.0.2.1: bob logged in (and 980 more times before)');
  log.loggedIn('bob', '192.0.2.1', 10_001);
  expect(lines.at(-1)).toMatch(/bob logged in$/);
});
