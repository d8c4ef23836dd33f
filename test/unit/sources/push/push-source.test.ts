import { describe, expect, it } from 'vitest';
import { parsePush, PushSource } from '../../../../gateway/sources/push/push-source.ts';
import { parseSourceUrl } from '../../../../gateway/config/source-url.ts';
import type { SourceSink } from '../../../../gateway/sources/source.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const parse = (url: string): unknown => parsePush(parseSourceUrl(url, ['takeOver', 'check']));

describe('parsePush', () => {
  it.each([
    ['push:', false, true],
    ['push:?takeOver=false', false, true],
    ['push:?takeOver=true', true, true],
    ['push:?check=true', false, true],
    ['push:?check=false&takeOver=true', true, false],
  ])('reads %s', (url, takeOver, isChecked) => {
    expect(parse(url)).toEqual({ takeOver, isChecked });
  });

  it.each(['push:main', 'push:?takeOver', 'push:?takeOver=1', 'push:?check=no', 'push:?onDemand=true'])(
    'refuses %s',
    (url) => {
      expect(() => parse(url)).toThrow(coded('source-invalid'));
    },
  );
});

describe('PushSource', () => {
  it('reports its publisher, and accepts none after it was closed', async () => {
    const source = new PushSource({ takeOver: false, isChecked: true });
    await source.open({ interrupted: () => undefined } as unknown as SourceSink);
    expect(source.state()).toBe('waiting for a publisher');
    source.publishing.enter({ label: 'phone', end: () => undefined }, { takeOver: false });
    expect(source.state()).toBe('phone');
    await source.close();
    expect(source.state()).toBe('waiting for a publisher');
    expect(() => source.publishing.check({ label: 'a', identity: 'a' }, { takeOver: true })).toThrow(coded('closed'));
  });
});
