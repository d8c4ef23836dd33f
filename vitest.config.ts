import { defineConfig } from 'vitest/config';
import { SOAK_SECONDS } from './test/helpers/soak.ts';

// Peers and browsers are heavy and measure time: those files run one after another, after the quick ones. Some of them mostly
// wait, and measure nothing that a neighbour could disturb: these run two at a time.
const waiting = ['probe', 'library', 'secure', 'types', 'docs', 'sources-docs', 'protocol-viewer', 'imagezmq', 'netgear-async', 'directory', 'malformed', 'ffmpeg', 'supervisors', 'log', 'secrets'].map((name) => `test/interop/${name}.test.ts`).concat(['test/web/leases.test.ts', 'test/web/examples.test.ts', 'test/web/publisher.test.ts']);
const slow = ['test/interop/**/*.test.ts', 'test/web/**/*.test.ts', 'test/bench/smoke.test.ts'];
const testTimeout = 150_000 + 6000 * SOAK_SECONDS;

export default defineConfig({
  test: {
    reporters: ['default', './scripts/summary-reporter.mjs'],
    projects: [
      { test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: slow, testTimeout: 30_000, maxWorkers: 4, sequence: { groupOrder: 0 } } },
      { test: { name: 'pairs', include: waiting, testTimeout, hookTimeout: 60_000, maxWorkers: 2, sequence: { groupOrder: 1 } } },
      { test: { name: 'peers', include: slow, exclude: waiting, testTimeout, hookTimeout: 60_000, fileParallelism: false, sequence: { groupOrder: 2 } } },
    ],
  },
});
