import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { EventLog } from '../hub/event-log.ts';
import { addressKey, type Share, type ShareLimits, Shares } from '../hub/shares.ts';
import { clientAddress } from './client-address.ts';
import { refuseShare } from './refuse-share.ts';

/** So often a comment is sent, so that proxies keep the connection and a vanished peer is noticed. */
const HEARTBEAT_MS = 15_000;

/**
 * Makes the route of the events as server-sent events (HTML Living Standard, section 9.2): those that are kept after
 * `Last-Event-ID`, then each as it happens. `id` is the event's, `event` its kind, `data` the event as JSON. 429 or
 * 503 beyond the limits.
 */
export function eventsRoute(log: EventLog, limits: ShareLimits): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
  const followers = new Shares('followers of the events', limits);
  return async (request, reply) => {
    // Node sends the header of a response without a body only when it ends.
    if (request.method === 'HEAD') return reply.headers({ 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' }).send();
    let share: Share;
    try {
      share = followers.acquire(addressKey(clientAddress(request)));
    } catch (error) {
      return refuseShare(reply, error);
    }
    try {
      reply.hijack();
      const { raw } = reply;
      for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
      raw.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
      raw.write('retry: 1000\n\n');
      await follow(log, Number(request.headers['last-event-id']), raw);
    } finally {
      share.release();
    }
    return reply;
  };
}

/** Settles when the peer or the log has ended. */
async function follow(log: EventLog, lastId: number, raw: ServerResponse): Promise<void> {
  const events = log.events(Number.isSafeInteger(lastId) && lastId > 0 ? lastId : 0);
  const heartbeat = setInterval(() => raw.write(':\n\n'), HEARTBEAT_MS);
  const gone = new Promise<void>((resolve) => {
    raw.once('close', () => {
      events.detach();
      resolve();
    });
  });
  for await (const event of events) {
    const text = `id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
    // Who reads slowly is waited for; what it misses meanwhile is bounded by the reader.
    if (!raw.write(text)) await Promise.race([gone, once(raw, 'drain')]);
  }
  clearInterval(heartbeat);
  raw.end();
}
