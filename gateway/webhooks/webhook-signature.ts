import { createHmac } from 'node:crypto';

/** Prefix of a secret in text form. */
const PREFIX = 'whsec_';

/** Length of the key in bytes. */
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;

/**
 * Parses a secret of the Standard Webhooks specification: `whsec_` and 24 to 64 bytes in Base64.
 *
 * @returns null if the text has another format.
 */
export function parseWebhookSecret(text: string): Uint8Array | null {
  if (!text.startsWith(PREFIX)) return null;
  const encoded = text.slice(PREFIX.length);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return null;
  const key = Buffer.from(encoded, 'base64');
  const isComplete = key.toString('base64').replaceAll('=', '') === encoded.replaceAll('=', '');
  return isComplete && key.byteLength >= MIN_KEY_BYTES && key.byteLength <= MAX_KEY_BYTES ? key : null;
}

/**
 * Headers of a message by the Standard Webhooks specification (standardwebhooks.com).
 *
 * @param id identifies the message; equal for all attempts.
 * @param timestamp of the attempt, in seconds since 1970.
 * @param secret null for a message without a signature.
 */
export function webhookHeaders(
  id: string,
  timestamp: number,
  body: string,
  secret: Uint8Array | null,
): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    ...(secret === null
      ? {}
      : {
          'webhook-signature': `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
        }),
  };
}
