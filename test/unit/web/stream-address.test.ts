import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { socketUrl, streamName, streamUrl } from '../../../web/connection/stream-address.ts';

beforeEach(() => vi.stubGlobal('document', { baseURI: 'https://page.example/app/index.html' }));
afterEach(() => vi.unstubAllGlobals());

describe('streamUrl', () => {
  it.each([
    ['http://127.0.0.1:8080/streams/main', 'http://127.0.0.1:8080/streams/main'],
    ['http://127.0.0.1:8080/streams/main/', 'http://127.0.0.1:8080/streams/main/'],
    ['https://example.org/cams/streams/door?x#y', 'https://example.org/cams/streams/door?x#y'],
    ['/streams/main', 'https://page.example/streams/main'],
    ['../streams/main', 'https://page.example/streams/main'],
  ])('accepts %s', (src, expected) => {
    expect(streamUrl(src)?.href).toBe(expected);
  });

  it.each([
    '',
    'http://',
    'main',
    'http://127.0.0.1:8080',
    'http://127.0.0.1:8080/streams/',
    'http://127.0.0.1:8080/stream/main',
    'http://127.0.0.1:8080/viewer?stream=main',
    'http://127.0.0.1:8080/streams/main/mjpeg',
    'http://127.0.0.1:8080/?src=/streams/main',
  ])('refuses %s, which is not the address of a stream', (src) => {
    expect(streamUrl(src)).toBeNull();
    expect(streamName(src)).toBeNull();
  });
});

describe('socketUrl', () => {
  it('is below the address of the stream', () => {
    expect(socketUrl(streamUrl('https://example.org/cams/streams/door/')!, 'ws')).toBe(
      'wss://example.org/cams/streams/door/ws',
    );
    expect(socketUrl(streamUrl('http://127.0.0.1:8080/streams/main')!, 'publish')).toBe(
      'ws://127.0.0.1:8080/streams/main/publish',
    );
  });
});
