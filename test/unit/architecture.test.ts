import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'vite';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Project folders that the files of a folder may import, besides the folder itself. See ARCHITECTURE.md. */
const MAY_IMPORT: readonly (readonly [folder: string, allowed: readonly string[]])[] = [
  ['shared/', []],
  ['gateway/process/', ['shared/', 'gateway/sources/redactor.ts']],
  ['gateway/codecs/', ['shared/']],
  [
    'gateway/netgear/',
    ['shared/', 'gateway/codecs/', 'gateway/process/create-folder.ts', 'gateway/process/regular-file.ts'],
  ],
  ['gateway/hub/', ['shared/', 'gateway/codecs/']],
  ['gateway/connection/', ['shared/']],
  ['gateway/rights/', ['shared/']],
  ['gateway/drawing/', ['gateway/hub/', 'gateway/codecs/']],
  [
    'gateway/sources/',
    ['shared/', 'gateway/config/', 'gateway/codecs/', 'gateway/drawing/', 'gateway/hub/', 'gateway/netgear/'],
  ],
  [
    'gateway/publishers/',
    [
      'shared/',
      'gateway/codecs/',
      'gateway/connection/',
      'gateway/hub/',
      'gateway/netgear/',
      'gateway/rights/',
      'gateway/sources/',
    ],
  ],
  ['gateway/renditions/', ['shared/', 'gateway/codecs/', 'gateway/hub/']],
  [
    'gateway/clients/',
    [
      'shared/',
      'gateway/renditions/',
      'gateway/codecs/',
      'gateway/connection/',
      'gateway/hub/',
      'gateway/netgear/',
      'gateway/rights/',
    ],
  ],
  [
    'gateway/cluster/',
    [
      'shared/',
      'gateway/codecs/',
      'gateway/hub/',
      'gateway/process/regular-file.ts',
      'gateway/renditions/',
      'gateway/sources/source.ts',
      'gateway/sources/sleep.ts',
    ],
  ],
  ['gateway/probe/', ['shared/', 'gateway/codecs/', 'gateway/netgear/']],
  ['gateway/metrics/', ['shared/', 'gateway/hub/']],
  ['gateway/webhooks/', ['shared/', 'gateway/sources/sleep.ts']],
  [
    'gateway/http/',
    [
      'shared/',
      'gateway/clients/',
      'gateway/codecs/',
      'gateway/connection/',
      'gateway/hub/',
      'gateway/metrics/',
      'gateway/netgear/',
      'gateway/publishers/',
      'gateway/renditions/',
      'gateway/rights/',
      'gateway/sources/',
    ],
  ],
  ['gateway/config/command-line.ts', ['shared/', 'gateway/']],
  [
    'gateway/config/',
    [
      'shared/',
      'gateway/clients/',
      'gateway/cluster/cluster-address.ts',
      'gateway/hub/',
      'gateway/http/',
      'gateway/netgear/',
      'gateway/process/create-folder.ts',
      'gateway/process/replace-file.ts',
      'gateway/rights/',
      'gateway/sources/',
      'gateway/webhooks/',
    ],
  ],
  ['gateway/', ['shared/']],
  ['web/connection/', ['shared/', 'web/background.ts']],
  ['web/element/', ['shared/']],
  ['web/capture/', ['shared/', 'web/background.ts']],
  ['web/viewer/', ['shared/', 'web/background.ts', 'web/connection/', 'web/element/']],
  ['web/devices/', ['shared/', 'web/background.ts', 'web/capture/', 'web/connection/', 'web/viewer/gearway-viewer.ts']],
  [
    'web/publisher/',
    [
      'shared/',
      'web/background.ts',
      'web/capture/',
      'web/connection/',
      'web/element/',
      'web/viewer/ui/viewer-styles.ts',
    ],
  ],
  ['web/pages/', ['shared/', 'web/']],
  ['web/react.d.ts', ['web/viewer/', 'web/publisher/', 'web/devices/']],
  ['web/', ['shared/']],
];

/** The only places that may import a library. */
const ONE_IMPORTER: Readonly<Record<string, RegExp>> = {
  yaml: /^gateway\/config\/(?:config|edit)-file\.ts$/,
  'typebox/schema': /^gateway\/config\/schema\.ts$/,
  '@nats-io/transport-node':
    /^gateway\/cluster\/(?:nats|frame-importer|frame-exporter|frame-publisher|mirror-source|mirror-session|rendition-exporters|rendition-host|rendition-subscription|remote-thumbnails|session-host|thumbnail-host)\.ts$/,
  '@nats-io/kv': /^gateway\/cluster\/nats\.ts$/,
  '@nats-io/jetstream': /^gateway\/cluster\/nats\.ts$/,
  zeromq: /^gateway\/(?:netgear|sources\/imagezmq)\//,
  jose: /^gateway\/rights\/jwt-verifier\.ts$/,
  msgpackr: /^shared\/protocol\.ts$/,
  '@julusian/jpeg-turbo': /^gateway\/codecs\/(?:jpeg\.ts|jpeg-decoder-main\.js)$/,
  // Elements, their templates and pages may import Lit; sessions, workers, and code that decodes, draws or encodes may
  // not.
  lit: /^web\/(?:pages\/|element\/|devices\/(?:device-|channel-|form-fields|gearway-|pointer-overlay)|(?:viewer|publisher)\/(?:ui\/|gearway-))/,
  uqr: /^(?:web\/pages\/console\/qr-code|gateway\/config\/command-line)\.ts$/,
  'lit/directives/repeat.js': /^web\/(?:devices\/form-fields|pages\/(?:console\/clients-panel|wall\/wall-page))\.ts$/,
  'lit/directives/ref.js': /^web\/pages\/wall\/wall-page\.ts$/,
  react: /^web\/react\.d\.ts$/,
  'eventsource-parser/stream': /^web\/pages\/console\/api\.ts$/,
  'prom-client': /^gateway\/metrics\//,
  fastify: /^gateway\/http\//,
  sharp: /^gateway\/(?:codecs\/(?:baseline-jpeg|encode-picture|turn-jpeg)|sources\/directory\/image-file)\.ts$/,
  '@fastify/websocket': /^gateway\/http\//,
  ws: /^gateway\/(?:connection|clients\/web|publishers|http)\//,
};

function sources(): string[] {
  return ['shared', 'gateway', 'web'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.[jt]s$/.test(path))
      .map((path) => `${folder}/${path}`),
  );
}

function imports(source: string): string[] {
  return [
    ...source.matchAll(/^\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm),
  ].map(([, fixed, dynamic]) => fixed ?? dynamic ?? '');
}

/** The violations in one file's imports. */
function violations(path: string, source: string): string[] {
  const [folder, allowed] = MAY_IMPORT.find(([prefix]) => path.startsWith(prefix))!;
  return imports(source).flatMap((specifier) => {
    // An entry file may use the global, but the check below would not find it in files that import the entry file.
    if (specifier === 'node:process' || specifier === 'process')
      return [`${path} imports ${specifier}, expected none: only the files that a process starts with touch process`];
    if (specifier.startsWith('node:'))
      return path.startsWith('gateway/') ? [] : [`${path} imports ${specifier}: only the gateway runs in Node`];
    if (!specifier.startsWith('.')) {
      const importer = ONE_IMPORTER[specifier];
      return importer?.test(path) === true
        ? []
        : [
            `${path} imports ${specifier}, expected ${importer === undefined ? 'no such library' : `only in ${importer.source}`}`,
          ];
    }
    const target = normalize(join(dirname(path), specifier)).replaceAll('\\', '/');
    const isAllowed = target.startsWith(folder) || allowed.some((prefix) => target.startsWith(prefix));
    return isAllowed ? [] : [`${path} imports ${target}, expected only ${[folder, ...allowed].join(', ')}`];
  });
}

/** Whether code uses the global, ignoring comments and strings. */
function touchesProcess(source: string): boolean {
  const code = source.replaceAll(/\/\/.*|\/\*[\s\S]*?\*\//g, '');
  return /\bprocess\s*(?:\??\.\s*\w|\[)|=\s*process\b|globalThis\W+process\b/.test(code);
}

/**
 * Asynchronous methods whose promise is stored in a field without a failure handler. The lint rules see only promises
 * that are discarded; a rejection before the field is awaited would end the process.
 */
function unhandledWork(source: string): string[] {
  const names = [...source.matchAll(/async (#\w+)[(<]/g)].map(([, name]) => name!);
  return names.filter((name) => new RegExp(`this\\.#\\w+ = this\\.${name}\\(`).test(source));
}

/**
 * Faulty templates: those without an expression, which have lost it or need none (`nothing came for -e s` was meant to
 * contain a number of seconds), and those with an expression such as `${a?.b}`, which prints `undefined`. Texts of
 * several lines, and texts with both kinds of quotes, need a template.
 */
function brokenTemplates(path: string, source: string): string[] {
  if (!source.includes('`')) return [];
  const found: string[] = [];
  const visit = (node: unknown, isTagged: boolean): void => {
    if (typeof node !== 'object' || node === null) return;
    if ('type' in node && node.type === 'TemplateLiteral' && !isTagged) {
      const { expressions, quasis } = node as unknown as {
        expressions: { type: string }[];
        quasis: { value: { raw: string } }[];
      };
      const [text = ''] = quasis.map(({ value }) => value.raw);
      if (expressions.length === 0 && !/\n|'.*"|".*'/s.test(text)) found.push(text);
      if (expressions.some(({ type }) => type === 'ChainExpression'))
        found.push(quasis.map(({ value }) => value.raw).join('${?.}'));
    }
    for (const child of Object.values(node)) visit(child, 'type' in node && node.type === 'TaggedTemplateExpression');
  };
  const { program, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path} cannot be read: ${errors[0]?.message}`);
  visit(program, false);
  return found;
}

describe('texts', () => {
  it('are complete', () => {
    expect(
      sources().flatMap((path) =>
        brokenTemplates(path, readFileSync(join(ROOT, path), 'utf8')).map((text) => `${path}: ${text}`),
      ),
    ).toEqual([]);
  });

  it('are reported if they are not', () => {
    expect(
      brokenTemplates(
        'a.ts',
        'const a: string = `nothing came for -e s`; const b = `${a} s`, c = html`x`, d = "x", e = `${a?.b} is ${a ?? 0}`;',
      ),
    ).toEqual(['nothing came for -e s', '${?.} is ${?.}']);
  });
});

describe('background work', () => {
  it('has a failure handler wherever it is started', () => {
    expect(
      sources().flatMap((path) =>
        unhandledWork(readFileSync(join(ROOT, path), 'utf8')).map((name) => `${path}: ${name}`),
      ),
    ).toEqual([]);
  });

  it('is reported if it has none', () => {
    expect(unhandledWork('this.#reading = this.#read(socket);\nasync #read(socket) {}')).toEqual(['#read']);
    expect(unhandledWork('this.#reading = containFailure(this.#read(socket), fail);\nasync #read(socket) {}')).toEqual(
      [],
    );
  });
});

/**
 * Groups of files that import each other, directly or not, type imports included (Tarjan's algorithm); empty if there
 * are none.
 */
function importCycles(targets: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const order = new Map<string, number>();
  const stack: string[] = [];
  /** @returns the lowest index that is reachable from a file. */
  const visit = (path: string): number => {
    const own = order.size;
    order.set(path, own);
    stack.push(path);
    let least = own;
    for (const target of targets.get(path) ?? []) {
      if (!order.has(target)) least = Math.min(least, visit(target));
      else if (stack.includes(target)) least = Math.min(least, order.get(target)!);
    }
    if (least < own) return least;
    const group = stack.splice(stack.indexOf(path));
    if (group.length > 1) cycles.push(group.sort());
    return least;
  };
  for (const path of targets.keys()) if (!order.has(path)) visit(path);
  return cycles;
}

function importsByFile(): ReadonlyMap<string, readonly string[]> {
  const targets = (path: string): string[] =>
    imports(readFileSync(join(ROOT, path), 'utf8'))
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => normalize(join(dirname(path), specifier)).replaceAll('\\', '/'));
  return new Map(sources().map((path) => [path, targets(path)]));
}

describe('import cycles', () => {
  it('do not exist', () => {
    expect(importCycles(importsByFile())).toEqual([]);
  });

  it('are reported', () => {
    expect(
      importCycles(
        new Map([
          ['a', ['b']],
          ['b', ['c', 'd']],
          ['c', ['b']],
          ['d', []],
          ['e', ['a']],
        ]),
      ),
    ).toEqual([['b', 'c']]);
  });
});

describe('the dependency rules', () => {
  it('are followed by every file', () => {
    const files = sources();
    expect(files.length).toBeGreaterThan(40);
    expect(files.flatMap((path) => violations(path, readFileSync(join(ROOT, path), 'utf8')))).toEqual([]);
  });

  it.each([
    ['web/a.ts', "import { x } from '../../gateway/hub/stream.ts';"],
    ['gateway/hub/a.ts', "import { x } from '../../netgear/pattern.ts';"],
    ['gateway/sources/a.ts', "import type { x } from '../../clients/pacer.ts';"],
    ['gateway/clients/a.ts', "export { x } from '../../sources/source.ts';"],
    ['gateway/clients/a.ts', "import {\n  Dealer,\n} from 'zeromq';"],
    ['shared/a.ts', "import { x } from 'node:fs';"],
    ['gateway/main.ts', "const x = await import('../../web/viewer/viewer-session.ts');"],
    ['gateway/a.ts', "import 'left-pad';"],
    ['web/viewer/viewer-session.ts', "import { html } from 'lit';"],
    ['gateway/hub/a.ts', "import process from 'node:process';"],
  ])('finds a violation in %s', (path, source) => {
    expect(violations(path, source)).toHaveLength(1);
  });

  it('allows `process` only in the entry files of processes', () => {
    expect(
      sources()
        .filter((path) => touchesProcess(readFileSync(join(ROOT, path), 'utf8')))
        .sort(),
    ).toEqual([
      'gateway/codecs/jpeg-decoder-main.js',
      'gateway/config/command-line.ts',
      'gateway/main.ts',
      'gateway/sources/ffmpeg/guard-main.ts',
    ]);
  });

  it('reads the address of a client in one place only, which considers proxies', () => {
    const uses = sources().filter(
      (path) =>
        path.startsWith('gateway/http/') &&
        /\brequest\.ips?\b|remoteAddress|\{[^{}]*\bips?\b[^{}]*\}: \w*Request\b/.test(
          readFileSync(join(ROOT, path), 'utf8'),
        ),
    );
    expect(uses).toEqual(['gateway/http/client-address.ts']);
  });

  it.each(['process.exit(1);', 'const { env } = process;', "globalThis['process']"])(
    'detects `process` in %s',
    (source) => {
      expect(touchesProcess(source)).toBe(true);
    },
  );

  it.each(['// the process', '/* one\n process */', "'would end the process.'"])('detects none in %s', (source) => {
    expect(touchesProcess(source)).toBe(false);
  });
});
