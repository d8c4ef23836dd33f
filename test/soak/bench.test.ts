import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, it } from 'vitest';
import { BENCHES } from '../bench/benches.ts';
import { ARTIFACTS } from '../bench/report-files.ts';
import type { Report } from '../bench/report.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Number of benchmarks in one command: starting it takes two seconds of processor time. */
const PER_COMMAND = 3;
const NAMES = BENCHES.map(({ name }) => name);
const COMMANDS = NAMES.flatMap((_name, index) =>
  index % PER_COMMAND === 0 ? [NAMES.slice(index, index + PER_COMMAND)] : [],
);

// Checks only that each benchmark runs and measures: on a shared machine, targets may not be met. Several run at
// a time, because they mostly wait.
describe.concurrent('npm run bench', () => {
  it.for(COMMANDS.map((names) => [names.join(' '), names] as const))(
    '%s',
    { timeout: 600_000 },
    async ([, names], { expect, signal }) => {
      const { stdout } = await promisify(execFile)(
        'npm',
        ['run', 'bench', '--', ...names, '--rounds', '1', '--seconds', '0.5', '--viewers', '2'],
        // After a timeout, the command must not occupy the machine while the test is repeated.
        { cwd: ROOT, signal },
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
    },
  );
});
