import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../shared/logger.ts';
import { createSources } from '../../gateway/create-sources.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const named = (...urls: string[]): unknown =>
  createSources(urls, SILENT_LOGGER).map(({ name, source, isOnDemand }) => [name, source.kind, isOnDemand]);

describe('createSources', () => {
  it('names the stream main, unless the source has a name', () => {
    expect(named('test-pattern:')).toEqual([['main', 'test-pattern', false]]);
    expect(named('door=test-pattern:?fps=5', 'push:')).toEqual([
      ['door', 'test-pattern', false],
      ['main', 'push', false],
    ]);
  });

  it('creates a stream for each port of servers in multi-servers mode', () => {
    expect(named('netgear:tcp://127.0.0.1:5566,5577?multiserver=true')).toEqual([
      ['5566', 'netgear', false],
      ['5577', 'netgear', false],
    ]);
    expect(named('yard=netgear:tcp://127.0.0.1:5566,5577?multiserver=true')).toEqual([
      ['yard-5566', 'netgear', false],
      ['yard-5577', 'netgear', false],
    ]);
  });

  it('creates a stream for each listed imagezmq sender', () => {
    expect(named('imagezmq:tcp://0.0.0.0:5555')).toEqual([['main', 'imagezmq', false]]);
    expect(named('imagezmq:tcp://0.0.0.0:5555?senders=kitchen,porch')).toEqual([
      ['kitchen', 'imagezmq', false],
      ['porch', 'imagezmq', false],
    ]);
    expect(named('home=imagezmq:ipc:///tmp/hub?senders=front%20door,pi.local')).toEqual([
      ['home-front-door', 'imagezmq', false],
      ['home-pi-local', 'imagezmq', false],
    ]);
    // Both senders would have the same stream name.
    expect(() => named('imagezmq:tcp://0.0.0.0:5555?senders=a.b,a-b')).toThrow(coded('source-invalid'));
    expect(() =>
      named(`imagezmq:tcp://0.0.0.0:5555?senders=${Array.from({ length: 33 }, (_none, n) => `s${n}`).join()}`),
    ).toThrow(coded('source-invalid'));
  });

  it.each([
    'imagezmq:',
    'imagezmq:0.0.0.0:5555',
    'imagezmq:tcp://0.0.0.0',
    'imagezmq:tcp://0.0.0.0:0',
    'imagezmq:tcp://0.0.0.0:65536',
    'imagezmq:tcp://a:1,tcp://b:1',
    'imagezmq:tcp://a:1,?pattern=publish-subscribe',
    'imagezmq:tcp://a:1?pattern=2',
    'imagezmq:tcp://a:1?senders=',
    'imagezmq:tcp://a:1?senders=a,a',
    'imagezmq:udp://a:1',
  ])('refuses %j', (url) => {
    expect(() => named(url)).toThrow(coded('source-invalid'));
  });

  it('accepts onDemand if the gateway starts the source', () => {
    expect(named('test-pattern:?onDemand=true')).toEqual([['main', 'test-pattern', true]]);
    expect(named('test-pattern:?onDemand=false')).toEqual([['main', 'test-pattern', false]]);
    expect(() => named('test-pattern:?onDemand=yes')).toThrow(coded('source-invalid'));
    expect(() => named('netgear:tcp://127.0.0.1:5566?onDemand=true')).toThrow(coded('address-invalid'));
  });

  it('accepts up to 64 streams', () => {
    const sources = (count: number): string[] => Array.from({ length: count }, (_none, index) => `s${index}=push:`);
    expect(named(...sources(64))).toHaveLength(64);
    expect(() => named(...sources(65))).toThrow(coded('source-invalid'));
    expect(() => named()).toThrow(coded('source-invalid'));
  });

  it.each([
    '',
    'push',
    'ftp://camera',
    'test-pattern:1280x720',
    'test-pattern:?fps=0',
    'test-pattern:?size=100x100',
    'test-pattern:?rate=3',
    'constructor:',
  ])('refuses %j', (url) => {
    expect(() => named(url)).toThrow(coded('source-invalid'));
  });

  it.each([
    'a b=push:',
    `${'n'.repeat(65)}=push:`,
    '=push:',
    'türe=push:',
    'a.b=ffmpeg:rtsp://cam/',
    'door,yard=push:',
  ])('names the fault of the name in %j', (url) => {
    expect(() => named(url)).toThrow(
      expect.objectContaining({
        code: 'option-invalid',
        message: expect.stringMatching(/^the name ".*" of a stream/) as string,
      }),
    );
  });

  it.each<[string, string]>([
    ['rtsp://cam/live', 'ffmpeg:rtsp://cam/live'],
    ['door=http://cam/video', 'ffmpeg:http://cam/video'],
    ['tcp://127.0.0.1:5555?pattern=1', 'netgear:tcp://127.0.0.1:5555?pattern=1'],
    ['fmpeg:camera', 'ffmpeg:camera'],
    ['testpattern:', 'test-pattern:'],
    ['push', 'push:'],
    ['0', 'ffmpeg:camera'],
    ['/dev/video0', 'ffmpeg:/dev/video0'],
    ['film.mp4', 'ffmpeg:film.mp4'],
  ])('suggests what %j may mean', (url, similar) => {
    expect(() => named(url)).toThrow(`did you mean ${similar}?`);
  });

  it.each([
    ['a=netgear:tcp://127.0.0.1:5555', 'b=netgear:tcp://127.0.0.1:5555?pattern=2'],
    ['a=netgear:tcp://127.0.0.1:5555,5556?multiserver=true', 'b=netgear:tcp://*:5556'],
    ['a=imagezmq:tcp://0.0.0.0:5555?senders=x', 'b=imagezmq:tcp://0.0.0.0:5555?senders=y'],
    ['a=netgear-async:tcp://127.0.0.1:5555', 'b=netgear:tcp://0.0.0.0:5555'],
    ['a=netgear:ipc:///tmp/x:5555', 'b=netgear:ipc:///tmp/x:5555'],
  ])('refuses two sources that listen at one address: %s %s', (...urls) => {
    expect(() => named(...urls)).toThrow(
      expect.objectContaining({ code: 'source-invalid', path: ['streams', 'b', 'source'] }),
    );
  });

  it.each([
    ['a=netgear:tcp://127.0.0.1:5555', 'b=netgear:tcp://127.0.0.2:5555'],
    ['a=imagezmq:tcp://pi:5555?pattern=publish-subscribe', 'b=imagezmq:tcp://pi:5555?pattern=publish-subscribe'],
    ['a=netgear:tcp://127.0.0.1:5555,5556?multiclient=true&pattern=2', 'b=netgear:tcp://127.0.0.1:5556'],
    ['a=mjpeg:http://cam/', 'b=mjpeg:http://cam/'],
  ])('accepts sources that do not: %s %s', (...urls) => {
    expect(() => named(...urls)).not.toThrow();
  });

  it('refuses two sources for one stream', () => {
    expect(() => named('push:', 'test-pattern:')).toThrow(coded('source-invalid'));
    expect(() => named('door=push:', 'door=test-pattern:')).toThrow(coded('source-invalid'));
  });
});
