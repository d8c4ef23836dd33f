/**
 * Runs the tests with another version of Node.js: `npm run test:node -- 26 [arguments for vitest]`. This version comes
 * from npm's package `node`, in node_modules/.cache; the existing dependencies and build are used. Runs the unit tests
 * and one file with real peers, or the given files.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [version, ...rest] = process.argv.slice(2);
if (version === undefined || !/^\d+(?:\.\d+){0,2}$/.test(version)) {
  console.error('usage: npm run test:node -- VERSION [files and options for vitest], such as npm run test:node -- 26');
  process.exit(2);
}

/** Runs a command, and exits with its status if it fails. */
function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
    ...options,
  });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const folder = join(root, 'node_modules/.cache/node', version);
const bin = join(folder, 'node_modules/node/bin');
if (!existsSync(join(bin, process.platform === 'win32' ? 'node.exe' : 'node'))) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  run('npm', ['install', '--no-audit', '--no-fund', '--no-save', `node@${version}`], { cwd: folder });
}

const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
const node = join(bin, 'node');
const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run'];
run(node, ['--version']);
run(node, ['dist/gateway/main.js', '--version']);
if (rest.length > 0) {
  run(node, [...vitest, ...rest], { env });
} else {
  run(node, [...vitest, '--project', 'unit'], { env });
  run('node', ['scripts/setup-peers.mjs']);
  run(node, [...vitest, 'test/interop/types.test.ts'], { env });
}
