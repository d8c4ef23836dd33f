import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

describe('the model of a cluster', () => {
  it('never violates its invariants in 10,000 random histories', async () => {
    const vitest = spawn(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', 'test/unit/cluster/histories.test.ts'],
      { cwd: ROOT, env: { ...process.env, GEARWAY_HISTORIES: '10000' }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    // Vitest's workers inherit the priority.
    setPriority(vitest.pid!, constants.priority.PRIORITY_LOW);
    const ended = new Promise((resolve) => vitest.once('exit', resolve));
    const output = await text(vitest.stdout);
    expect(await ended, output.slice(-4000)).toBe(0);
  }, 900_000);
});
