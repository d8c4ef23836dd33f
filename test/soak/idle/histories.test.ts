import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the model of a cluster', () => {
  it('never violates its invariants in 10,000 random histories', () => {
    const { status, stdout } = spawnSync(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', 'test/unit/cluster/histories.test.ts'],
      { cwd: ROOT, encoding: 'utf8', env: { ...process.env, GEARWAY_HISTORIES: '10000' } },
    );
    expect(status, stdout.slice(-4000)).toBe(0);
  }, 900_000);
});
