import { describe, expect, it } from 'vitest';
import type { GatewayEvent } from '../../../shared/status.ts';
import { Webhook, type WebhookLimits } from '../../../gateway/webhooks/webhook.ts';
import type { WebhookSettings } from '../../../gateway/webhooks/webhook-settings.ts';
import { parseWebhookSecret, webhookHeaders } from '../../../gateway/webhooks/webhook-signature.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { statuses, WebhookReceiver } from '../../helpers/webhook-receiver.ts';
import { logTo } from '../../helpers/log.ts';

const SECRET = parseWebhookSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
/** Retries follow immediately, and every failure may be logged. */
const FAST: Partial<WebhookLimits> = { firstDelayMs: 1, maxDelayMs: 4, reportIntervalMs: 0 };

let lastId = 0;
const event = (reason: string, more: Partial<GatewayEvent> = {}): GatewayEvent => ({
  id: (lastId += 1),
  time: '2026-11-29T18:00:00.000Z',
  kind: 'connect',
  stream: 'door',
  client: 'web-1',
  port: 6000,
  address: '192.0.2.1',
  reason,
  ...more,
});

/** A webhook that posts to a receiver, with its log. */
function create(
  url: string,
  settings: Partial<WebhookSettings> = {},
  limits: Partial<WebhookLimits> = {},
): { webhook: Webhook; lines: string[] } & AsyncDisposable {
  const lines: string[] = [];
  const webhook = new Webhook({
    settings: { name: 'ops', url, events: null, streams: null, secret: null, timeoutMs: 10_000, ...settings },
    idPrefix: 'msg_test',
    log: logTo(lines),
    limits: { ...FAST, ...limits },
  });
  return { webhook, lines, [Symbol.asyncDispose]: async () => webhook.close(0) };
}

describe('Webhook', () => {
  it('posts the events in order, each as signed JSON', async () => {
    await using receiver = await WebhookReceiver.start();
    await using created = create(receiver.url, { secret: SECRET });
    const events = ['one', 'two “drei”', 'three'].map((reason) => event(reason));
    for (const each of events) created.webhook.offer(each);
    await expect.poll(() => created.webhook.status().delivered).toBe(3);
    expect(receiver.requests.map((request) => request.event)).toEqual(events);
    for (const { headers, body, event: received } of receiver.requests) {
      expect(headers['content-type']).toBe('application/json');
      expect(headers['webhook-id']).toBe(`msg_test-${received.id}`);
      const timestamp = Number(headers['webhook-timestamp']);
      expect(Math.abs(timestamp - Date.now() / 1000)).toBeLessThan(60);
      expect(headers).toMatchObject(webhookHeaders(`msg_test-${received.id}`, timestamp, body, SECRET));
    }
    expect(created.webhook.status()).toEqual({
      name: 'ops',
      delivered: 3,
      waiting: 0,
      dropped: 0,
      failed: 0,
      problem: null,
    });
    expect(created.lines).toEqual([]);
  });

  it('posts only events of the selected kinds, states and streams', async () => {
    await using receiver = await WebhookReceiver.start();
    await using created = create(receiver.url, { events: ['connect', 'live'], streams: ['door'] });
    for (const each of [
      event('a kind that is not selected', { kind: 'disconnect' }),
      event('another stream', { stream: 'yard' }),
      event('the whole gateway', { stream: null }),
      event('a state that is not selected', { kind: 'state', state: 'stale' }),
      event('a selected state', { kind: 'state', state: 'live' }),
      event('a selected kind'),
    ])
      created.webhook.offer(each);
    await expect.poll(() => receiver.reasons).toEqual(['a selected state', 'a selected kind']);
  });

  it.each([500, 503, 429, 408, 425])(
    'tries again after %i until the receiver accepts the event, and logs the failure and its end',
    async (status) => {
      await using receiver = await WebhookReceiver.start(statuses(status, status, status));
      await using created = create(receiver.url);
      created.webhook.offer(event('one'));
      created.webhook.offer(event('two'));
      await expect.poll(() => created.webhook.status().delivered).toBe(2);
      expect(receiver.reasons).toEqual(['one', 'one', 'one', 'one', 'two']);
      expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(2);
      expect(created.lines).toEqual([
        `warning: webhook ops: an event was not delivered, and is sent again later: the receiver answered ${status}`,
        'webhook ops: events are delivered again',
      ]);
      expect(created.webhook.status()).toMatchObject({ failed: 0, problem: null });
    },
  );

  it('waits for as long as the receiver requests', async () => {
    const times: number[] = [];
    await using receiver = await WebhookReceiver.start((response) => {
      times.push(performance.now());
      response.writeHead(times.length === 1 ? 503 : 204, { 'retry-after': '1' }).end();
    });
    await using created = create(receiver.url);
    created.webhook.offer(event('one'));
    await expect.poll(() => times.length).toBe(2);
    expect(times[1]! - times[0]!).toBeGreaterThan(990);
  });

  it.each([400, 401, 404, 410, 304])('does not send an event again that was answered with %i', async (status) => {
    await using receiver = await WebhookReceiver.start(statuses(status));
    await using created = create(receiver.url);
    created.webhook.offer(event('one'));
    created.webhook.offer(event('two'));
    await expect.poll(() => created.webhook.status()).toMatchObject({ delivered: 1, failed: 1 });
    expect(receiver.reasons).toEqual(['one', 'two']);
    expect(created.lines[0]).toContain(`is not sent again: the receiver answered ${status}`);
    expect(created.lines[1]).toBe('webhook ops: events are delivered again; 1 were lost');
  });

  it.each([301, 302, 307, 308])('does not follow a redirect with %i', async (status) => {
    await using other = await WebhookReceiver.start();
    await using receiver = await WebhookReceiver.start((response) =>
      response.writeHead(status, { location: other.url }).end(),
    );
    await using created = create(receiver.url);
    created.webhook.offer(event('one'));
    await expect.poll(() => created.webhook.status().failed).toBe(1);
    expect(created.webhook.status().problem).toContain('redirects are not followed');
    expect(other.requests).toEqual([]);
  });

  it('aborts an attempt without a response, and tries again', async () => {
    await using receiver = await WebhookReceiver.start(() => undefined);
    await using created = create(receiver.url, { timeoutMs: 50 });
    created.webhook.offer(event('one'));
    await expect.poll(() => receiver.requests.length).toBeGreaterThan(1);
    expect(created.webhook.status().problem).toBe('the receiver has not answered within 0.05 s');
    receiver.answer = statuses();
    await expect.poll(() => created.webhook.status().delivered).toBe(1);
  });

  it('does not wait for the end of a response', async () => {
    await using receiver = await WebhookReceiver.start((response) => response.writeHead(200).write('endless'));
    await using created = create(receiver.url);
    for (let index = 0; index < 10; index += 1) created.webhook.offer(event(`event ${index}`));
    await expect.poll(() => created.webhook.status().delivered).toBe(10);
    // Node's fetch() opens the next connection ahead of time.
    await expect.poll(() => receiver.connections).toBeLessThan(4);
  });

  it('tries again when nothing is listening, and does not log the address, which may contain a secret', async () => {
    const [port] = await freePorts(1);
    await using created = create(`http://127.0.0.1:${port}/secret-path`);
    created.webhook.offer(event('one'));
    await expect.poll(() => created.webhook.status().problem).toBe('nothing is listening there');
    expect(created.lines).toHaveLength(1);
    expect(created.lines.join()).not.toContain('secret-path');
  });

  it('drops events that are too old', async () => {
    await using receiver = await WebhookReceiver.start((response) => response.writeHead(500).end());
    await using created = create(receiver.url, {}, { maxAgeMs: 50 });
    created.webhook.offer(event('one'));
    created.webhook.offer(event('two'));
    await expect.poll(() => created.webhook.status()).toMatchObject({ failed: 2, waiting: 0 });
    receiver.answer = statuses();
    created.webhook.offer(event('three'));
    await expect.poll(() => created.webhook.status().delivered).toBe(1);
    expect(created.lines.at(-1)).toBe('webhook ops: events are delivered again; 2 were lost');
  });

  it('keeps a bounded number of events for a slow receiver: the oldest refusals are dropped first, then the oldest events', async () => {
    const answers: (() => void)[] = [];
    await using receiver = await WebhookReceiver.start((response) => answers.push(() => response.writeHead(204).end()));
    await using created = create(receiver.url, {}, { maxWaiting: 3 });
    created.webhook.offer(event('in flight'));
    await expect.poll(() => answers.length).toBe(1);
    created.webhook.offer(event('one'));
    created.webhook.offer(event('refused', { kind: 'refuse' }));
    for (const reason of ['two', 'three', 'four']) created.webhook.offer(event(reason));
    expect(created.webhook.status()).toMatchObject({ waiting: 3, dropped: 2 });
    expect(created.lines).toEqual([
      'warning: webhook ops: more than 3 events wait for the receiver; the oldest are dropped',
    ]);
    for (let answered = 0; answered < 4; answered += 1) {
      await expect.poll(() => answers.length).toBe(answered + 1);
      answers[answered]!();
    }
    await expect.poll(() => created.webhook.status().delivered).toBe(4);
    expect(receiver.reasons).toEqual(['in flight', 'two', 'three', 'four']);
    expect(created.lines.at(-1)).toBe('webhook ops: events are delivered again; 2 were lost');
  });

  it('logs at most one failure per interval', async () => {
    let isRefusing = false;
    await using receiver = await WebhookReceiver.start((response) => {
      isRefusing = !isRefusing;
      response.writeHead(isRefusing ? 400 : 204).end();
    });
    await using created = create(receiver.url, {}, { reportIntervalMs: 60_000 });
    for (let index = 0; index < 10; index += 1) created.webhook.offer(event(`event ${index}`));
    await expect.poll(() => created.webhook.status()).toMatchObject({ delivered: 5, failed: 5 });
    expect(created.lines).toHaveLength(2);
  });

  it('delivers waiting events when it closes, and accepts nothing afterwards', async () => {
    await using receiver = await WebhookReceiver.start();
    const { webhook } = create(receiver.url);
    for (const reason of ['one', 'two', 'three']) webhook.offer(event(reason));
    await webhook.close(10_000);
    expect(receiver.reasons).toEqual(['one', 'two', 'three']);
    webhook.offer(event('four'));
    await webhook.close(10_000);
    expect(receiver.requests).toHaveLength(3);
  });

  it('closes in time while the receiver does not answer, and between two attempts', async () => {
    await using receiver = await WebhookReceiver.start(() => undefined);
    const stuck = create(receiver.url).webhook;
    for (const reason of ['one', 'two', 'three']) stuck.offer(event(reason));
    await expect.poll(() => receiver.requests.length).toBe(1);
    await stuck.close(50);
    expect(stuck.status()).toMatchObject({ delivered: 0, waiting: 0, failed: 3 });
    expect(receiver.requests).toHaveLength(1);

    await using failing = await WebhookReceiver.start((response) => response.writeHead(500).end());
    const waiting = create(failing.url, {}, { firstDelayMs: 1e6, maxDelayMs: 1e6 }).webhook;
    waiting.offer(event('one'));
    await expect.poll(() => waiting.status().problem).not.toBeNull();
    await waiting.close(10_000);
    expect(failing.requests).toHaveLength(2);
  });
});
