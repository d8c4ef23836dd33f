import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Root of the project, where example lines are run. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Code blocks of a page of docs/, in order. @param language `sh`, `json`, … */
export function blocks(page: string, language: string): readonly string[] {
  const text = readFileSync(`${ROOT}/docs/${page}`, 'utf8');
  return [...text.matchAll(/```(\w+)\n([\s\S]*?)```/g)]
    .filter(([, found]) => found === language)
    .map(([, , code = '']) => code);
}

/** Lines of a page's `sh` blocks, without comments. */
export function exampleLines(page: string): readonly string[] {
  return blocks(page, 'sh').flatMap((block) =>
    block
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
}
