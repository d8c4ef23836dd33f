import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import type { GatewayEvent, GatewayStatus } from '../../../shared/status.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { Webhooks } from '../../../gateway/webhooks/webhooks.ts';
import type { WebhookSettings } from '../../../gateway/webhooks/webhook-settings.ts';
import { readSamples } from '../../helpers/samples.ts';
import { JPEG } from '../../helpers/viewer.ts';
import { WebhookReceiver } from '../../helpers/webhook-receiver.ts';

async function start(options: GatewayOptions): Promise<Gateway & { readonly url: string }> {
  const gateway = await createGateway({ port: 0, source: 'push:', ...options });
  return Object.assign(gateway, { url: (await gateway.listen()).url });
}

const named = (name: string, url: string): WebhookSettings => ({
  name,
  url,
  events: null,
  streams: null,
  secret: null,
  timeoutMs: 10_000,
});
const EVENT: GatewayEvent = {
  id: 1,
  time: '2026-11-29T18:00:00.000Z',
  kind: 'connect',
  stream: 'door',
  client: null,
  port: null,
  address: null,
  reason: 'an event',
};

describe('webhooks of a gateway', () => {
  it('get the events of GET /api/events until the gateway has stopped', async () => {
    await using receiver = await WebhookReceiver.start();
    const gateway = await start({ webhooks: { ops: { url: receiver.url } } });
    gateway.stream.push(JPEG);
    await expect
      .poll(() => receiver.requests.map(({ event }) => event))
      .toContainEqual(expect.objectContaining({ kind: 'state', state: 'live', stream: 'main' }));
    gateway.report('the last event');
    await gateway.close();
    const events: GatewayEvent[] = [];
    for await (const event of gateway.events()) events.push(event);
    expect(receiver.requests.map(({ event }) => event)).toEqual(events);
    expect(receiver.reasons.at(-1)).toBe('the last event');
  });

  it('are in GET /api/gateway for administrators only, and in GET /metrics', async () => {
    await using receiver = await WebhookReceiver.start();
    await using gateway = await start({ token: 's', viewToken: 'v', webhooks: { ops: { url: receiver.url } } });
    gateway.report('an event');
    await expect.poll(() => receiver.reasons).toContain('an event');
    const read = async (path: string, token: string): Promise<Response> =>
      fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    const statusOf = async (token: string): Promise<GatewayStatus['webhooks']> =>
      ((await (await read('api/gateway', token)).json()) as GatewayStatus).webhooks;
    await expect
      .poll(async () => statusOf('s'))
      .toEqual([
        { name: 'ops', delivered: receiver.requests.length, waiting: 0, dropped: 0, failed: 0, problem: null },
      ]);
    expect(await statusOf('v')).toEqual([]);
    const samples = readSamples(await (await read('metrics', 'v')).text());
    expect(samples.get('gearway_webhook_events_total{webhook="ops",result="delivered"}')).toBe(
      receiver.requests.length,
    );
    expect(samples.get('gearway_webhook_events_total{webhook="ops",result="dropped"}')).toBe(0);
    expect(samples.get('gearway_webhook_events_waiting{webhook="ops"}')).toBe(0);
  });

  it('change while the gateway runs', async () => {
    await using first = await WebhookReceiver.start();
    await using second = await WebhookReceiver.start();
    const options = (url: string): GatewayOptions => ({ port: 0, source: 'push:', webhooks: { ops: { url } } });
    await using gateway = await start(options(first.url));
    gateway.report('to the first');
    expect(await gateway.reconfigure(options(second.url))).toMatchObject({ webhooks: ['ops'], needsRestart: [] });
    gateway.report('to the second');
    await expect.poll(() => second.reasons).toEqual(['to the second']);
    expect(first.reasons).toContain('to the first');
    expect(await gateway.reconfigure(options(second.url))).toMatchObject({ webhooks: [] });
    expect(await gateway.reconfigure({ port: 0, source: 'push:' })).toMatchObject({ webhooks: ['ops'] });
    gateway.report('to nobody');
    await gateway.close();
    expect([...first.reasons, ...second.reasons]).not.toContain('to nobody');
  });

  it('do not delay the end of the gateway when the receiver does not answer', async () => {
    await using receiver = await WebhookReceiver.start(() => undefined);
    const gateway = await start({ webhooks: { ops: { url: receiver.url } } });
    gateway.report('an event');
    await expect.poll(() => receiver.requests.length).toBeGreaterThan(0);
    const fromMs = performance.now();
    await gateway.close();
    // Half a second for the webhook, of the 1.8 s in which the command has to end.
    expect(performance.now() - fromMs).toBeLessThan(1800);
  });
});

describe('Webhooks', () => {
  it('keep the waiting events of unchanged webhooks', async () => {
    const answers: (() => void)[] = [];
    await using slow = await WebhookReceiver.start((response) => answers.push(() => response.writeHead(204).end()));
    await using other = await WebhookReceiver.start();
    const webhooks = new Webhooks([named('slow', slow.url)], SILENT_LOGGER);
    webhooks.offer(EVENT);
    webhooks.offer({ ...EVENT, id: 2 });
    await expect.poll(() => answers.length).toBe(1);
    expect(await webhooks.update([named('other', other.url), named('slow', slow.url)])).toEqual(['other']);
    expect(webhooks.statuses().map(({ name, waiting }) => [name, waiting])).toEqual([
      ['other', 0],
      ['slow', 1],
    ]);
    answers[0]!();
    await expect.poll(() => answers.length).toBe(2);
    answers[1]!();
    await expect.poll(() => webhooks.statuses()[1]?.delivered).toBe(2);
    await webhooks.close(0);
  });
});
