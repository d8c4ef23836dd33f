import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { closeCode } from '../../shared/close-code.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'docs/troubleshooting.md'), 'utf8');

/** All codes in the sources: of errors, and of refusals. */
function codes(): Set<string> {
  const found = new Set<string>();
  for (const folder of ['gateway', 'shared']) {
    for (const path of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    )) {
      const text = readFileSync(join(ROOT, folder, path), 'utf8');
      for (const [, code = ''] of text.matchAll(
        /(?:new GearwayError\(\s*|\bcode: |\b[45]\d\d, )'([a-z]+(?:-[a-z]+)*)'(?! \|)/g,
      ))
        found.add(code);
    }
  }
  return found;
}

describe('docs/troubleshooting.md', () => {
  it('explains every error code', () => {
    const all = [...codes()].sort();
    expect(all.length).toBeGreaterThan(50);
    expect(all.filter((code) => !PAGE.includes(`\`${code}\``))).toEqual([]);
  });

  it('explains every close code', () => {
    expect(Object.values(closeCode).filter((code) => !PAGE.includes(`| ${code} |`))).toEqual([]);
  });
});
