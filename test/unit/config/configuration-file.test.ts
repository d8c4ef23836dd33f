import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigurationFile } from '../../../gateway/config/configuration-file.ts';
import { listStreams } from '../../../gateway/stream-editor.ts';
import { checkOptions, formats } from '../../helpers/config.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gearway-configuration-'));
  path = join(folder, 'gateway.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

function open(text: string): ConfigurationFile {
  writeFileSync(path, text);
  return new ConfigurationFile(path, {
    formats,
    variables: {},
    given: [],
    check: checkOptions,
    streamsOf: listStreams,
  });
}

const STREAMS = 'streams:\n  door:\n    source: "push:"\n';
const lost: unknown = expect.objectContaining({ code: 'config-invalid' });

describe('ConfigurationFile', () => {
  it.each([
    ['of 0 bytes', ''],
    ['of comments', '# streams:\n'],
    ['that is only a document marker', '---\n'],
    ['of null', 'null\n'],
  ])('does not treat a file %s as a change, because a full disk leaves such a file', async (_, text) => {
    const file = open(STREAMS);
    await file.load();
    writeFileSync(path, text);
    await expect(file.load()).rejects.toEqual(lost);
    await expect(file.load()).rejects.toEqual(lost);
    await expect(file.save('yard', { source: 'push:' })).rejects.toEqual(lost);
    expect(readFileSync(path, 'utf8')).toBe(text);
    writeFileSync(path, STREAMS);
    await expect(file.load()).resolves.toMatchObject({ options: { streams: { door: { source: 'push:' } } } });
  });

  it('accepts a file without options at the start, and adds the first stream to it', async () => {
    const file = open('# nothing yet\n');
    await file.load();
    await file.load();
    await file.save('yard', { source: 'push:' });
    await expect(file.load()).resolves.toMatchObject({ options: { streams: { yard: { source: 'push:' } } } });
    writeFileSync(path, '');
    await expect(file.load()).rejects.toEqual(lost);
  });
});
