import { describe, expect, it } from 'vitest';
import { parseWebhookSecret, webhookHeaders } from '../../../gateway/webhooks/webhook-signature.ts';

/** The example of the Standard Webhooks specification. */
const EXAMPLE = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};
const secretOf = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 1).toString('base64')}`;

describe('webhookHeaders', () => {
  it('signs as specified', () => {
    const { secret, id, timestamp, body, signature } = EXAMPLE;
    expect(webhookHeaders(id, timestamp, body, parseWebhookSecret(secret))).toEqual({
      'webhook-id': id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': signature,
    });
  });

  it('has no signature without a secret', () => {
    expect(webhookHeaders('a', 1, '{}', null)).toEqual({ 'webhook-id': 'a', 'webhook-timestamp': '1' });
  });
});

describe('parseWebhookSecret', () => {
  it('accepts 24 to 64 bytes, with and without padding', () => {
    for (const bytes of [24, 25, 64]) {
      expect(parseWebhookSecret(secretOf(bytes))).toHaveLength(bytes);
      expect(parseWebhookSecret(secretOf(bytes).replaceAll('=', ''))).toHaveLength(bytes);
    }
  });

  it.each([
    ['nothing', ''],
    ['another prefix', secretOf(24).replace('whsec_', 'secret_')],
    ['no prefix', secretOf(24).replace('whsec_', '')],
    ['too few bytes', secretOf(23)],
    ['too many bytes', secretOf(65)],
    ['other characters', `${secretOf(24)}!`],
    ['the alphabet of URLs', `whsec_${Buffer.alloc(24, 255).toString('base64url')}`],
    ['a part of a byte at the end', `${secretOf(24)}A`],
  ])('refuses %s', (_name, text) => expect(parseWebhookSecret(text)).toBeNull());
});
