import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, it } from 'vitest';
import { BENCHES } from '../bench/benches.ts';
import { ARTIFACTS } from '../bench/report-files.ts';
import type { Report } from '../bench/report.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Number of benchmarks in one command, because starting it takes seconds. They differ in length: each takes every n-th. */
const COMMANDS = 4;
const NAMES = Array.from({ length: COMMANDS }, (_, command) =>
  BENCHES.map(({ name }) => name).filter((_name, index) => index % COMMANDS === command),
);

// Checks only that each benchmark runs and measures: on a shared machine, targets may not be met. So several at a time,
// which mostly wait.
describe.concurrent('npm run bench', () => {
  it.for(NAMES.map((names) => [names.join(' '), names] as const))('%s', async ([, names], { expect }) => {
    const { stdout } = await promisify(execFile)(
      'npm',
      ['run', 'bench', '--', ...names, '--rounds', '1', '--seconds', '0.5', '--viewers', '2'],
      { cwd: ROOT },
    );
    for (const bench of names) {
      const report = JSON.parse(await readFile(`${ARTIFACTS}bench-${bench}.json`, 'utf8')) as Report;
      expect(report.lines.length, bench).toBeGreaterThan(0);
      for (const { what, series } of report.lines) {
        expect(stdout).toContain(what);
        for (const { name: of, values } of series) {
          expect(values.length, `${bench}: ${what}: ${of}`).toBeGreaterThan(0);
          expect(
            values.every((value) => Number.isFinite(value)),
            `${bench}: ${what}: ${of}: ${values.join(', ')}`,
          ).toBe(true);
        }
      }
    }
  });
});
