// Collects the elements into a separate package without the gateway and its native dependencies: `gearway-viewer`,
// in dist/viewer-package. Everything in it is taken from the package `gearway`, so nothing is declared twice.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');
const PACKAGE = join(DIST, 'viewer-package');

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const writeJson = (name, value) => writeFileSync(join(PACKAGE, name), `${JSON.stringify(value, null, 2)}\n`);

/** Converts a path of the package `gearway` to one of this package. */
const moved = (path) => path.replace('dist/web/', '').replace('dist/types/', 'types/');

const { version, license, keywords, exports } = readJson(join(ROOT, 'package.json'));

/** `gearway/viewer` is `gearway-viewer`, `gearway/publisher` is `gearway-viewer/publisher`. */
const elements = Object.entries(exports)
  .filter(([, { default: file }]) => file?.startsWith('./dist/web/'))
  .map(([name, { types, default: file }]) => [
    name === './viewer' ? '.' : name,
    { types: moved(types), default: moved(file) },
  ]);

rmSync(PACKAGE, { recursive: true, force: true });
mkdirSync(PACKAGE);
for (const name of readdirSync(join(DIST, 'web')))
  if (/^gearway-.*\.js(\.map)?$/.test(name)) cpSync(join(DIST, 'web', name), join(PACKAGE, name));
cpSync(join(DIST, 'types'), join(PACKAGE, 'types'), { recursive: true });
cpSync(join(ROOT, 'LICENSE'), join(PACKAGE, 'LICENSE'));
cpSync(join(ROOT, 'web/PACKAGE.md'), join(PACKAGE, 'README.md'));

const manifest = readFileSync(join(DIST, 'custom-elements.json'), 'utf8');
writeFileSync(join(PACKAGE, 'custom-elements.json'), manifest.replaceAll('"dist/web/', '"'));

writeJson('package.json', {
  name: 'gearway-viewer',
  version,
  description:
    'Custom elements that show and publish streams of a Gearway gateway: live video with data in both directions',
  keywords,
  license,
  type: 'module',
  // Each file can also be imported by path, such as a worker that a bundler does not find.
  exports: { ...Object.fromEntries(elements), './*.js': './*.js', './package.json': './package.json' },
  customElements: 'custom-elements.json',
  sideEffects: ['./*.js'],
});
