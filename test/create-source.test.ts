import { describe, expect, it } from 'vitest';
import { createSources } from '../gateway/create-source.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const named = (...urls: string[]): unknown => createSources(urls, () => undefined).map(({ name, source, isOnDemand }) => [name, source.kind, isOnDemand]);

describe('createSources', () => {
  it('calls the stream main, unless the source has a name', () => {
    expect(named('test-pattern:')).toEqual([['main', 'test-pattern', false]]);
    expect(named('door=test-pattern:?fps=5', 'push:')).toEqual([['door', 'test-pattern', false], ['main', 'push', false]]);
  });

  it('makes a stream for each port of servers in multi-servers mode', () => {
    expect(named('netgear:tcp://127.0.0.1:5566,5577?multiserver=true')).toEqual([['5566', 'netgear', false], ['5577', 'netgear', false]]);
    expect(named('yard=netgear:tcp://127.0.0.1:5566,5577?multiserver=true')).toEqual([['yard-5566', 'netgear', false], ['yard-5577', 'netgear', false]]);
  });

  it('takes onDemand where the gateway starts the source', () => {
    expect(named('test-pattern:?onDemand=true')).toEqual([['main', 'test-pattern', true]]);
    expect(named('test-pattern:?onDemand=false')).toEqual([['main', 'test-pattern', false]]);
    expect(() => named('test-pattern:?onDemand=yes')).toThrow(coded('source-invalid'));
    expect(() => named('netgear:tcp://127.0.0.1:5566?onDemand=true')).toThrow(coded('address-invalid'));
  });

  it('takes up to 64 streams', () => {
    const sources = (count: number): string[] => Array.from({ length: count }, (_none, index) => `s${index}=push:`);
    expect(named(...sources(64))).toHaveLength(64);
    expect(() => named(...sources(65))).toThrow(coded('source-invalid'));
    expect(() => named()).toThrow(coded('source-invalid'));
  });

  it.each(['', 'push', 'ftp://camera', 'a b=push:', `${'n'.repeat(65)}=push:`, '=push:', 'test-pattern:1280x720', 'test-pattern:?fps=0', 'test-pattern:?size=100x100', 'test-pattern:?rate=3', 'constructor:'])('refuses %j', (url) => {
    expect(() => named(url)).toThrow(coded('source-invalid'));
  });

  it('refuses two sources of one stream', () => {
    expect(() => named('push:', 'test-pattern:')).toThrow(coded('source-invalid'));
    expect(() => named('door=push:', 'door=test-pattern:')).toThrow(coded('source-invalid'));
  });
});
