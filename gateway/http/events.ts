import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatewayEvent } from '../../shared/status.ts';
import type { EventLog } from '../hub/event-log.ts';
import { addressKey, type Share, type ShareLimits, Shares } from '../hub/shares.ts';
import type { Principal } from '../rights/principal.ts';
import { clientAddress } from './client-address.ts';
import { refuseShare } from './refuse-share.ts';
import { mayAdminister } from './rights.ts';

/**
 * Interval between keep-alive comments, which prevent proxies from closing the connection and detect unreachable peers.
 */
const HEARTBEAT_MS = 15_000;

const HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store',
  // Otherwise nginx would buffer events.
  'x-accel-buffering': 'no',
};

/**
 * Creates the handler for server-sent events (HTML Living Standard, section 9.2): the stored events after
 * `Last-Event-ID`, then each new one as it happens. `id` is the event's, `event` its kind, `data` the event as JSON. 429
 * or 503 beyond the limits. Clients that do not read are disconnected by the server's stall timeout.
 */
export function eventsRoute(
  log: EventLog,
  limits: ShareLimits,
): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  const followers = new Shares('followers of the events', limits);
  return async (request, reply) => {
    // Node sends the headers of a response without a body only when it ends.
    if (request.method === 'HEAD') return reply.headers(HEADERS).send();
    let share: Share;
    try {
      share = followers.acquire(addressKey(clientAddress(request)), mayAdminister(request));
    } catch (error) {
      return refuseShare(reply, error);
    }
    reply.hijack();
    const { raw } = reply;
    try {
      for (const [name, value] of Object.entries(reply.getHeaders()))
        if (value !== undefined) raw.setHeader(name, value);
      raw.writeHead(200, HEADERS);
      await follow(log, Number(request.headers['last-event-id']), raw, request.principal);
    } finally {
      share.release();
      raw.end();
    }
    return reply;
  };
}

/**
 * Resolves when the peer has disconnected, or when its rights or the log have ended. Omits events that the principal
 * may not read.
 */
async function follow(log: EventLog, lastId: number, raw: ServerResponse, principal: Principal | null): Promise<void> {
  const events = log.events(Number.isSafeInteger(lastId) && lastId > 0 ? lastId : 0);
  const gone = new Promise<void>((resolve) => {
    raw.once('close', () => {
      events.detach();
      resolve();
    });
  });
  if (raw.destroyed) {
    // The peer disconnected before the listener above was added.
    events.detach();
    return;
  }
  const heartbeat = setInterval(() => raw.write(':\n\n'), HEARTBEAT_MS);
  const forget = principal?.whenEnded(() => {
    events.detach();
    // The generator may be waiting for a peer that does not read.
    if (raw.writableNeedDrain) raw.destroy();
  });
  try {
    raw.write('retry: 1000\n\n');
    for await (const event of events) {
      if (principal !== null && !mayRead(principal, event)) continue;
      const text = `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
      // After a disconnect, the reader may still have unread events.
      if (raw.destroyed) return;
      // Back-pressure: the reader drops the oldest events while the peer is slow.
      if (!raw.write(text)) await Promise.race([gone, once(raw, 'drain')]);
    }
  } finally {
    clearInterval(heartbeat);
    forget?.();
  }
}

/**
 * Events of a stream are for those who may view it, those of the whole gateway for those who may view all streams.
 * Changes and errors of the configuration file are for administrators, as in `GET /api/gateway`.
 */
function mayRead(principal: Principal, { stream, kind }: GatewayEvent): boolean {
  if (stream !== null) return principal.may('view', { stream });
  return principal.may(kind === 'configure' ? 'administer' : 'view', 'all');
}
