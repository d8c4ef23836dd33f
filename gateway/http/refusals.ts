import type { FastifyReply, FastifyRequest } from 'fastify';
import { BoundedMap } from '../../shared/bounded-map.ts';
import type { Logger } from '../../shared/logger.ts';
import { clientAddress } from './client-address.ts';
import { prefersHtml, type Refusal, REFUSAL_PAGE_POLICY, refusalPage } from './refusal-page.ts';

/** Maximum number of causes that are remembered, so that each is logged only once. */
const MAX_CAUSES = 64;

/**
 * Maximum number of new causes logged per minute, because an attacker could send any number of different Host headers.
 */
const MAX_LOGGED_PER_MINUTE = 10;
const MINUTE_MS = 60_000;

/** Logs refused requests: one line per cause, at a limited rate. */
export class RefusalLog {
  readonly #log: Logger;
  readonly #causes = new BoundedMap<string, true>(MAX_CAUSES);
  #minuteEndsAtMs = 0;
  #logged = 0;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Logs a refusal, unless one with the same code and message was logged. */
  add({ code, message }: Refusal, address: string): void {
    const cause = `${code} ${message}`;
    if (this.#causes.has(cause)) return;
    const nowMs = performance.now();
    if (nowMs >= this.#minuteEndsAtMs) {
      this.#minuteEndsAtMs = nowMs + MINUTE_MS;
      this.#logged = 0;
    }
    this.#logged += 1;
    // The cause is not remembered, so that it is logged when it occurs again later.
    if (this.#logged > MAX_LOGGED_PER_MINUTE) return;
    this.#causes.set(cause, true);
    const note = this.#logged === MAX_LOGGED_PER_MINUTE ? ' (further causes are not logged for a minute)' : '';
    this.#log.warn({ peer: address, code }, `refused a request from ${address}: ${message}${note}`);
  }
}

/** Responds with a refusal: as an HTML page for browsers, otherwise as JSON. */
export function sendRefusal(request: FastifyRequest, reply: FastifyReply, refusal: Refusal): FastifyReply {
  const { status, code, message } = refusal;
  reply.code(status).header('cache-control', 'no-store').header('vary', 'origin, accept');
  if (!prefersHtml(request.headers.accept)) return reply.send({ code, message });
  return reply
    .header('content-type', 'text/html; charset=utf-8')
    .header('content-security-policy', REFUSAL_PAGE_POLICY)
    .send(refusalPage(refusal));
}

/**
 * Logs a refusal once per cause, and responds with it. Pages of every origin may read it, so that they can show the
 * reason.
 */
export function refuse(request: FastifyRequest, reply: FastifyReply, log: RefusalLog, refusal: Refusal): FastifyReply {
  log.add(refusal, clientAddress(request));
  reply.headers({ 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'same-origin' });
  return sendRefusal(request, reply, refusal);
}
