import { describe, expect, it } from 'vitest';
import { GearwayError } from '../../../shared/errors.ts';
import {
  createRedactor,
  hasUnencodedPassword,
  hideAddress,
  hideUrls,
  redactorOfUrls,
} from '../../../gateway/sources/redactor.ts';

describe('hideAddress', () => {
  it.each([
    ['rtsp://cam/stream', 'rtsp://cam/stream'],
    ['rtsp://cam:554/stream', 'rtsp://cam:554/stream'],
    ['rtsp://admin@cam/stream', 'rtsp://admin@cam/stream'],
    ['rtsp://admin:hunter2@cam/stream', 'rtsp://admin:…@cam/stream'],
    ['rtsp://admin:p@ss:w@cam/stream', 'rtsp://admin:…@cam/stream'],
    ['rtsp://admin:Hunter2#cam@cam/stream', 'rtsp://admin:…@cam/stream'],
    ['rtsp://admin:a/b?c d@cam/stream', 'rtsp://admin:…@cam/stream'],
    ['http://:x@cam/?a=1&password=hunter2&b=2', 'http://:…@cam/?a=1&password=…&b=2'],
    ['http://cam/?password=hun#ter 2&b=2', 'http://cam/?password=…&b=2'],
    ['srt://host:1?passphrase=abc&mode=caller', 'srt://host:1?passphrase=…&mode=caller'],
    ['http://cam/?loginuse=a&loginpas=b', 'http://cam/?loginuse=a&loginpas=…'],
    ['rtsp://[::1]:554/x', 'rtsp://[::1]:554/x'],
    ['rtsp://admin:x@[::1]:554/x', 'rtsp://admin:…@[::1]:554/x'],
    ['admin:hunter2@cam/stream', 'admin:…@cam/stream'],
    ['rtsp:/admin:hunter2@cam/stream', 'rtsp:…@cam/stream'],
    ['/data/12:30 @home.mp4', '/data/12:30 @home.mp4'],
    ['C:\\videos\\a@b.mp4', 'C:\\videos\\a@b.mp4'],
    ['camera:@device_pnp_x', 'camera:@device_pnp_x'],
    ['mail@example.org', 'mail@example.org'],
  ])('%s', (address, hidden) => {
    expect(hideAddress(address)).toBe(hidden);
  });
});

describe('hideUrls', () => {
  it.each([
    ['two: rtsp://a:b@c/ and rtsp://d:e@f/', 'two: rtsp://a:…@c/ and rtsp://d:…@f/'],
    ['redirected to http://a:b/c@d/', 'redirected to http://a:…@d/'],
    ['http://cam/?access_token=abc', 'http://cam/?access_token=…'],
    ['nothing at http://cam:80/ (mail a@b)', 'nothing at http://cam:80/ (mail a@b)'],
  ])('%s', (text, hidden) => {
    expect(hideUrls(text)).toBe(hidden);
  });

  it('takes linear time for malicious texts', () => {
    const from = performance.now();
    for (const text of ['a', '?pas', '?', '://:', '://a:@', '&key=']) hideUrls(text.repeat(20_000));
    expect(performance.now() - from).toBeLessThan(3000);
  });
});

/** Every printable ASCII character, and some other characters. */
const CHARACTERS = [
  ...Array.from({ length: 95 }, (_none, index) => String.fromCodePoint(32 + index)),
  '\t',
  '\u0001',
  'é',
  'ß',
  '漢',
  '😀',
  '\u202E',
  '\u200B',
  '\uD800',
];

/** The character at the beginning, in the middle and at the end. */
const passwordsWith = (character: string): readonly string[] => [
  `${character}Hunt3rGreen`,
  `Hunt3r${character}Green`,
  `Hunt3rGreen${character}`,
];

/** Removes halves of surrogate pairs, which cannot be passed to programs. */
const whole = (text: string): string => Buffer.from(text).toString();

/** Splits an address as FFmpeg's av_url_split does. */
function misread(address: string): {
  readonly authority: string;
  readonly host: string;
  readonly port: string;
  readonly rest: string;
} {
  const after = address.slice(address.indexOf('://') + 3);
  const end = after.search(/[/?#]/);
  const authority = end < 0 ? after : after.slice(0, end);
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  return { authority, host, port: host.slice(host.lastIndexOf(':') + 1), rest: end < 0 ? '' : after.slice(end) };
}

describe('createRedactor', () => {
  it.each(CHARACTERS)('hides a password with %j at any position, in any printed form', (character) => {
    for (const password of passwordsWith(character)) {
      const address = `rtsp://admin:${password}@10.0.0.9:554/live`;
      const { hide } = createRedactor([address]);
      const { authority, host, port, rest } = misread(address);
      const decoded = password.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      );
      const texts = [
        address,
        `${address}: Invalid data found`,
        `Failed to resolve hostname ${host}: Name or service not known`,
        `tcp://${host}:0?timeout=1: refused`,
        `port ${port} is missing`,
        `${authority} and ${rest}`,
        `"${password}"`,
        decoded,
        JSON.stringify(address),
        encodeURI(whole(address)),
        encodeURIComponent(whole(password)),
        encodeURIComponent(whole(password)).replaceAll(/%../g, (code) => code.toLowerCase()),
        `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`,
        Buffer.from(address).toString(),
        address.replaceAll(/[\u0000-\u001F]/g, '?'),
      ];
      for (const text of texts) {
        const hidden = hide(text);
        // The fragments, in any spelling.
        expect(hidden, text).not.toMatch(/Hunt3r|Green/i);
        expect(hidden, text).not.toContain(Buffer.from(`admin:${password}`).toString('base64').replace(/=+$/, ''));
      }
      expect(hide(address)).toBe('rtsp://admin:…@10.0.0.9:554/live');
    }
  });

  it('hides the password wherever FFmpeg prints it, encoded and decoded', () => {
    const { hide } = createRedactor(['rtsp://admin:s%40cret@cam/s']);
    expect(hide('[rtsp @ 0x1] method DESCRIBE failed for rtsp://admin:s%40cret@cam/s: s@cret')).toBe(
      '[rtsp @ 0x1] method DESCRIBE failed for rtsp://admin:…@cam/s: …',
    );
  });

  it.each([
    [
      ['-headers', 'Authorization: Bearer abcdef', '-user_agent', 'gearway'],
      'bad header "Authorization: Bearer abcdef" of gearway, abcdef',
      'bad header "…" of gearway, …',
    ],
    [['-headers', 'X-Key: k3yk3y\\r\\nCookie: sid=c00kie'], 'k3yk3y c00kie X-Key', '… … X-Key'],
    [['-cookies', 'session=c00kie; path=/'], 'refused: c00kie', 'refused: …'],
    [
      ['-http_proxy', 'http://user:pr0xy#1@proxy:3128'],
      'cannot reach pr0xy at http://user:pr0xy#1@proxy:3128',
      'cannot reach … at http://user:…@proxy:3128',
    ],
    [['-decryption_key', '00112233'], 'bad key 00112233', 'bad key …'],
  ])('hides secrets in the options %j', (words, text, hidden) => {
    const { hide } = createRedactor(['http://cam/'], words);
    expect([...hide(text).matchAll(/abcdef|k3yk3y|c00kie|pr0xy|00112233/g)]).toEqual([]);
    expect(hide(text)).toBe(hidden);
  });

  it('hides secret parameters, including standalone ones', () => {
    const { hide } = createRedactor(['http://cam/live?user=admin&pwd=Hunt3r%23G']);
    expect(hide('open http://cam/live?user=admin&pwd=Hunt3r%23G (Hunt3r#G refused)')).toBe(
      'open http://cam/live?user=admin&pwd=… (… refused)',
    );
  });

  it('hides a long password that the program has truncated', () => {
    const password = 'p'.concat('0123456789abcdef'.repeat(80));
    const { hide } = createRedactor([`rtsp://admin:${password}@cam/`]);
    expect(hide(`rtsp://admin:${password.slice(0, 1000)}`)).toBe('rtsp://admin:…');
  });

  it('takes bounded time for addresses with many possible passwords, and completely hides addresses that are too long', () => {
    const many = `http://a:${'b@c;d/e?'.repeat(1000)}`;
    const start = process.cpuUsage();
    expect(createRedactor([many], [many]).hide(`cannot open ${many}`)).not.toContain('b@c');
    // Processor time, several times the actual value. Without the limit, it exceeds 1 s.
    expect(process.cpuUsage(start).user / 1000).toBeLessThan(500);
    const long = `rtsp://cam/${'path/'.repeat(2000)}`;
    expect(createRedactor([long]).hide(`cannot open ${long}, or ${long.slice(0, 1000)}`)).toBe('cannot open …, or …');
  });

  it('does not hide words that equal a short password', () => {
    expect(createRedactor(['rtsp://a:no@cam/']).hide('there is no camera at rtsp://a:no@cam/')).toBe(
      'there is no camera at rtsp://a:…@cam/',
    );
    expect(createRedactor(['rtsp://a:n#o@cam/']).hide('there is no camera at rtsp://a:n#o@cam/')).toBe(
      'there is no camera at rtsp://a:…@cam/',
    );
  });

  it('does not change texts without a secret', () => {
    const { hide, error } = createRedactor(['rtsp://cam:554/live', '/data/a.mp4', '']);
    expect(hide('rtsp://cam:554/live: live, 554')).toBe('rtsp://cam:554/live: live, 554');
    const failure = new Error('x');
    expect(error(failure)).toBe(failure);
  });

  it('removes secrets from all texts of errors', () => {
    const { error } = createRedactor(['rtsp://admin:Hunt3r@cam/']);
    const hidden = error(
      new GearwayError('source-failed', 'cannot open rtsp://admin:Hunt3r@cam/', { cause: new Error('Hunt3r') }),
    );
    expect(hidden).toMatchObject({ code: 'source-failed', message: 'cannot open rtsp://admin:…@cam/' });
    expect((hidden as Error).cause).toBeUndefined();
    expect(String((hidden as Error).stack)).not.toContain('Hunt3r');
    expect(error(Object.assign(new Error('Hunt3r'), { code: 'ENOENT' }))).toMatchObject({
      code: 'ENOENT',
      message: '…',
    });
  });
});

describe('redactorOfUrls', () => {
  it.each(CHARACTERS)('hides a password with %j in messages about a source that cannot be read', (character) => {
    for (const password of passwordsWith(character)) {
      for (const url of [
        `rtsp://admin:${password}@cam/`,
        `cam=rtsp://admin:${password}@cam/`,
        `ffmpeg:rtsp:/admin:${password}@cam/`,
        `ffmpeg:admin:${password}@cam/`,
        `ffmpg:rtsp://admin:${password}@cam/`,
        `netgear:tcp://admin:${password}@10.0.0.9:5555`,
        `ffmpeg:http://cam/?fps=5&inputArgs=-i+http://a:${encodeURIComponent(whole(password))}@b`,
      ]) {
        expect(
          redactorOfUrls([url]).hide(
            `source is ${JSON.stringify(url)}, expected another; ${url}; ${decodeURIComponent(encodeURI(whole(url)))}`,
          ),
        ).not.toMatch(/Hunt3r|Green/);
      }
    }
  });
});

describe('hasUnencodedPassword', () => {
  it.each([
    ['rtsp://cam/', false],
    ['rtsp://admin:hunter2@cam/', false],
    ['rtsp://admin:hunter%232@cam/', false],
    ['rtsp://admin:hun!ter^2@cam/', false],
    ...['#', '/', '?', '@', ' ', '%', '%z'].map((text): [string, boolean] => [`rtsp://admin:hun${text}ter@cam/`, true]),
  ])('%s: %j', (address, isSo) => {
    expect(hasUnencodedPassword(address)).toBe(isSo);
  });
});
