import { randomBytes } from 'node:crypto';
import type { Logger } from '../../shared/logger.ts';
import type { GatewayEvent, WebhookStatus } from '../../shared/status.ts';
import { Webhook } from './webhook.ts';
import type { WebhookSettings } from './webhook-settings.ts';

/** Length of the random part of message ids. */
const ID_BYTES = 9;

/** How long a replaced or removed webhook may deliver its waiting events. */
const REPLACED_CLOSE_MS = 500;

/** All webhooks of a gateway. The creator closes them. */
export class Webhooks {
  readonly #idPrefix = `msg_${randomBytes(ID_BYTES).toString('base64url')}`;
  readonly #log: Logger;
  #webhooks: readonly Webhook[];

  constructor(settings: readonly WebhookSettings[], log: Logger) {
    this.#log = log;
    this.#webhooks = settings.map((each) => this.#create(each));
  }

  /** Queues an event for the webhooks that have selected it. Never waits or throws. */
  offer(event: GatewayEvent): void {
    for (const webhook of this.#webhooks) webhook.offer(event);
  }

  /**
   * Replaces the webhooks whose settings differ; the others keep their waiting events. Waits for the replaced ones to
   * close.
   *
   * @returns the names of the webhooks that were added, changed or removed.
   */
  async update(settings: readonly WebhookSettings[]): Promise<readonly string[]> {
    const before = new Map(this.#webhooks.map((webhook) => [webhook.settings.name, webhook]));
    const isKept = (wanted: WebhookSettings): boolean => textOf(before.get(wanted.name)?.settings) === textOf(wanted);
    const kept = new Set(settings.filter(isKept).map(({ name }) => name));
    this.#webhooks = settings.map(
      (wanted) => (kept.has(wanted.name) ? before.get(wanted.name) : undefined) ?? this.#create(wanted),
    );
    const ended = [...before.values()].filter((webhook) => !kept.has(webhook.settings.name));
    await Promise.all(ended.map((webhook) => webhook.close(REPLACED_CLOSE_MS)));
    return [...new Set([...ended.map((webhook) => webhook.settings.name), ...settings.map(({ name }) => name)])].filter(
      (name) => !kept.has(name),
    );
  }

  statuses(): readonly WebhookStatus[] {
    return this.#webhooks.map((webhook) => webhook.status());
  }

  /** Tries once more to deliver the waiting events, for at most `limitMs`. Idempotent. */
  async close(limitMs: number): Promise<void> {
    await Promise.all(this.#webhooks.map((webhook) => webhook.close(limitMs)));
  }

  #create(settings: WebhookSettings): Webhook {
    return new Webhook({ settings, idPrefix: this.#idPrefix, log: this.#log });
  }
}

function textOf(settings: WebhookSettings | undefined): string {
  return JSON.stringify(settings ?? null);
}
