import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const BUILT = fileURLToPath(new URL('../../dist/web/', import.meta.url));

/** A built file with the files that it always loads. */
function loadedWith(name: string, found = new Set<string>()): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  const text = readFileSync(join(BUILT, name), 'utf8');
  for (const [, imported] of text.matchAll(/(?:^|[;}])(?:import|export)[^'"`();]*["'`]\.\/([\w-]+\.js)["'`]/g))
    loadedWith(imported!, found);
  return found;
}

describe.each([
  { element: 'gearway-viewer.js', common: 'gearway-common.js', worker: 'gearway-worker.js' },
  { element: 'gearway-publisher.js', common: 'gearway-publisher-common.js', worker: 'gearway-publisher-worker.js' },
])('the built $element', ({ element, common, worker }) => {
  it('takes at most 40 KB gzipped with its worker, and shares no file with the other element', () => {
    const files = [...loadedWith(element), ...loadedWith(worker)];
    expect(files.sort()).toEqual([common, element, worker].sort());
    const bytes = files.reduce(
      (sum, name) => sum + gzipSync(readFileSync(join(BUILT, name)), { level: 9 }).byteLength,
      0,
    );
    expect(bytes, files.join()).toBeLessThanOrEqual(40 * 1024);
  });

  it('has its worker in one file, and does not evaluate text as code', () => {
    expect([...loadedWith(worker)]).toEqual([worker]);
    for (const name of [element, worker])
      expect(readFileSync(join(BUILT, name), 'utf8')).not.toMatch(/\bnew Function\b|\beval\(/);
  });
});

describe('the built gearway-devices.js', () => {
  it('is one file, which viewers do not load', () => {
    expect([...loadedWith('gearway-devices.js')]).toEqual(['gearway-devices.js']);
    for (const name of [...loadedWith('gearway-viewer.js'), 'gearway-worker.js'])
      expect(readFileSync(join(BUILT, name), 'utf8')).not.toContain('gearway-devices');
  });

  it('has the worker of its camera in one file', () => {
    expect([...loadedWith('gearway-camera-worker.js')]).toEqual(['gearway-camera-worker.js']);
  });
});
