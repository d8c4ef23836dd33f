import { defineConfig } from 'vitest/config';
import { SOAK_SECONDS } from './test/helpers/soak.ts';

// Peers and browsers are heavy and measure time: those files run one after another, after the quick ones.
const slow = ['test/interop/**/*.test.ts', 'test/web/**/*.test.ts', 'test/bench/smoke.test.ts'];

export default defineConfig({
  test: {
    reporters: ['default', './scripts/summary-reporter.mjs'],
    projects: [
      { test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: slow, testTimeout: 10_000, sequence: { groupOrder: 0 } } },
      { test: { name: 'peers', include: slow, testTimeout: 150_000 + 6000 * SOAK_SECONDS, hookTimeout: 60_000, fileParallelism: false, sequence: { groupOrder: 1 } } },
    ],
  },
});
