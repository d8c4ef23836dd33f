import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { parseHost, TrustedNames, type TrustedNamesOptions } from '../../../gateway/http/trusted-names.ts';
import { readCertificate } from '../../helpers/certificate.ts';

const create = (options: Partial<TrustedNamesOptions> = {}): TrustedNames =>
  new TrustedNames({
    host: '127.0.0.1',
    allowHosts: [],
    allowOrigins: ['https://good.example'],
    publicUrl: null,
    tls: null,
    ...options,
  });
const names = create();

describe('parseHost', () => {
  it.each([
    ['localhost', 'localhost', null],
    ['LocalHost:8080', 'localhost', 8080],
    ['localhost.', 'localhost', null],
    ['localhost.:8080', 'localhost', 8080],
    ['cams.example.org:443', 'cams.example.org', 443],
    ['my_box', 'my_box', null],
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['[::1]:8080', '::1', 8080],
    ['[FE80::1%eth0]', 'fe80::1%eth0', null],
  ])('reads %s', (text, name, port) => {
    expect(parseHost(text)).toEqual({ name, port });
  });

  it.each([
    undefined,
    '',
    '.',
    ':8080',
    'a b',
    'a/b',
    'http://a',
    '<script>',
    'a"b',
    "a'b",
    'a;b',
    'bücher.example',
    '[127.0.0.1]',
    '[::1',
    '::1',
    'a:b',
    'a:123456',
    'user@a',
    'a\nb',
    'a'.repeat(256),
  ])('refuses %j', (text) => {
    expect(parseHost(text)).toBeNull();
  });
});

describe('TrustedNames.isOurHost', () => {
  const [label = ''] = hostname().toLowerCase().split('.');

  it.each([
    '127.0.0.1',
    '127.0.0.1:8080',
    '10.1.2.3',
    '[::1]:8080',
    '[fe80::1%eth0]:8080',
    'localhost',
    'LOCALHOST:1',
    'localhost.',
    'localhost.:8080',
    hostname(),
    `${hostname().toUpperCase()}.:8080`,
    label,
    `${label}.local`,
    `${label}.local:8080`,
    `${label}.LOCAL.`,
  ])('accepts %s by default', (host) => {
    expect(names.isOurHost(host)).toBe(true);
  });

  it.each([
    undefined,
    '',
    'evil.example',
    'evil.example:8080',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'evil.localhost.example',
    'localhost..',
    'xlocalhost',
    `${label}.local.evil.example`,
    `evil.${label}.local`,
    'good.example',
    '.local',
    '2130706433.example',
    '[::1].evil.example',
    'localhost\u0000',
  ])('refuses %j, which DNS rebinding may send', (host) => {
    expect(names.isOurHost(host)).toBe(false);
  });

  it('accepts the address or name on which it listens', () => {
    expect(create({ host: 'box.example' }).isOurHost('BOX.example:8080')).toBe(true);
    expect(create({ host: 'box.example' }).isOurHost('box')).toBe(false);
    expect(create({ host: '::1' }).isOurHost('[::1]')).toBe(true);
  });

  it.each<[string, string, boolean]>([
    ['box.lan', 'box.lan', true],
    ['box.lan', 'Box.LAN.:8080', true],
    ['box.lan', 'a.box.lan', false],
    ['box.lan:8080', 'box.lan:8080', true],
    ['box.lan:8080', 'box.lan:8081', false],
    ['box.lan:8080', 'box.lan', false],
    ['box.lan:443', 'box.lan', true],
  ])('with --allow-host %s accepts %s: %j', (allowed, host, expected) => {
    expect(create({ allowHosts: [allowed] }).isOurHost(host)).toBe(expected);
  });

  it('accepts the name of the public address', () => {
    const proxied = create({ publicUrl: new URL('https://Cams.example.org:8443/cams/') });
    for (const host of ['cams.example.org', 'cams.example.org:8443', 'cams.example.org.'])
      expect(proxied.isOurHost(host), host).toBe(true);
    expect(proxied.isOurHost('example.org')).toBe(false);
  });

  it('accepts the names in its certificate, and no others', () => {
    // openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=never.example -addext
    // "subjectAltName=DNS:box.example,DNS:*.cams.example"
    const cert = [
      '-----BEGIN CERTIFICATE-----',
      'MIIBrzCCAVWgAwIBAgIUV9SnUuraOTiwd488vQ3WTIEpkjIwCgYIKoZIzj0EAwIw',
      'GDEWMBQGA1UEAwwNbmV2ZXIuZXhhbXBsZTAgFw0yNjExMjgxOTQ2MDRaGA8yMTI2',
      'MTEwNDE5NDYwNFowGDEWMBQGA1UEAwwNbmV2ZXIuZXhhbXBsZTBZMBMGByqGSM49',
      'AgEGCCqGSM49AwEHA0IABGRVr8oKuDJEGR+hiNslF1Ls7Ah84BWgZ5LUKi7ZBlQ2',
      'o93HAd1VCv1PXresHcyvL85MNToXiDrgQmw0tIXoJHOjezB5MB0GA1UdDgQWBBSB',
      'Sb222Zm6/eMiGpUvgdI/nbGcDDAfBgNVHSMEGDAWgBSBSb222Zm6/eMiGpUvgdI/',
      'nbGcDDAPBgNVHRMBAf8EBTADAQH/MCYGA1UdEQQfMB2CC2JveC5leGFtcGxlgg4q',
      'LmNhbXMuZXhhbXBsZTAKBggqhkjOPQQDAgNIADBFAiATWcfYvDKXJxc15yMVC07e',
      'jIZUfO9/j/rCMMp8R4k3XgIhAIQjBmyxBeeNI+sNG2ZCabiz4r4peBKvQcH/oxZR',
      'vp0m',
      '-----END CERTIFICATE-----',
    ].join('\n');
    const secure = create({ tls: { cert } });
    for (const host of ['box.example', 'BOX.example:8080', 'west.cams.example'])
      expect(secure.isOurHost(host), host).toBe(true);
    for (const host of ['never.example', 'a.box.example', 'cams.example', 'a.west.cams.example', 'evil.example'])
      expect(secure.isOurHost(host), host).toBe(false);
    expect(create({ tls: readCertificate() }).isOurHost('evil.example')).toBe(false);
  });
});

describe('TrustedNames.isAllowedOrigin', () => {
  const proxied = create({ publicUrl: new URL('https://cams.example.org/cams/') });

  it.each<[string, TrustedNames, string | undefined, string[], boolean]>([
    ['no origin', names, undefined, ['127.0.0.1:8080'], true],
    ['the address itself', names, 'http://127.0.0.1:8080', ['127.0.0.1:8080'], true],
    ['the address itself over TLS', names, 'https://127.0.0.1:8080', ['127.0.0.1:8080'], true],
    ['a default port that only one of them contains', names, 'https://box.local', ['box.local:443'], true],
    ['a name in another case', names, 'http://box.local:8080', ['BOX.local.:8080'], true],
    ['a name with a trailing dot', names, 'http://localhost.:8080', ['localhost.:8080'], true],
    // The address of the page is read from it: it must be a URL.
    ['a dot after the port', names, 'http://127.0.0.1:8080.', ['127.0.0.1:8080'], false],
    ['a dot after the port, twice', names, 'http://127.0.0.1:8080.', ['127.0.0.1:8080.'], false],
    ['a dot after the port of a name', names, 'http://localhost:8080.', ['localhost:8080'], false],
    ['two dots', names, 'http://localhost..:8080', ['localhost:8080'], false],
    ['a dot after an IPv6 address', names, 'http://[::1].:8080', ['[::1]:8080'], false],
    ['IPv6', names, 'http://[::1]:8080', ['[::1]:8080'], true],
    ['a listed origin', names, 'https://good.example', ['127.0.0.1:8080'], true],
    ['another port', names, 'http://127.0.0.1:8081', ['127.0.0.1:8080'], false],
    ['another name', names, 'https://evil.example', ['127.0.0.1:8080'], false],
    ['a listed origin over plain HTTP', names, 'http://good.example', ['127.0.0.1:8080'], false],
    ['a name with the same beginning', names, 'http://127.0.0.1:8080.evil.example', ['127.0.0.1:8080'], false],
    ['a sandboxed frame', names, 'null', ['127.0.0.1:8080'], false],
    ['an extension', names, 'chrome-extension://abc', ['abc'], false],
    ['text', names, 'x', ['x'], false],
    ['a host that a trusted proxy reports', names, 'https://box.local', ['127.0.0.1:8080', 'box.local'], true],
    ['the public address with any Host of a proxy', proxied, 'https://cams.example.org', ['127.0.0.1:8080'], true],
    ['the public address by its name', proxied, 'https://cams.example.org', ['cams.example.org'], true],
    ['the public name over plain HTTP', proxied, 'http://cams.example.org', ['cams.example.org'], false],
    [
      'the public name at the port of the gateway',
      proxied,
      'http://cams.example.org:8080',
      ['cams.example.org:8080'],
      true,
    ],
  ])('%s', (_name, trusted, origin, hosts, expected) => {
    expect(trusted.isAllowedOrigin(origin, hosts)).toBe(expected);
  });
});

describe('TrustedNames.isAnonymousEmbedding', () => {
  const img = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' };

  it.each([
    ['an <img> of another site', img],
    ['an <img> of another port of this machine', { ...img, 'sec-fetch-site': 'same-site' }],
    ['a <script> of another site', { ...img, 'sec-fetch-dest': 'script' }],
    ['a site of an unknown kind', { ...img, 'sec-fetch-site': 'elsewhere' }],
  ])('is true for %s', (_name, headers) => {
    expect(names.isAnonymousEmbedding(headers)).toBe(true);
  });

  it.each([
    ['an <img> of the gateway’s own page', { ...img, 'sec-fetch-site': 'same-origin' }],
    ['a picture that a person opens', { ...img, 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }],
    ['a link on another site', { ...img, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    [
      '<img crossorigin>, whose Origin is checked',
      { ...img, 'sec-fetch-mode': 'cors', origin: 'https://evil.example' },
    ],
    ['a request with an Origin, which is checked', { ...img, origin: 'https://evil.example' }],
    ['a WebSocket', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'websocket', origin: 'https://good.example' }],
    ['a program', {}],
    ['a browser that reports no site', { 'sec-fetch-mode': 'no-cors' }],
  ])('is false for %s', (_name, headers) => {
    expect(names.isAnonymousEmbedding(headers)).toBe(false);
  });
});

describe('TrustedNames.forbiddenFrame', () => {
  const frame = {
    'sec-fetch-site': 'cross-site',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'iframe',
    referer: 'https://evil.example/page',
  };
  const hosts = ['127.0.0.1:8080'];

  it.each(['iframe', 'frame', 'embed', 'object'])(
    'is the origin of a page that is not listed, for <%s>',
    (destination) => {
      expect(names.forbiddenFrame({ ...frame, 'sec-fetch-dest': destination }, hosts)).toBe('https://evil.example');
    },
  );

  it.each([
    ['a listed page', { ...frame, referer: 'https://good.example/' }],
    ['a page that does not reveal its origin: the browser checks it', { ...frame, referer: undefined }],
    ['a page of the gateway', { ...frame, 'sec-fetch-site': 'same-origin', referer: 'http://127.0.0.1:8080/' }],
    ['a page under another name of the gateway', { ...frame, referer: 'http://127.0.0.1:8080/' }],
    ['a link', { ...frame, 'sec-fetch-dest': 'document' }],
    ['a browser without Fetch Metadata', { referer: 'https://evil.example/' }],
    ['a Referer that is not an address', { ...frame, referer: '<script>' }],
  ])('is null for %s', (_name, headers) => {
    expect(names.forbiddenFrame(headers, hosts)).toBeNull();
  });
});
