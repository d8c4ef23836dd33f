import { parseWebhookSecret } from '../webhooks/webhook-signature.ts';
import { WEBHOOK_EVENTS, type WebhookSettings } from '../webhooks/webhook-settings.ts';
import type { WebhookOptions } from './gateway-options.ts';
import { invalid } from './problem.ts';

/** Time within which the receiver must answer, in seconds. */
const DEFAULT_WEBHOOK_TIMEOUT_S = 10;
const MAX_WEBHOOK_TIMEOUT_S = 60;

/** @throws {GearwayError} `option-invalid`. Messages contain neither URLs nor secrets. */
export function resolveWebhooks(webhooks: Readonly<Record<string, WebhookOptions>>): readonly WebhookSettings[] {
  return Object.entries(webhooks).map(
    ([name, { url, events, streams, secret, timeout = DEFAULT_WEBHOOK_TIMEOUT_S }]) => {
      const at = (key: string, check: () => void): void => {
        try {
          check();
        } catch (error) {
          throw invalid(
            `webhooks.${name}.${key}: ${error instanceof Error ? error.message : ''}`,
            'webhooks',
            name,
            key,
          );
        }
      };
      at('url', () => checkWebhookUrl(url));
      at('secret', () => (secret === undefined ? undefined : checkWebhookSecret(secret)));
      const unknown = events?.find((event) => !WEBHOOK_EVENTS.includes(event));
      at('events', () => {
        if (events?.length === 0) throw invalid('the list is empty, expected events; leave it out for all');
        if (unknown !== undefined)
          throw invalid(`${JSON.stringify(unknown)} is not an event, expected some of ${WEBHOOK_EVENTS.join(', ')}`);
      });
      at('streams', () => {
        if (streams?.length === 0) throw invalid('the list is empty, expected names; leave it out for all streams');
      });
      at('timeout', () => {
        if (!Number.isInteger(timeout) || timeout < 1 || timeout > MAX_WEBHOOK_TIMEOUT_S)
          throw invalid(`it is ${timeout}, expected a whole number of seconds from 1 to ${MAX_WEBHOOK_TIMEOUT_S}`);
      });
      return {
        name,
        url,
        events: events ?? null,
        streams: streams ?? null,
        secret: secret === undefined ? null : parseWebhookSecret(secret),
        timeoutMs: timeout * 1000,
      };
    },
  );
}

/** @throws {GearwayError} `option-invalid`; the message does not contain the URL. */
export function checkWebhookUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw invalid('the URL is invalid, expected an address such as https://example.org/hooks/gearway');
  if (url.username !== '' || url.password !== '')
    throw invalid('the URL contains a user name or password, which are not sent; use secret, or a secret path');
}

/** @throws {GearwayError} `option-invalid`; the message does not contain the secret. */
export function checkWebhookSecret(text: string): void {
  if (parseWebhookSecret(text) === null)
    throw invalid(
      'the secret is invalid, expected whsec_ and 24 to 64 bytes in Base64: echo "whsec_$(openssl rand -base64 32)"',
    );
}
