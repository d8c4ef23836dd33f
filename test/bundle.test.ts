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

describe('the built element', () => {
  it('takes at most 40 KB gzipped for a viewer in its worker', () => {
    const files = [...loadedWith('gearway-viewer.js'), ...loadedWith('gearway-worker.js')];
    expect(files.sort()).toEqual(['gearway-common.js', 'gearway-viewer.js', 'gearway-worker.js']);
    const bytes = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(BUILT, name)), { level: 9 }).byteLength, 0);
    expect(bytes, files.join()).toBeLessThanOrEqual(40 * 1024);
  });

  it('has its worker in one file, and makes no code from text', () => {
    expect([...loadedWith('gearway-worker.js')]).toEqual(['gearway-worker.js']);
    for (const name of ['gearway-viewer.js', 'gearway-worker.js']) expect(readFileSync(join(BUILT, name), 'utf8')).not.toMatch(/\bnew Function\b|\beval\(/);
  });
});
