import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ARTIFACTS = join(ROOT, 'test/.artifacts');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Item {
  readonly name: string;
  readonly kind?: string;
  readonly type?: { readonly text: string };
}
type Kind = 'members' | 'attributes' | 'events' | 'slots' | 'cssParts' | 'cssProperties' | 'cssStates';
type Declaration = { readonly tagName?: string } & { readonly [kind in Kind]: readonly Item[] };

/** What `npm run manifest` writes of the sources as they are now. */
function analyse(): Declaration {
  mkdirSync(ARTIFACTS, { recursive: true });
  const folder = mkdtempSync(join(ARTIFACTS, 'manifest-'));
  execFileSync(process.execPath, ['node_modules/@custom-elements-manifest/analyzer/cem.js', 'analyze', '--quiet', '--outdir', relative(ROOT, folder)], { cwd: ROOT });
  const { modules } = JSON.parse(readFileSync(join(folder, 'custom-elements.json'), 'utf8')) as { modules: { declarations: Declaration[] }[] };
  rmSync(folder, { recursive: true });
  return modules.flatMap(({ declarations }) => declarations).find(({ tagName }) => tagName === 'gearway-viewer')!;
}

const manifest = analyse();
const names = (items: readonly Item[]): string[] => items.map(({ name }) => name).sort();
const unique = (found: Iterable<string | undefined>): string[] => [...new Set(found)].filter((name) => name !== undefined).sort();
const groups = (text: string, pattern: RegExp): string[] => unique([...text.matchAll(pattern)].map(([, name]) => name));

const ELEMENT = read('web/gearway-viewer.ts');
/** The element and what is drawn in it; the console has a folder of its own. */
const SOURCES = readdirSync(join(ROOT, 'web'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => read(`web/${name}`))
  .join('\n');
const STATES = groups(/const STATES[^=]*= \[(.*)\]/.exec(ELEMENT)![1]!, /'(\w+)'/g);

describe('custom-elements.json', { timeout: 60_000 }, () => {
  it('lies in the package, where package.json says', () => {
    const { customElements } = JSON.parse(read('package.json')) as { customElements: string };
    expect(JSON.parse(read(customElements))).toMatchObject({ schemaVersion: '1.0.0', modules: [{ path: 'dist/web/gearway-viewer.js' }] });
  });

  it('has the attributes and properties that the class declares', () => {
    const [, block] = /static override properties = \{\n([\s\S]*?)\n {2}\};/.exec(ELEMENT)!;
    const declared = [...block!.matchAll(/^ {4}(\w+): \{ (.*) \},$/gm)].filter(([, , options]) => !options!.includes('state: true'));
    const attributes = declared.filter(([, , options]) => !options!.includes('attribute: false'));
    expect(names(manifest.attributes)).toEqual(unique(attributes.map(([, name, options]) => /attribute: '([\w-]+)'/.exec(options!)?.[1] ?? name!.toLowerCase())));
    const accessors = groups(ELEMENT, /^ {2}[gs]et (\w+)\(/gm);
    expect(names(manifest.members.filter(({ kind }) => kind === 'field'))).toEqual(unique([...declared.map(([, name]) => name), ...accessors]));
    for (const { name, type } of manifest.members.filter(({ kind }) => kind === 'field')) expect(type?.text, name).toMatch(/./);
  });

  it('has the methods that are not inherited, and nothing private', () => {
    expect(names(manifest.members.filter(({ kind }) => kind === 'method'))).toEqual(groups(ELEMENT, /^ {2}(?!constructor)(\w+)\([^\n]*\{$/gm));
  });

  it('has the events that are dispatched', () => {
    const byClass = new Map([...read('web/viewer-events.ts').matchAll(/class (\w+) extends[\s\S]*?super\('([\w-]+)'/g)].map(([, name, event]) => [name!, event]));
    expect(names(manifest.events)).toEqual(unique(groups(ELEMENT, /new (Gearway\w+Event)\(/g).map((name) => byClass.get(name))));
    expect(names(manifest.events)).toEqual(groups(read('web/viewer-events.ts'), /^ {2}'([\w-]+)': \w+Event;$/gm));
  });

  it('has the slots, parts, custom properties and states that are in the templates and styles', () => {
    expect(ELEMENT).toContain('<slot name=${state}>');
    expect(names(manifest.slots)).toEqual(['', ...unique([...STATES, ...groups(ELEMENT, /<slot name="(\w+)"/g)])]);
    expect(ELEMENT).toContain('<slot></slot>');
    expect(names(manifest.cssParts)).toEqual(groups(SOURCES, /\bpart="([\w-]+)"/g));
    expect(names(manifest.cssProperties)).toEqual(groups(SOURCES, /var\((--gearway-[\w-]+)/g));
    expect(names(manifest.cssStates)).toEqual(unique([...STATES, ...groups(ELEMENT, /states\.add\('(\w+)'\)/g)]));
  });
});

describe('docs/embedding.md', () => {
  const DOCS = read('docs/embedding.md');

  /** The names in the first column of the first table under a heading. */
  function listed(heading: string): string[] {
    const [, section] = DOCS.split(`\n## ${heading}\n`);
    const [table] = /(?:^\|.*\n)+/m.exec(section!)!;
    const rows = table.trim().split('\n').slice(2);
    return rows.map((row) => /^\| `([\w-]+)/.exec(row)?.[1] ?? '').sort();
  }

  it.each<[string, readonly Item[]]>([
    ['Attributes', manifest.attributes],
    ['Properties', manifest.members.filter(({ kind }) => kind === 'field')],
    ['Methods', manifest.members.filter(({ kind }) => kind === 'method')],
    ['Events', manifest.events],
    ['Slots', manifest.slots],
    ['CSS parts', manifest.cssParts],
    ['Custom properties', manifest.cssProperties],
    ['States', manifest.cssStates],
  ])('lists what there is under %s, and no more', (heading, items) => {
    expect(listed(heading)).toEqual(names(items));
  });

  it('names each code of a refused return, and each close code that is a refusal', () => {
    const codes = /export type ReturnRefusal = (.*);/.exec(read('shared/protocol.ts'))![1]!;
    for (const code of groups(codes, /'([\w-]+)'/g)) expect(DOCS).toContain(`| \`${code}\` |`);
    const closing = new Map([...read('shared/close-code.ts').matchAll(/(\w+): (\d+)/g)].map(([, name, code]) => [name!, code!]));
    const refusing = [...read('web/session.ts').matchAll(/const (?:FINAL|SLOW)_CODES.*new Set\(\[(.*)\]\)/g)].flatMap(([, list]) => groups(list!, /closeCode\.(\w+)/g));
    expect(groups(DOCS, /^\| (4\d{3}) \|/gm)).toEqual(unique(refusing.map((name) => closing.get(name))));
  });

  it('gives React the declaration that its example is compiled with', () => {
    expect(DOCS).toContain(read('examples/react/gearway.d.ts'));
  });

  it('has no link to a heading that is not there', () => {
    const anchors = groups(DOCS, /^## (.*)$/gm).map((heading) => heading.toLowerCase().replaceAll(/[^\w -]/g, '').replaceAll(' ', '-'));
    for (const anchor of groups(DOCS, /\]\(#([\w-]+)\)/g)) expect(anchors).toContain(anchor);
  });
});
