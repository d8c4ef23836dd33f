import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ClusterStatus, StreamStatus, WebhookStatus } from '../../shared/status.ts';
import { sourceDown, type SourceDown } from '../hub/readiness.ts';
import { addressKey } from '../hub/shares.ts';
import type { Stream } from '../hub/stream.ts';
import type { GatewayMetrics } from '../metrics/gateway-metrics.ts';
import type { Right } from '../rights/principal.ts';
import { bearerToken, tokenCredential } from './access.ts';
import { clientAddress } from './client-address.ts';
import type { Guard } from './guard.ts';
import type { PacedQueue } from './paced-queue.ts';

interface HealthOptions {
  readonly streams: ReadonlyMap<string, { readonly stream: Stream; status(): StreamStatus }>;
  readonly guard: Guard;
  readonly webhookStatuses: () => readonly WebhookStatus[];
  readonly cluster: { status(): ClusterStatus } | null;
  /** Right that `GET /metrics` requires. */
  readonly metricsRight: Extract<Right, 'view' | 'administer'> | 'public';
  /** Runs requests whose cost grows with the number of clients. */
  readonly paced: PacedQueue;
}

/**
 * How long an answer of `/readyz` is reused for senders without the right to view: its cost grows with the number of
 * clients, and anyone may request it.
 */
const KNOWN_MS = 250;

/**
 * Adds the routes for monitoring: `/healthz` (the process serves requests), `/readyz` (all sources deliver),
 * `/metrics`.
 */
export function serveHealth(
  app: FastifyInstance,
  { streams, guard, metricsRight, webhookStatuses, cluster, paced }: HealthOptions,
): void {
  app.get('/healthz', { config: { right: 'public' } }, async () => ({ status: 'ok' }));

  // Public, because health checks of containers and load balancers send no token; without the right to view, it reports
  // only how many sources are down.
  const findDown = (): readonly SourceDown[] =>
    [...streams.values()].flatMap((served) => sourceDown(served.status()) ?? []);
  let known: { readonly atMs: number; readonly down: readonly SourceDown[] } = { atMs: -Infinity, down: [] };
  app.get('/readyz', { config: { right: 'public' } }, async (request, reply) => {
    reply.header('cache-control', 'no-store');
    const maySeeReasons = await mayView(request, guard);
    const isDue = (): boolean => maySeeReasons || performance.now() - known.atMs >= KNOWN_MS;
    if (isDue())
      await paced.run(addressKey(clientAddress(request)), () => {
        // Another request may have checked in the meantime.
        if (isDue()) known = { atMs: performance.now(), down: findDown() };
      });
    const { down } = known;
    if (down.length === 0) return { status: 'ready', streams: streams.size };
    const count = `${down.length} of ${streams.size} ${streams.size === 1 ? 'source' : 'sources'} ${down.length === 1 ? 'is' : 'are'} down`;
    if (!maySeeReasons) return reply.code(503).send({ code: 'not-ready', message: count });
    const reasons = down.map(({ stream, kind, reason }) => `${stream} (${kind}): ${reason}`);
    return reply.code(503).send({ code: 'not-ready', message: `${count}: ${reasons.join('; ')}`, down });
  });

  // Loaded and created on the first request: most gateways are never scraped.
  let loading: Promise<GatewayMetrics> | null = null;
  app.get('/metrics', { config: { right: metricsRight, basic: true } }, async (request, reply) => {
    loading ??= import('../metrics/gateway-metrics.ts').then(
      ({ GatewayMetrics: Metrics }) => new Metrics(streams, webhookStatuses, () => cluster?.status() ?? null),
    );
    const metrics = await loading;
    return reply
      .headers({ 'cache-control': 'no-store', 'content-type': metrics.contentType })
      .send(await paced.run(addressKey(clientAddress(request)), () => metrics.text()));
  });
}

async function mayView(request: FastifyRequest, guard: Guard): Promise<boolean> {
  const credential = tokenCredential(bearerToken(request.headers.authorization));
  return (await guard.decide(request, credential, 'view', 'all')).allowed;
}
