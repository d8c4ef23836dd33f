import { describe, expect, it } from 'vitest';
import type { WebhookOptions } from '../../../gateway/config/gateway-options.ts';
import { parseConfig } from '../../../gateway/config/config-file.ts';
import { resolveWebhooks } from '../../../gateway/config/webhook-options.ts';
import { formats } from '../../helpers/config.ts';

const URL_ = 'https://example.org/hooks/s3cret-path';
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

describe('resolveWebhooks', () => {
  it('fills in the defaults, and decodes the secret', () => {
    expect(resolveWebhooks({ ops: { url: URL_ }, signed: { url: URL_, secret: SECRET, timeout: 1 } })).toEqual([
      { name: 'ops', url: URL_, events: null, streams: null, secret: null, timeoutMs: 10_000 },
      {
        name: 'signed',
        url: URL_,
        events: null,
        streams: null,
        secret: Buffer.from(SECRET.slice(6), 'base64'),
        timeoutMs: 1000,
      },
    ]);
  });

  it.each<[string, Partial<WebhookOptions>, string]>([
    ['another protocol', { url: 'ftp://example.org/s3cret' }, 'url'],
    ['a path only', { url: '/s3cret' }, 'url'],
    ['a password in the URL', { url: 'https://user:s3cret@example.org/' }, 'url'],
    ['a secret in another format', { secret: 's3cret' }, 'secret'],
    ['an unknown event', { events: ['alive' as 'live'] }, 'events'],
    ['no events', { events: [] }, 'events'],
    ['no streams', { streams: [] }, 'streams'],
    ['no time', { timeout: 0 }, 'timeout'],
    ['too much time', { timeout: 61 }, 'timeout'],
  ])('refuses %s with its path, and does not repeat secrets', (_name, settings, key) => {
    let error: unknown;
    try {
      resolveWebhooks({ ops: { url: URL_, ...settings } });
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: 'option-invalid', path: ['webhooks', 'ops', key] });
    expect(String(error)).not.toContain('s3cret');
  });
});

describe('webhooks in a configuration file', () => {
  const problems = async (text: string): Promise<string[]> =>
    (await parseConfig(Buffer.from(text), formats, { variables: {}, folder: '.' })).problems.map(
      ({ line, column, message }) => `${line}:${column}: ${message}`,
    );

  it.each([
    ['no URL', 'webhooks:\n  ops:\n    events: [live]\n', '2:3: webhooks.ops has no url, which is required'],
    [
      'a wrong URL',
      'webhooks:\n  ops:\n    url: example.org/s3cret\n',
      '3:10: webhooks.ops.url: the URL is invalid, expected an address such as https://example.org/hooks/gearway',
    ],
    [
      'a wrong secret',
      `webhooks:\n  ops:\n    url: ${URL_}\n    secret: s3cret\n`,
      '4:13: webhooks.ops.secret: the secret is invalid, expected whsec_ and 24 to 64 bytes in Base64: echo "whsec_$(openssl rand -base64 32)"',
    ],
  ])('are checked: %s', async (_name, text, message) => {
    expect(await problems(text)).toEqual([message]);
  });

  it('are checked: an unknown event', async () => {
    expect(await problems(`webhooks:\n  ops:\n    url: ${URL_}\n    events: [lvie]\n`)).toEqual([
      expect.stringMatching(/^4:14: webhooks\.ops\.events\.0 is "lvie", expected .*; did you mean live\?$/),
    ]);
  });
});
