import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatHelp } from '../../gateway/config/help.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const filesIn = (folder: string, ending: RegExp): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name) && !name.includes('node_modules'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`);

const DOCS = filesIn('docs', /\.md$/);
const PAGES = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'test/README.md',
  ...DOCS,
  ...filesIn('examples', /\.md$/),
];
const CODE = ['gateway', 'shared', 'web', 'test', 'examples', 'scripts'].flatMap((folder) =>
  filesIn(folder, /\.(?:[cm]?[jt]sx?|py|sh|html|vue)$/),
);

/** The text of a page without its code, in which brackets and hashes are not links and headings. */
const prose = (page: string): string =>
  page
    .replaceAll(/^```[\s\S]*?^```$/gm, '')
    .replaceAll(/(?<!`)`[^`\n]+`(?!`)/g, (code) => code.replaceAll(/[[\]()|]/g, ' '));

/** The anchors of a page, as GitHub derives them from its headings. */
function anchors(page: string): ReadonlySet<string> {
  const found = new Set<string>();
  const seen = new Map<string, number>();
  for (const [, heading = ''] of page.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/^#{1,6} (.*)$/gm)) {
    const slug = heading
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    found.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return found;
}

/** The relative links of a page, and its pictures: their targets as written. */
const links = (page: string): readonly string[] =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)|<(?:img|source)\b[^>]*?\ssrc(?:set)?="([^"]+)"/g)]
    .map(([, link, picture]) => link ?? picture ?? '')
    .filter((target) => !/^[a-z]+:/.test(target));

/** The problem of a link; null if its target exists. */
function problem(path: string, target: string): string | null {
  const [file = '', anchor] = target.split('#');
  const linked = file === '' ? path : normalize(join(dirname(path), file)).replaceAll('\\', '/');
  if (!existsSync(join(ROOT, linked))) return `${path}: ${target} does not exist`;
  if (anchor === undefined) return null;
  if (statSync(join(ROOT, linked)).isDirectory() || !anchors(read(linked)).has(anchor))
    return `${path}: ${target} has no such heading`;
  return null;
}

/** The column headings of a page's tables: the lines above `|---|`. */
const tableHeads = (page: string): readonly string[] =>
  [...prose(page).matchAll(/^(\|.*\|)\n\|(?: ?:?-+:? ?\|)+$/gm)].map(([, head = '']) => head);
const cells = (row: string): readonly string[] =>
  row
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());

describe('the documentation', () => {
  it.each(PAGES)('%s has only valid links', (path) => {
    expect(
      links(read(path))
        .map((target) => problem(path, target))
        .filter((text) => text !== null),
    ).toEqual([]);
  });

  it.each(PAGES)('%s has no table with an empty heading', (path) => {
    expect(tableHeads(read(path)).filter((head) => cells(head).includes(''))).toEqual([]);
  });

  it('reports faults', () => {
    expect(problem('README.md', 'docs/nothing.md')).toMatch(/does not exist/);
    expect(problem('README.md', 'docs/README.md#nothing')).toMatch(/no such heading/);
    expect(links('[a](b.md) `[c](d.md)` [e](https://e.org)\n```\n[f](g.md)\n```\n')).toEqual(['b.md']);
    expect(links('<source srcset="h.webp"><img src="i.webp" alt="J (k)">')).toEqual(['h.webp', 'i.webp']);
    expect(tableHeads('| a | |\n|---|---|\n| b | c |\n').map(cells)).toEqual([['a', '']]);
    expect([...anchors('# A `b`: c\n## A b c\n')]).toEqual(['a-b-c', 'a-b-c-1']);
  });

  it('is completely linked from docs/README.md', () => {
    const linked = new Set(
      links(read('docs/README.md')).map((target) => normalize(join('docs', target.split('#')[0]!))),
    );
    expect(DOCS.filter((path) => path !== 'docs/README.md' && !linked.has(path))).toEqual([]);
  });

  it('contains every page to which the code refers', () => {
    const named = CODE.flatMap((path) =>
      [...read(path).matchAll(/(?<![\w/-])docs\/[\w-]+\.md/g)].map(([page]) => ({ path, page })),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(
      named.filter(({ page, path }) => !existsSync(join(ROOT, page)) && !path.endsWith('docs-links.test.ts')),
    ).toEqual([]);
  });
});

describe('docs/command-line.md and docs/configuration.md', () => {
  const help = formatHelp();
  const options = (text: string): readonly string[] =>
    [...new Set([...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([name]) => name))].sort();
  const variables = (text: string): readonly string[] =>
    [...new Set([...text.matchAll(/GEARWAY_[A-Z_]+/g)].map(([name]) => name))].sort();

  it('list every option and variable of --help', () => {
    const pages = read('docs/command-line.md') + read('docs/configuration.md');
    expect(options(help).length).toBeGreaterThan(25);
    expect(options(help).filter((name) => !options(pages).includes(name))).toEqual([]);
    expect(variables(help).filter((name) => !variables(pages).includes(name))).toEqual([]);
  });
});
