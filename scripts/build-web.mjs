// Builds the files for browsers into dist/web, their types into dist/types, and the package of the elements alone into
// dist/viewer-package. `npm run build:web` runs it, with the
// project's programs in the PATH.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';

/** The builds of vite.config.ts, by mode; each adds to the folder that the first one has emptied. */
const MODES = [
  'viewer',
  'worker',
  'overlays',
  'arrays',
  'devices',
  'camera-worker',
  'publisher',
  'publisher-worker',
  'pages',
];

const STEPS = [
  ...MODES.map((mode) => ['vite', 'build', '--mode', mode]),
  [
    'tsc',
    '-p',
    'web/tsconfig.json',
    '--noEmit',
    'false',
    '--declaration',
    '--emitDeclarationOnly',
    '--outDir',
    'dist/types',
    '--rootDir',
    '.',
  ],
  ['node', 'scripts/public-types.mjs'],
  ['cem', 'analyze'],
  ['node', 'scripts/viewer-package.mjs'],
];

// Removes the types of files that no longer exist.
rmSync('dist/types', { recursive: true, force: true });
for (const [program, ...args] of STEPS)
  execFileSync(program, args, { stdio: 'inherit', shell: process.platform === 'win32' });
