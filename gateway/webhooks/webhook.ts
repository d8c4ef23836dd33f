import { containFailure } from '../../shared/background.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { GatewayEvent, WebhookStatus } from '../../shared/status.ts';
import { sleep } from '../sources/sleep.ts';
import { postEvent } from './post-event.ts';
import { webhookHeaders } from './webhook-signature.ts';
import { selects, type WebhookSettings } from './webhook-settings.ts';

/** Times and sizes of a webhook, which tests change. */
export interface WebhookLimits {
  /** Back-off before the first retry. It doubles with each further one. */
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** Age at which an event that could not be delivered is dropped. */
  readonly maxAgeMs: number;
  /** Maximum number of waiting events. */
  readonly maxWaiting: number;
  /** Minimum interval between two reports of failures. */
  readonly reportIntervalMs: number;
}

const DEFAULT_LIMITS: WebhookLimits = {
  firstDelayMs: 1000,
  maxDelayMs: 60_000,
  maxAgeMs: 15 * 60_000,
  maxWaiting: 256,
  reportIntervalMs: 60_000,
};

interface WebhookOptions {
  readonly settings: WebhookSettings;
  /** Random prefix that makes the ids of messages unique among gateways and restarts. */
  readonly idPrefix: string;
  readonly log: Logger;
  readonly limits?: Partial<WebhookLimits>;
}

/**
 * Posts the selected events to one URL, one at a time and in order. While the receiver is unavailable, the delivery is
 * retried with exponential back-off. Beyond 256 waiting events, the oldest refusal is dropped, or the oldest event if
 * none is a refusal, so that rejected peers cannot displace other events.
 */
export class Webhook {
  readonly settings: WebhookSettings;
  readonly #idPrefix: string;
  readonly #log: Logger;
  readonly #limits: WebhookLimits;
  readonly #waiting: { readonly event: GatewayEvent; readonly atMs: number }[] = [];
  /** Aborts the wait between two attempts. */
  readonly #closing = new AbortController();
  /** Aborts the running attempt. */
  readonly #aborting = new AbortController();
  #delivery: Promise<void> | null = null;
  #delivered = 0;
  #dropped = 0;
  #failed = 0;
  /** Number of attempts since the last success. */
  #failures = 0;
  #problem: string | null = null;
  /** Number of events that were dropped or failed since the last report. */
  #lost = 0;
  #reportedAtMs = -Infinity;
  #isReported = false;

  constructor({ settings, idPrefix, log, limits = {} }: WebhookOptions) {
    this.settings = settings;
    this.#idPrefix = idPrefix;
    this.#log = log.child({ webhook: settings.name });
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /** Queues an event if it is selected. Never waits or throws. */
  offer(event: GatewayEvent): void {
    if (this.#closing.signal.aborted || !selects(this.settings, event)) return;
    this.#waiting.push({ event, atMs: performance.now() });
    if (this.#waiting.length > this.#limits.maxWaiting) this.#drop();
    if (this.#delivery !== null) return;
    this.#delivery = containFailure(this.#deliverAll(), (error) =>
      this.#log.error({}, `delivery failed: ${errorText(error)}`),
    );
  }

  status(): WebhookStatus {
    return {
      name: this.settings.name,
      delivered: this.#delivered,
      waiting: this.#waiting.length,
      dropped: this.#dropped,
      failed: this.#failed,
      problem: this.#problem,
    };
  }

  /** Tries once more to deliver the waiting events, for at most `limitMs`. Idempotent. */
  async close(limitMs: number): Promise<void> {
    this.#closing.abort();
    const timer = setTimeout(() => this.#aborting.abort(), limitMs);
    await this.#delivery;
    clearTimeout(timer);
  }

  async #deliverAll(): Promise<void> {
    try {
      // Deferred, because the caller must store this promise first.
      await Promise.resolve();
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        if (await this.#deliver(next.event, next.atMs)) continue;
        this.#failed += 1;
        this.#lost += 1;
        if (!this.#closing.signal.aborted) continue;
        this.#failed += this.#waiting.length;
        this.#waiting.length = 0;
      }
    } finally {
      this.#delivery = null;
    }
  }

  /** @returns whether the receiver has accepted the event. */
  async #deliver(event: GatewayEvent, atMs: number): Promise<boolean> {
    const { url, secret, timeoutMs } = this.settings;
    const body = JSON.stringify(event);
    const id = `${this.#idPrefix}-${event.id}`;
    while (performance.now() - atMs < this.#limits.maxAgeMs) {
      const outcome = await postEvent({
        url,
        body,
        headers: webhookHeaders(id, Math.floor(Date.now() / 1000), body, secret),
        timeoutMs,
        signal: this.#aborting.signal,
      });
      if (outcome.kind === 'delivered') {
        this.#log.debug({ event: event.kind }, `event ${event.id} was delivered`);
        this.#succeeded();
        return true;
      }
      this.#problem = cleanText(outcome.reason);
      this.#report(
        `an event was not delivered, and is ${outcome.kind === 'refused' ? 'not sent again' : 'sent again later'}: ${outcome.reason}`,
      );
      if (outcome.kind === 'refused' || this.#closing.signal.aborted) return false;
      this.#failures += 1;
      await sleep(Math.max(this.#backOffMs(), outcome.retryAfterMs), this.#closing.signal);
    }
    return false;
  }

  /** The exponential back-off, reduced by a random part of up to one half. */
  #backOffMs(): number {
    const { firstDelayMs, maxDelayMs } = this.#limits;
    return Math.min(maxDelayMs, firstDelayMs * 2 ** (this.#failures - 1)) * (1 - Math.random() / 2);
  }

  #drop(): void {
    const refusal = this.#waiting.findIndex(({ event }) => event.kind === 'refuse');
    this.#waiting.splice(Math.max(0, refusal), 1);
    this.#dropped += 1;
    this.#lost += 1;
    this.#report(`more than ${this.#limits.maxWaiting} events wait for the receiver; the oldest are dropped`);
  }

  #succeeded(): void {
    this.#delivered += 1;
    this.#failures = 0;
    this.#problem = null;
    if (!this.#isReported || this.#waiting.length > 0) return;
    this.#isReported = false;
    this.#log.info({}, `events are delivered again${this.#lost === 0 ? '' : `; ${this.#lost} were lost`}`);
    this.#lost = 0;
  }

  /** Logs the first problem until all events are delivered again, at most once per minute. */
  #report(text: string): void {
    const nowMs = performance.now();
    if (this.#isReported || nowMs - this.#reportedAtMs < this.#limits.reportIntervalMs) return;
    this.#isReported = true;
    this.#reportedAtMs = nowMs;
    this.#log.warn({}, text);
  }
}
