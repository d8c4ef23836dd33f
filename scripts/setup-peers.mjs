// Sets up what the tests run against: the real VidGear in a virtual environment, and a Chromium.
// Runs before `npm test`. Says what it does first; what is there already is left alone.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const venv = join(root, '.venv');
const requirements = join(root, 'test/interop/requirements.txt');
const stamp = join(venv, '.requirements-hash');
const found = join(root, 'node_modules/.cache/gearway-peers.json');
const browsers = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const isRoot = process.getuid?.() === 0;
const isDebian = existsSync('/etc/debian_version');

function run(command, args) {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
}

function works(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function fail(message) {
  process.stderr.write(`setup-peers: ${message}\n`);
  process.exit(1);
}

function findBrowser() {
  const named = process.env.GEARWAY_CHROMIUM;
  if (named) return works(named, '--version') ? named : fail(`GEARWAY_CHROMIUM is ${named}, which does not run`);
  return browsers.find((name) => works(name, '--version'));
}

function aptInstall(...packages) {
  run('apt-get', ['update', '-qq']);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages]);
}

const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex');
// A project folder that was moved, or a Python that was removed, leaves a virtual environment that does not run.
const venvReady = existsSync(stamp) && readFileSync(stamp, 'utf8') === hash && works(join(venv, 'bin/python'), '-c', 'import vidgear');
let browser = findBrowser();
process.stdout.write(
  [
    'The tests run against real peers:',
    `  VidGear from PyPI in .venv: ${venvReady ? 'there' : 'will be installed now (about a minute)'}`,
    `  Chromium: ${browser ?? (isRoot && isDebian ? 'will be installed with apt-get now' : "will be Playwright's, installed now")}`,
    '',
  ].join('\n'),
);

if (!venvReady) {
  rmSync(venv, { recursive: true, force: true });
  try {
    if (!works('python3', '-m', 'venv', venv)) {
      rmSync(venv, { recursive: true, force: true });
      if (isRoot && isDebian) aptInstall('python3', 'python3-venv');
      run('python3', ['-m', 'venv', venv]);
    }
    run(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', '--requirement', requirements]);
    run(join(venv, 'bin/python'), ['-c', 'from vidgear.gears import NetGear']);
  } catch (error) {
    fail(`VidGear could not be installed (${error.message}). It needs Python 3.11 or newer with venv. Mend it with: sudo apt-get install python3 python3-venv; then npm test`);
  }
  writeFileSync(stamp, hash);
}

if (browser === undefined) {
  try {
    if (isRoot && isDebian) aptInstall('chromium');
    else run('npx', ['playwright-core', 'install', 'chromium']);
  } catch (error) {
    fail(`no Chromium could be installed (${error.message}). Mend it with: sudo apt-get install chromium; or set GEARWAY_CHROMIUM to the one you have`);
  }
  browser = findBrowser();
  if (browser === undefined) {
    const { chromium } = await import('playwright-core');
    browser = chromium.executablePath();
  }
  if (!works(browser, '--version')) fail(`${browser} does not run. Mend it with: sudo apt-get install chromium; or set GEARWAY_CHROMIUM to the one you have`);
}

mkdirSync(join(root, 'node_modules/.cache'), { recursive: true });
writeFileSync(found, `${JSON.stringify({ chromium: browser, python: join(venv, 'bin/python') })}\n`);
