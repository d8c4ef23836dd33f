import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, it } from 'vitest';
import { BENCHES } from '../bench/benches.ts';
import { ARTIFACTS } from '../bench/report-files.ts';
import type { Report } from '../bench/report.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// Checks only that each benchmark runs and measures: on a shared machine, targets may not be met. Several run at
// a time, because they mostly wait.
describe.concurrent('npm run bench', () => {
  it.for(BENCHES.map(({ name }) => name))('%s', async (name, { expect }) => {
    const { stdout } = await promisify(execFile)(
      'npm',
      ['run', 'bench', '--', name, '--rounds', '1', '--seconds', '0.5', '--viewers', '2'],
      { cwd: ROOT },
    );
    const report = JSON.parse(await readFile(`${ARTIFACTS}bench-${name}.json`, 'utf8')) as Report;
    expect(report.lines.length).toBeGreaterThan(0);
    for (const { what, series } of report.lines) {
      expect(stdout).toContain(what);
      for (const { name: of, values } of series) {
        expect(values.length, `${what}: ${of}`).toBeGreaterThan(0);
        expect(
          values.every((value) => Number.isFinite(value)),
          `${what}: ${of}: ${values.join(', ')}`,
        ).toBe(true);
      }
    }
  });
});
