import type { FastifyInstance } from 'fastify';
import type { AuditEntry } from '../../shared/status.ts';
import type { AuditLog } from '../hub/audit-log.ts';
import { requester } from './requester.ts';

/**
 * Records each request that uses the right to administer and changes something, even if it was refused, and serves the
 * latest entries. Routes need no code for it. Requests without the right are not recorded: anyone can send any number
 * of them.
 */
export function serveAudit(app: FastifyInstance, audit: AuditLog): void {
  // Not 'onResponse', which is not emitted if the sender has disconnected.
  app.addHook('onSend', async (request, reply, payload) => {
    const { config, url = '' } = request.routeOptions;
    if (config.right !== 'administer' || request.principal === null || isReading(request.method)) return payload;
    const { name = null, id = null } = (request.params ?? {}) as { readonly name?: string; readonly id?: string };
    const query = request.url.indexOf('?');
    audit.addChange({
      ...requester(request),
      request: `${request.method} ${url}`,
      query: query < 0 ? null : request.url.slice(query + 1, query + 1 + MAX_QUERY),
      stream: name === null ? null : name.slice(0, MAX_NAME),
      client: id === null ? null : id.slice(0, MAX_NAME),
      status: reply.statusCode,
    });
    return payload;
  });
  app.get(
    '/api/audit',
    { config: { right: 'administer', scope: 'all' } },
    async () => audit.entries() satisfies readonly AuditEntry[],
  );
}

/** Maximum lengths of untrusted strings in an entry. */
const MAX_QUERY = 200;
const MAX_NAME = 100;

function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}
