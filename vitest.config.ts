import { defineConfig } from 'vitest/config';

/**
 * The folder of a test decides where it runs: `npm test` runs test/unit, test/interop (real peers) and test/browser
 * (Chromium); `npm run test:soak` runs test/soak, which measures rates and long silences one file after another, and
 * the files in folders named `each` in Firefox.
 */
const soakSeconds = Number(process.env['GEARWAY_SOAK_SECONDS'] ?? '10');
// Tests with real peers and browsers share a machine with others, and can lose the processor for seconds. One that
// fails is repeated once, and the summary names it as flaky: each such line is a defect of the test or of the code.
const retry = 1;
const globalSetup = ['test/helpers/temporary-folder.ts'];
// Real peers mostly wait, browsers mostly compute: together they keep two cores busy.
const peers = {
  testTimeout: 90_000,
  hookTimeout: 60_000,
  retry,
  globalSetup,
  maxWorkers: 6,
  sequence: { groupOrder: 1 },
};
const soak = {
  testTimeout: 150_000 + 6000 * soakSeconds,
  hookTimeout: 60_000,
  fileParallelism: false,
  retry,
  globalSetup,
};

export default defineConfig({
  test: {
    reporters: ['default', './scripts/summary-reporter.mjs'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 30_000,
          maxWorkers: 4,
          isolate: false,
          globalSetup,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'interop',
          include: ['test/interop/**/*.test.ts'],
          ...peers,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          ...peers,
        },
      },
      { test: { name: 'soak', include: ['test/soak/**/*.test.ts'], ...soak, sequence: { groupOrder: 3 } } },
      {
        test: {
          name: 'firefox',
          include: ['test/browser/each/*.test.ts', 'test/soak/browser/each/*.test.ts'],
          env: { GEARWAY_TEST_BROWSER: 'firefox' },
          ...soak,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
