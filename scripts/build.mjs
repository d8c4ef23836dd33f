// Builds the gateway into dist/gateway and dist/shared, the files for browsers into dist/web, their types into
// dist/types, and the package of the elements alone into dist/viewer-package, all at the same time where possible.
// `npm run build` runs it, with the project's programs in the PATH.
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { promisify } from 'node:util';
import { build } from 'vite';

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

const TYPES = [
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
];

/** Runs a program, and prints its output when it has ended. */
async function run(program, ...args) {
  const running = promisify(execFile)(program, args, { shell: process.platform === 'win32' });
  const { stdout, stderr } = await running.catch((error) => {
    process.stderr.write(`${error.stdout}${error.stderr}`);
    throw new Error(`${program} has failed`, { cause: error });
  });
  process.stdout.write(`${stdout}${stderr}`);
}

async function bundle() {
  for (const mode of MODES) await build({ mode });
}

async function writeTypes() {
  // Removes the types of files that no longer exist.
  rmSync('dist/types', { recursive: true, force: true });
  await run(...TYPES);
  await run('node', 'scripts/public-types.mjs');
}

await Promise.all([run('tsc', '-p', 'tsconfig.build.json'), bundle(), writeTypes(), run('cem', 'analyze')]);
await run('node', 'scripts/viewer-package.mjs');
