import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The folder of a test determines how it is run: `npm test` runs test/unit, test/interop (real peers) and test/browser
 * (Chromium); `npm run test:soak` runs test/soak, the files in folders named `each` in Firefox, and finally test/rates,
 * which measures rates and times. Four files run at a time, including those of test/soak/idle, which compute with the
 * lowest priority; files in test/rates/alone run one after another.
 */
const soakSeconds = Number(process.env['GEARWAY_SOAK_SECONDS'] ?? '10');
// Tests with real peers and browsers share the machine with other programs, and may get no processor time for seconds.
// A test that fails is repeated up to twice, after a pause. If it then passes, the summary lists it as flaky: the test
// or the code has a defect.
const retry = { count: 2, delay: 3000 };
const globalSetup = ['test/helpers/temporary-folder.ts'];
// The default is 1 s, in which a busy machine may not complete the work that a test waits for.
const expect = { poll: { timeout: 20_000 } };
const FIREFOX = { GEARWAY_TEST_BROWSER: 'firefox' };
// Files share processes: one Python host and one copy of the gateway's modules per worker.
const peers = { testTimeout: 90_000, hookTimeout: 60_000, retry, isolate: false, globalSetup, expect };
// Real peers mostly wait, and browsers mostly compute, so that together they keep two cores busy. They are one project,
// because a worker whose next file belongs to another project ends, with its browser and its Python host.
const mixed = { ...peers, maxWorkers: 6, maxConcurrency: 3, sequence: { groupOrder: 1 } };
const long = { ...peers, testTimeout: 150_000 + 6000 * soakSeconds };
// Tests of faults and interrupted networks mostly wait; benchmarks and browsers compute, two at a time.
const soak = { ...long, maxWorkers: 4, maxConcurrency: 2, sequence: { groupOrder: 2 } };
const rates = { ...long, maxWorkers: 4, sequence: { groupOrder: 3 } };
const alone = { ...long, maxWorkers: 1, maxConcurrency: 2, sequence: { groupOrder: 4 } };

/** Files that take the longest, in this order. Vitest starts the largest files first, but many of these are small. */
const LONGEST = [
  'soak/browser/overlays',
  'soak/bench',
  'soak/cluster-partitions',
  'soak/idle',
  'soak/silences',
  'soak/upstream-modes',
  'rates/ffmpeg',
  'rates/faults',
  'interop/ffmpeg',
  'interop/cluster/renditions',
  'browser/console.',
  'interop/main',
  'interop/supervisors',
  'browser/console-layout',
  'interop/aborts',
  'interop/secrets',
  'browser/dead-mans-handle',
  'interop/imagezmq',
  'interop/stray-peers',
  'interop/netgear-async',
  'browser/publisher',
  'interop/push',
  'interop/cluster/cluster',
  'browser/each/element',
  'interop/secure',
  'browser/each/publisher',
  'interop/cluster/faults',
  'interop/library',
  'interop/matrix',
  'interop/malformed',
  'interop/probe',
  'interop/docs.',
  'interop/operations-docs',
  'interop/public-types',
  'browser/pointer.',
];

/**
 * Starts the longest files first, so that none of them runs alone at the end, spreads those of test/browser evenly
 * among those of test/interop, and starts those for Firefox after all others of their group, so that each worker
 * changes its project only once.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number =>
      LONGEST.findIndex((path) => moduleId.includes(`/test/${path}`));
    const isLong = (file: TestSpecification): boolean => rank(file) !== -1;
    const isMixed = ({ project }: TestSpecification): boolean => project.name === 'peers';
    const isBrowser = ({ moduleId }: TestSpecification): boolean => moduleId.includes('/test/browser/');
    const sorted = await super.sort(files);
    const others = sorted.filter((file) => !isLong(file));
    const spread = [true, false]
      .map((inBrowser) => others.filter((file) => isMixed(file) && isBrowser(file) === inBrowser))
      .flatMap((each) => each.map((file, index) => ({ file, place: (index + 0.5) / each.length })))
      .toSorted((a, b) => a.place - b.place)
      .map(({ file }) => file);
    const last = ({ project }: TestSpecification): number => Number(project.name.startsWith('firefox'));
    return [
      ...sorted.filter(isLong).toSorted((a, b) => rank(a) - rank(b)),
      ...spread,
      ...others.filter((file) => !isMixed(file)).toSorted((a, b) => last(a) - last(b)),
    ];
  }
}

/**
 * Folder of the transformed modules, which all projects and the next run use. Vitest identifies them by their source
 * and this configuration, and deletes them when dependencies change. They also depend on these files.
 */
const compilerOptions = createHash('sha1');
for (const file of ['tsconfig.json', 'web/tsconfig.json', 'test/browser/tsconfig.json'])
  compilerOptions.update(readFileSync(file)).update('\0');
const fsModuleCachePath = `node_modules/.cache/vitest/${compilerOptions.digest('hex')}`;

export default defineConfig({
  test: {
    experimental: { fsModuleCache: true, fsModuleCachePath },
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './scripts/summary-reporter.mjs'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 30_000,
          // Each worker loads all modules again, and more workers would not make better use of waiting times.
          maxWorkers: 6,
          isolate: false,
          // Most of the garbage consists of buffers and short-lived objects: with more space for these, it is collected
          // less often. The workers already use all cores, so helper threads of the garbage collection would only wait
          // for each other.
          execArgv: ['--max-semi-space-size=64', '--single-threaded-gc'],
          globalSetup,
          expect,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { name: 'peers', include: ['test/interop/**/*.test.ts', 'test/browser/**/*.test.ts'], ...mixed } },
      { test: { name: 'soak', include: ['test/soak/**/*.test.ts'], exclude: ['test/soak/idle/**'], ...soak } },
      {
        test: {
          name: 'firefox',
          include: ['test/browser/each/*.test.ts', 'test/soak/browser/each/*.test.ts'],
          env: FIREFOX,
          ...soak,
        },
      },
      {
        test: {
          name: 'rates',
          include: ['test/rates/*.test.ts', 'test/rates/browser/**/*.test.ts', 'test/soak/idle/*.test.ts'],
          ...rates,
        },
      },
      {
        test: { name: 'firefox-rates', include: ['test/rates/browser/each/*.test.ts'], env: FIREFOX, ...rates },
      },
      { test: { name: 'alone', include: ['test/rates/alone/**/*.test.ts'], ...alone } },
      {
        test: { name: 'firefox-alone', include: ['test/rates/alone/browser/each/*.test.ts'], env: FIREFOX, ...alone },
      },
    ],
  },
});
