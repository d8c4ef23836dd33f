// Sets up the programs for the tests: the real VidGear in a virtual environment, Chromium and Firefox, FFmpeg,
// GStreamer's RTSP server, umockdev, nginx, Caddy, Prometheus and the NATS server. Runs before `npm test`. Prints what it
// will do first, and leaves existing programs unchanged.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const venv = join(root, '.venv');
const requirements = join(root, 'test/peers/requirements.txt');
const stamp = join(venv, '.requirements-hash');
const found = join(root, 'node_modules/.cache/gearway-peers.json');
/** Commands and paths of each browser, its Debian package, and its name in `@puppeteer/browsers`. */
const browsers = {
  chromium: {
    names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    variable: 'GEARWAY_CHROMIUM',
    debian: 'chromium',
    download: 'chrome@stable',
  },
  firefox: {
    names: ['firefox-esr', 'firefox'],
    variable: 'GEARWAY_FIREFOX',
    debian: 'firefox-esr',
    download: 'firefox@stable',
  },
};
/**
 * Python interpreters that may have the bindings of GStreamer and umockdev: that of the system comes first, even if the
 * PATH has another.
 */
const systemPythons = ['/usr/bin/python3', 'python3'];
const bindingPackages = [
  'python3-gi',
  'gir1.2-gst-rtsp-server-1.0',
  'gstreamer1.0-plugins-base',
  'gstreamer1.0-plugins-good',
  'gstreamer1.0-plugins-ugly',
  'umockdev',
  'gir1.2-umockdev-1.0',
];
const bindingsCheck = `
import ctypes
import gi
gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev
ctypes.CDLL("libumockdev-preload.so.0")
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(Gst.ElementFactory.find(name) for name in ["videotestsrc", "jpegenc", "rtpjpegpay", "x264enc", "rtph264pay"])
`;

/**
 * Other programs, by the commands that run them, with the argument that only prints their version or help. Debian
 * installs nginx in a folder that is only in root's PATH.
 */
const programs = {
  nginx: { commands: ['nginx', '/usr/sbin/nginx'], version: '-v' },
  caddy: { commands: ['caddy', '/usr/bin/caddy'], version: 'version' },
  prometheus: { commands: ['prometheus'], version: '--version' },
  'systemd-analyze': { commands: ['systemd-analyze'], version: '--version' },
  promtool: { commands: ['promtool'], version: '--version' },
  nats: { commands: ['nats-server', '/usr/sbin/nats-server'], version: '--version' },
  xvfb: { commands: ['Xvfb'], version: '-help' },
};
const programPackages = [
  'nginx-light',
  'caddy',
  'prometheus',
  'systemd',
  'nats-server',
  // Firefox needs a display for WebGL, and Mesa emulates the GPU.
  'xvfb',
  'libgl1-mesa-dri',
  'libegl1',
];

const isRoot = process.getuid?.() === 0;
const isDebian = existsSync('/etc/debian_version');

function run(command, args) {
  execFileSync(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

function works(command, ...args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function fail(message) {
  process.stderr.write(`setup-peers: ${message}\n`);
  process.exit(1);
}

function findBrowser({ names, variable }) {
  const named = process.env[variable];
  if (named) return works(named, '--version') ? named : fail(`${variable} is ${named}, which does not run`);
  return names.find((name) => works(name, '--version'));
}

/** Finds or installs a browser. @returns its command or path. */
function installBrowser({ names, variable, debian, download }) {
  try {
    if (isRoot && isDebian) {
      aptInstall(debian);
      return names.find((name) => works(name, '--version'));
    }
    // The installer prints the build and, after a space, the path.
    const printed = execFileSync(
      'npx',
      [
        '--yes',
        '@puppeteer/browsers@2.10.0',
        'install',
        download,
        '--path',
        join(root, 'node_modules/.cache/browsers'),
      ],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    return printed.trim().split('\n').at(-1).split(' ').slice(1).join(' ');
  } catch (error) {
    return fail(
      `no ${debian} could be installed (${error.message}). To fix it: sudo apt-get install ${debian}; or set ${variable} to an installed one`,
    );
  }
}

function aptInstall(...packages) {
  run('apt-get', ['update', '-qq']);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages]);
}

const hasFfmpeg = () => works('ffmpeg', '-version') && works('ffprobe', '-version');
const findSystemPython = () => systemPythons.find((python) => works(python, '-c', bindingsCheck));

const findPrograms = () =>
  Object.fromEntries(
    Object.entries(programs).map(([name, { commands, version }]) => [
      name,
      commands.find((command) => works(command, version)),
    ]),
  );

/** Installs Debian's packages, as root on Debian; otherwise fails with instructions. */
function installPackages(what, packages) {
  const mend = `To fix it: sudo apt-get install ${packages.join(' ')}; then npm test`;
  if (!isRoot || !isDebian) fail(`${what} is missing. ${mend}`);
  try {
    aptInstall(...packages);
  } catch (error) {
    fail(`${what} could not be installed (${error.message}). ${mend}`);
  }
}

const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex');
// The virtual environment does not run if the project folder was moved, or its Python was removed.
const venvReady =
  existsSync(stamp) && readFileSync(stamp, 'utf8') === hash && works(join(venv, 'bin/python'), '-c', 'import vidgear');
const ready = Object.fromEntries(Object.entries(browsers).map(([name, browser]) => [name, findBrowser(browser)]));
const ffmpegReady = hasFfmpeg();
let systemPython = findSystemPython();
let foundPrograms = findPrograms();
const howToInstall = isRoot && isDebian ? 'will be installed with apt-get now' : 'will be downloaded now';
const packaged = isRoot && isDebian ? howToInstall : 'missing';
process.stdout.write(
  [
    'The tests run against real peers:',
    `  VidGear from PyPI in .venv: ${venvReady ? 'installed' : 'will be installed now (about a minute)'}`,
    `  Chromium: ${ready.chromium ?? howToInstall}`,
    `  Firefox: ${ready.firefox ?? howToInstall}`,
    `  FFmpeg: ${ffmpegReady ? 'installed' : packaged}`,
    `  GStreamer's RTSP server and umockdev: ${systemPython ? `installed, for ${systemPython}` : packaged}`,
    ...Object.keys(programs).map((name) => `  ${name}: ${foundPrograms[name] ?? packaged}`),
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
    fail(
      `VidGear could not be installed (${error.message}). It needs Python 3.11 or newer with venv. To fix it: sudo apt-get install python3 python3-venv; then npm test`,
    );
  }
  writeFileSync(stamp, hash);
}

for (const [name, browser] of Object.entries(browsers)) {
  ready[name] ??= installBrowser(browser);
  if (ready[name] === undefined || !works(ready[name], '--version'))
    fail(
      `${name} does not run. To fix it: sudo apt-get install ${browser.debian}; or set ${browser.variable} to the one you have`,
    );
}

if (!ffmpegReady) installPackages('FFmpeg', ['ffmpeg']);
if (!hasFfmpeg()) fail('ffmpeg and ffprobe do not run. To fix it: sudo apt-get install ffmpeg');
if (systemPython === undefined) installPackages("GStreamer's RTSP server or umockdev", bindingPackages);
systemPython ??= findSystemPython();
if (systemPython === undefined)
  fail(
    `GStreamer's RTSP server and umockdev do not run with ${systemPythons.join(' or ')}. To fix it: sudo apt-get install ${bindingPackages.join(' ')}`,
  );

if (Object.values(foundPrograms).includes(undefined))
  installPackages('nginx, Caddy, Prometheus, systemd, the NATS server or Xvfb', programPackages);
foundPrograms = findPrograms();
for (const [name, command] of Object.entries(foundPrograms))
  if (command === undefined) fail(`${name} does not run. To fix it: sudo apt-get install ${programPackages.join(' ')}`);

mkdirSync(join(root, 'node_modules/.cache'), { recursive: true });
writeFileSync(
  found,
  `${JSON.stringify({ ...ready, python: join(venv, 'bin/python'), systemPython, ...foundPrograms })}\n`,
);
