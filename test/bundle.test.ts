import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const BUILT = fileURLToPath(new URL('../dist/web/', import.meta.url));

/** A built file and those that it always loads. */
function loadedWith(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  const text = readFileSync(join(BUILT, name), 'utf8');
  for (const [, imported] of text.matchAll(/(?:^|[;}])(?:import|export)[^'"`();]*["'`]\.\/([\w-]+\.js)["'`]/g)) loadedWith(imported!, found);
  return found;
}

describe.each([
  { element: 'viewer', files: ['gearway-common.js', 'gearway-viewer.js', 'gearway-worker.js'] },
  { element: 'publisher', files: ['gearway-publisher-common.js', 'gearway-publisher-worker.js', 'gearway-publisher.js'] },
])('the built $element', ({ element, files }) => {
  const [worker] = files.filter((name) => name.endsWith('worker.js')) as [string];

  it('takes at most 40 KB gzipped with its worker', () => {
    expect([...loadedWith(`gearway-${element}.js`), ...loadedWith(worker)].sort()).toEqual(files);
    const bytes = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(BUILT, name)), { level: 9 }).byteLength, 0);
    expect(bytes, files.join()).toBeLessThanOrEqual(40 * 1024);
  });

  it('has its worker in one file, and makes no code from text', () => {
    expect([...loadedWith(worker)]).toEqual([worker]);
    for (const name of files) expect(readFileSync(join(BUILT, name), 'utf8')).not.toMatch(/\bnew Function\b|\beval\(/);
  });
});
