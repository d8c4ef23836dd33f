import { describe, expect, it } from 'vitest';
import { createRedactor, hideSecrets } from '../../../gateway/sources/ffmpeg/secrets.ts';

describe('hideSecrets', () => {
  it.each([
    ['rtsp://cam/stream', 'rtsp://cam/stream'],
    ['rtsp://admin@cam/stream', 'rtsp://admin@cam/stream'],
    ['rtsp://admin:hunter2@cam/stream', 'rtsp://admin:…@cam/stream'],
    ['rtsp://admin:p@ss:w@cam/stream', 'rtsp://admin:…@cam/stream'],
    ['http://:x@cam/?a=1&password=hunter2&b=2', 'http://:…@cam/?a=1&password=…&b=2'],
    ['srt://host:1?passphrase=abc&mode=caller', 'srt://host:1?passphrase=…&mode=caller'],
    ['http://cam/?access_token=abc#x', 'http://cam/?access_token=…#x'],
    ['mail@example.org', 'mail@example.org'],
    ['two: rtsp://a:b@c/ and rtsp://d:e@f/', 'two: rtsp://a:…@c/ and rtsp://d:…@f/'],
  ])('%s', (address, hidden) => {
    expect(hideSecrets(address)).toBe(hidden);
  });
});

describe('createRedactor', () => {
  it('hides the password wherever FFmpeg prints it, as it is and decoded', () => {
    const hide = createRedactor('rtsp://admin:s%40cret@cam/s', []);
    expect(hide('[rtsp @ 0x1] method DESCRIBE failed for rtsp://admin:s%40cret@cam/s: s@cret')).toBe('[rtsp @ 0x1] method DESCRIBE failed for rtsp://admin:…@cam/s: …');
  });

  it('hides the values of options that are secrets', () => {
    const hide = createRedactor('http://cam/', ['-headers', 'Authorization: Bearer abcdef', '-user_agent', 'gearway']);
    expect(hide('bad header "Authorization: Bearer abcdef" of gearway')).toBe('bad header "…" of gearway');
  });

  it('leaves words alone that are a short password, too', () => {
    expect(createRedactor('rtsp://a:no@cam/', [])('there is no camera at rtsp://a:no@cam/')).toBe('there is no camera at rtsp://a:…@cam/');
  });

  it('survives a password that is not percent-encoded', () => {
    expect(createRedactor('rtsp://a:100%@cam/', [])('100% of rtsp://a:100%@cam/')).toBe('… of rtsp://a:…@cam/');
  });
});
