import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Item {
  readonly name: string;
  readonly kind?: string;
  readonly type?: { readonly text: string };
}
type Kind = 'members' | 'attributes' | 'events' | 'slots' | 'cssParts' | 'cssProperties' | 'cssStates';
type Declaration = { readonly tagName?: string } & { readonly [kind in Kind]: readonly Item[] };

/** The manifest of the build, which `npm run test:unit` makes from the current sources. */
const { modules } = JSON.parse(read('dist/custom-elements.json')) as {
  readonly modules: readonly { readonly declarations: readonly Declaration[] }[];
};
const declarations = modules.flatMap((module) => module.declarations);
const names = (items: readonly Item[]): string[] => items.map(({ name }) => name).sort();
const unique = (found: Iterable<string | undefined>): string[] =>
  [...new Set(found)].filter((name) => name !== undefined).sort();
const groups = (text: string, pattern: RegExp): string[] => unique([...text.matchAll(pattern)].map(([, name]) => name));

/** The files of a folder, without its subfolders. */
const filesOf = (path: string): readonly string[] =>
  readdirSync(join(ROOT, path))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${path}/${name}`);

/**
 * An element, with the files that contain its code, its events and its templates.
 */
interface Subject {
  readonly tag: string;
  readonly element: string;
  readonly events: string;
  readonly drawn: readonly string[];
  /** File with the declaration of its states. */
  readonly messages: string;
  /** Close codes with which the element is never refused. */
  readonly foreignCodes: readonly string[];
  /** First word of its headings in docs/element.md. */
  readonly heading: string;
}

const SUBJECTS: readonly Subject[] = [
  {
    tag: 'gearway-viewer',
    element: 'web/viewer/gearway-viewer.ts',
    events: 'web/viewer/viewer-events.ts',
    drawn: [...filesOf('web/viewer'), ...filesOf('web/viewer/ui')],
    messages: 'web/viewer/viewer-messages.ts',
    foreignCodes: ['4010', '4011'],
    heading: 'Viewer',
  },
  {
    tag: 'gearway-publisher',
    element: 'web/publisher/gearway-publisher.ts',
    events: 'web/publisher/publisher-events.ts',
    // It includes the viewer's styles.
    drawn: [...filesOf('web/publisher'), ...filesOf('web/publisher/ui'), 'web/viewer/ui/viewer-styles.ts'],
    messages: 'web/publisher/publisher-messages.ts',
    foreignCodes: ['4002', '4004', '4009'],
    heading: 'Publisher',
  },
];

describe('custom-elements.json', () => {
  it('is in the package at the path in package.json', () => {
    const { customElements } = JSON.parse(read('package.json')) as { customElements: string };
    expect(JSON.parse(read(customElements))).toMatchObject({
      schemaVersion: '1.0.0',
      modules: [...SUBJECTS.map(({ tag }) => tag), 'gearway-devices'].map((name) => ({ path: `dist/web/${name}.js` })),
    });
  });
});

describe('the devices', () => {
  const devices = filesOf('web/devices').flatMap((path) => /gearway-\w+(?=\.ts$)/.exec(path)?.[0] ?? []);

  it.each(devices)('<%s> is in custom-elements.json, and described with its attributes in docs/control.md', (tag) => {
    const manifest = declarations.find(({ tagName }) => tagName === tag);
    const page = read('docs/control.md');
    expect(page).toContain(`<${tag}`);
    for (const name of names(manifest?.attributes ?? [])) expect(page).toMatch(new RegExp(`\\b${name}\\b`));
    expect(manifest?.attributes.length).toBeGreaterThan(0);
  });
});

describe.each(SUBJECTS)('<$tag> in custom-elements.json', ({ tag, element, events, drawn, messages }) => {
  const manifest = declarations.find(({ tagName }) => tagName === tag)!;
  const ELEMENT = read(element);
  const EVENTS = read(events);
  const SOURCES = drawn.map(read).join('\n');
  const STATES = groups(/export type (?:Viewer|Publisher)State = (.*);/.exec(read(messages))![1]!, /'(\w+)'/g);

  it('has the attributes and properties that the class declares', () => {
    const [, block] = /static override properties = \{\n([\s\S]*?)\n {2}\};/.exec(ELEMENT)!;
    const declared = [...block!.matchAll(/^ {4}(\w+): \{ (.*) \},$/gm)].filter(
      ([, , options]) => !options!.includes('state: true'),
    );
    const attributes = declared.filter(([, , options]) => !options!.includes('attribute: false'));
    expect(names(manifest.attributes)).toEqual(
      unique(attributes.map(([, name, options]) => /attribute: '([\w-]+)'/.exec(options!)?.[1] ?? name!.toLowerCase())),
    );
    const accessors = groups(ELEMENT, /^ {2}[gs]et (\w+)\(/gm);
    expect(names(manifest.members.filter(({ kind }) => kind === 'field'))).toEqual(
      unique([...declared.map(([, name]) => name), ...accessors]),
    );
    for (const { name, type } of manifest.members.filter(({ kind }) => kind === 'field'))
      expect(type?.text, name).toMatch(/./);
  });

  it('has the methods that are not inherited, but no private ones', () => {
    expect(names(manifest.members.filter(({ kind }) => kind === 'method'))).toEqual(
      groups(ELEMENT, /^ {2}(?!constructor)(\w+)\([^\n]*\{$/gm),
    );
  });

  it('has the events that are dispatched', () => {
    const byClass = new Map(
      [...EVENTS.matchAll(/class (\w+) extends[\s\S]*?super\('([\w-]+)'/g)].map(([, name, event]) => [name!, event]),
    );
    expect(names(manifest.events)).toEqual(
      unique(groups(ELEMENT, /new (Gearway\w+Event)\(/g).map((name) => byClass.get(name))),
    );
    expect(names(manifest.events)).toEqual(groups(EVENTS, /^ {2}'([\w-]+)': \w+Event;$/gm));
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

/** The close codes that refuse a viewer or publisher, as numbers. */
function refusalCodes(): string[] {
  const codes = new Map(
    [...read('shared/close-code.ts').matchAll(/(\w+): (\d+)/g)].map(([, name, code]) => [name!, code!]),
  );
  const lists = read('web/connection/gateway-connection.ts').matchAll(/const (?:FINAL|SLOW)_CODES[^[]*\[([^\]]*)\]/g);
  return unique([...lists].flatMap(([, list]) => groups(list!, /closeCode\.(\w+)/g)).map((name) => codes.get(name)));
}

const ELEMENTS = read('docs/element.md');

describe.each(SUBJECTS)('<$tag> in docs/element.md', ({ tag, foreignCodes, heading }) => {
  const manifest = declarations.find(({ tagName }) => tagName === tag)!;
  const DOCS = ELEMENTS.split('\n## ').find((section) => section.startsWith(`\`<${tag}>\``))!;

  /** The names in the first column of the first table under a heading. */
  function listed(what: string): string[] {
    const [, section] = DOCS.split(`\n### ${heading} ${what}\n`);
    const [table] = /(?:^\|.*\n)+/m.exec(section!)!;
    const rows = table.trim().split('\n').slice(2);
    return rows.map((row) => /^\| `([\w-]+)/.exec(row)?.[1] ?? '').sort();
  }

  it.each<[string, readonly Item[]]>([
    ['attributes', manifest.attributes],
    ['properties', manifest.members.filter(({ kind }) => kind === 'field')],
    ['methods', manifest.members.filter(({ kind }) => kind === 'method')],
    ['events', manifest.events],
    ['slots', manifest.slots],
    ['CSS parts', manifest.cssParts],
    ['custom properties', manifest.cssProperties],
    ['states', manifest.cssStates],
  ])('lists exactly the existing items under %s', (what, items) => {
    expect(listed(what)).toEqual(names(items));
  });

  it('lists each close code with which the element is refused', () => {
    expect(groups(DOCS, /^\| (4\d{3}) \|/gm)).toEqual(refusalCodes().filter((code) => !foreignCodes.includes(code)));
  });
});

describe('docs/element.md', () => {
  it('lists each code of a refused return', () => {
    const codes = /export type ReturnRefusal =([^;]*);/.exec(read('shared/protocol.ts'))![1]!;
    for (const code of groups(codes, /'([\w-]+)'/g)) expect(ELEMENTS).toContain(`| \`${code}\` |`);
  });
});

describe('docs/element.md and docs/phone-as-a-camera.md', () => {
  /** The first column of the table of a page whose first heading is `head`. */
  const column = (page: string, head: string): string[] =>
    groups(page.split(`\n| ${head} |`)[1]!.split('\n\n')[0]!, /^\| `([\w-]+)` \|/gm);

  it('lists each reason for a missing camera', () => {
    const codes = /export type CameraFailure = (.*);/.exec(read('web/capture/capture-types.ts'))![1]!;
    expect(column(ELEMENTS, 'Code of `gearway-publisher-failed`')).toEqual(groups(codes, /'([\w-]+)'/g));
  });

  it('lists each statistic', () => {
    const [, figures] = /export interface PublisherStats \{\n([\s\S]*?)\n\}/.exec(
      read('web/publisher/publisher-messages.ts'),
    )!;
    expect(column(ELEMENTS, 'Field of `stats`')).toEqual(groups(figures!, /^ {2}readonly (\w+):/gm));
  });

  it('lists each parameter of the page', () => {
    expect(column(read('docs/phone-as-a-camera.md'), 'Parameter')).toEqual(
      groups(read('web/pages/publish/publish-page.ts'), /query\.(?:get|has)\('(\w+)'\)/g),
    );
  });
});
