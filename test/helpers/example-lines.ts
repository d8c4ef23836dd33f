import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Root of the project, where example lines are run. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A fenced code block of a page. */
export interface DocBlock {
  /** Text of the heading above it. */
  readonly heading: string;
  /** `sh`, `json`, …; empty for output. */
  readonly language: string;
  readonly code: string;
}

/** All pages with examples, as paths from the root of the project. */
export const DOC_PAGES: readonly string[] = [
  'README.md',
  'python/README.md',
  ...readdirSync(`${ROOT}/docs`)
    .filter((name) => name.endsWith('.md'))
    .toSorted()
    .map((name) => `docs/${name}`),
];

/** Code blocks of a page, in order. @param path as in {@link DOC_PAGES}. */
export function docBlocks(path: string): readonly DocBlock[] {
  const found: DocBlock[] = [];
  let heading = '';
  const text = readFileSync(`${ROOT}/${path}`, 'utf8');
  for (const [, title, language, code] of text.matchAll(/^#+ (.*)$|^```(.*)\n([\s\S]*?)^```$/gm)) {
    if (code === undefined) heading = title ?? '';
    else found.push({ heading, language: language ?? '', code });
  }
  return found;
}

/** Code blocks of a page of docs/ in a language. */
export function blocks(page: string, language: string): readonly string[] {
  return docBlocks(`docs/${page}`)
    .filter((block) => block.language === language)
    .map(({ code }) => code);
}

/** Lines of a page's `sh` blocks, without comments. */
export function exampleLines(page: string): readonly string[] {
  return blocks(page, 'sh').flatMap(commandLines);
}

/** Lines of a shell block, without comments. */
export function commandLines(code: string): readonly string[] {
  return code
    .split('\n')
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
