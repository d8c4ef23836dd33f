import { describe, expect, it } from 'vitest';
import { changedOptions, readOptions } from '../../../../web/pages/console/stream-options.ts';

function form(fields: Readonly<Record<string, string>>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
}

describe('readOptions', () => {
  it('reads one native client per line, and omits empty options', () => {
    expect(
      readOptions(
        form({ source: ' push: ', clients: 'tcp://a:1\n\n  tcp://b:2 \n', virtualPorts: '', start: 'all', idle: '' }),
      ),
    ).toEqual({ source: 'push:', clients: ['tcp://a:1', 'tcp://b:2'], start: 'all' });
    expect(readOptions(form({ source: 'push:', clients: ' \n' }))).toEqual({ source: 'push:' });
  });
});

describe('changedOptions', () => {
  it('contains the changed options, and null for removed ones', () => {
    const before = { source: 'push:', clients: ['tcp://a:1'], start: 'all' } as const;
    expect(changedOptions(before, before)).toEqual({});
    expect(changedOptions(before, { source: 'push:', clients: ['tcp://a:1', 'tcp://b:2'], idle: 'silence' })).toEqual({
      clients: ['tcp://a:1', 'tcp://b:2'],
      start: null,
      idle: 'silence',
    });
    expect(changedOptions({ source: 'push:', clients: [] }, { source: 'push:' })).toEqual({});
  });
});
