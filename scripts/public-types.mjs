// Writes the published types of `gearway/viewer`, `gearway/publisher`, `gearway/devices` and `gearway/react`:
// without lit, which is in the bundle and not a dependency of gearway, without the private members of the elements, and
// without files that are no longer referenced.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const TYPES = resolve(import.meta.dirname, '../dist/types');

/** Classes of the elements, by the files that declare them. */
const ENTRIES = new Map([
  ['web/viewer/gearway-viewer.d.ts', 'GearwayViewer'],
  ['web/publisher/gearway-publisher.d.ts', 'GearwayPublisher'],
]);

/** Classes of the devices, and the class that most of them extend. */
const DEVICES = 'web/devices/';

const INTERNAL = /^ {4}(?:static |protected |_|(?:dis)?connectedCallback\b)/;

/** Members of a class in the compiler's output: comment and declaration, up to the line that ends the declaration. */
function* members(lines) {
  let member = [];
  for (const line of lines) {
    member.push(line);
    if (!/^ {4}(?:\S.*)?;$/.test(line)) continue;
    yield member;
    member = [];
  }
  if (member.length > 0) throw new Error(`a member of the class has no end: ${member.join('\n')}`);
}

function publicElement(text, name) {
  const lines = text
    .split('\n')
    .filter((line) => !/^import .* from '(?:lit|\.\/ui\/(?:viewer-extras|array-panels)\.ts)';$/.test(line));
  const head = new RegExp(`^export declare (?:abstract )?class ${name} extends (?:LitElement|DeviceElement)\\b.* \\{$`);
  const start = lines.findIndex((line) => head.test(line));
  const end = lines.indexOf('}', start);
  if (start < 0 || end < 0) throw new Error(`there is no class ${name} as expected`);
  const kept = [...members(lines.slice(start + 1, end))].filter(
    (member) => !member.some((line) => INTERNAL.test(line)),
  );
  return [
    ...lines.slice(0, start),
    (lines[start] ?? '').replace('LitElement', 'HTMLElement'),
    ...kept.flat(),
    ...lines.slice(end),
  ].join('\n');
}

/** The published files, by path. */
const files = new Map();

/** Keeps a file and the files that it imports, by names that every version of TypeScript resolves. */
function keep(path, text = readFileSync(path, 'utf8'), allowed = []) {
  if (files.has(path)) return;
  files.set(path, text.replaceAll(/( from '\.[^']+)\.ts';$/gm, "$1.js';"));
  for (const [, specifier] of text.matchAll(/ from '([^']+)';$/gm)) {
    if (allowed.includes(specifier)) continue;
    if (!specifier.startsWith('.'))
      throw new Error(`${path} imports ${specifier}, which is not a dependency of gearway`);
    keep(join(dirname(path), specifier.replace(/\.ts$/, '.d.ts')));
  }
}

for (const [file, name] of ENTRIES)
  keep(join(TYPES, file), publicElement(readFileSync(join(TYPES, file), 'utf8'), name));
const devices = readdirSync(join(TYPES, DEVICES)).filter((name) =>
  /^(?:device-element|gearway-\w+)\.d\.ts$/.test(name),
);
for (const file of devices) {
  const path = join(TYPES, DEVICES, file);
  const text = readFileSync(path, 'utf8');
  const [, name] = /^export declare (?:abstract )?class (\w+) extends (?:LitElement|DeviceElement)\b/m.exec(text) ?? [];
  if (name === undefined) throw new Error(`${file} declares no element`);
  keep(path, publicElement(text, name));
}
keep(join(TYPES, DEVICES, 'index.d.ts'));
// The compiler does not copy declarations. Programs that import this one have React.
keep(join(TYPES, 'web/react.d.ts'), readFileSync(resolve(import.meta.dirname, '../web/react.d.ts'), 'utf8'), ['react']);
rmSync(TYPES, { recursive: true });
for (const [path, text] of files) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
