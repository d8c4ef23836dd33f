import { describe, expect, it } from 'vitest';
import { formatHost, parseHttpAddress, redirectedAddress } from '../../../../gateway/sources/mjpeg/http-address.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

describe('parseHttpAddress', () => {
  it.each([
    ['http://cam', { isSecure: false, host: 'cam', port: 80, path: '/', credentials: null }],
    ['HTTPS://cam/a?b=c#d', { isSecure: true, host: 'cam', port: 443, path: '/a?b=c', credentials: null }],
    ['http://cam?b=c', { path: '/?b=c' }],
    ['http://cam:8080/a b/ü"', { port: 8080, path: '/a%20b/%C3%BC"' }],
    ['http://cam/%20%zz', { path: '/%20%zz' }],
    ['http://[::1]:81/x', { host: '::1', port: 81, path: '/x' }],
    ['http://[fe80::1%25eth0]/', { host: 'fe80::1%eth0', port: 80 }],
    ['http://bücher.example/', { host: 'xn--bcher-kva.example' }],
    ['http://user@cam/', { host: 'cam', credentials: { user: 'user', password: '' } }],
    ['http://user:pass@cam:81/', { host: 'cam', port: 81, credentials: { user: 'user', password: 'pass' } }],
    ['http://us%3Aer:p%40ss%2F%C3%BC@cam/', { credentials: { user: 'us:er', password: 'p@ss/ü' } }],
    ['http://admin:a:b@c@cam/', { host: 'cam', credentials: { user: 'admin', password: 'a:b@c' } }],
    // Not encoded, as users write them.
    [
      'http://admin:Hunter2#cam@192.168.1.2/live?x=1',
      { host: '192.168.1.2', path: '/live?x=1', credentials: { user: 'admin', password: 'Hunter2#cam' } },
    ],
    [
      'http://admin:a/b?c d@cam:81/live',
      { host: 'cam', port: 81, path: '/live', credentials: { user: 'admin', password: 'a/b?c d' } },
    ],
    ['http://admin:100%@cam/', { credentials: { user: 'admin', password: '100%' } }],
    // No password.
    ['http://cam:81/mail@home', { host: 'cam', port: 81, path: '/mail@home', credentials: null }],
  ])('%s', (url, parts) => {
    expect(parseHttpAddress(url)).toMatchObject(parts);
  });

  it.each([
    '',
    'cam',
    'ftp://cam/',
    'http://',
    'http:///path',
    'http://cam:0/',
    'http://cam:65536/',
    'http://cam:x/',
    'http://[cam]/',
    'http://[::1/',
    'http://a b/',
    'http://cam/\r\nX: y',
    'http://c\nam/',
  ])('refuses %j', (url) => {
    expect(() => parseHttpAddress(url)).toThrow(coded('source-invalid'));
  });
});

describe('formatHost', () => {
  it.each([
    ['http://cam/', 'cam'],
    ['http://cam:443/', 'cam:443'],
    ['https://cam:443/', 'cam'],
    ['http://[::1]:81/', '[::1]:81'],
    ['http://[fe80::1%eth0]/', '[fe80::1]'],
  ])('%s', (url, host) => {
    expect(formatHost(parseHttpAddress(url))).toBe(host);
  });
});

describe('redirectedAddress', () => {
  const from = parseHttpAddress('http://user:pass@cam:81/a/b?c');

  it.each([
    ['d', 'cam', 81, '/a/d', true],
    ['/d?e=f', 'cam', 81, '/d?e=f', true],
    ['http://cam:81/d', 'cam', 81, '/d', true],
    ['https://cam/d', 'cam', 443, '/d', true],
    ['//cam:82/d', 'cam', 82, '/d', false],
    ['http://other:81/d', 'other', 81, '/d', false],
    ['http://cam.other:81/d', 'cam.other', 81, '/d', false],
    ['http://evil:word@cam:82/', 'cam', 82, '/', false],
  ])('to %s keeps the credentials only for the same server', (location, host, port, path, isKept) => {
    expect(redirectedAddress(from, location)).toMatchObject({
      host,
      port,
      path,
      credentials: isKept ? { user: 'user', password: 'pass' } : null,
    });
  });

  it('from https to http keeps no credentials', () => {
    expect(redirectedAddress(parseHttpAddress('https://user:pass@cam/'), 'http://cam/').credentials).toBeNull();
  });

  it.each(['file:///etc/passwd', 'rtsp://cam/', 'http://cam:99999/', 'http://'])('refuses %s', (location) => {
    expect(() => redirectedAddress(from, location)).toThrow(coded('source-failed'));
  });
});
