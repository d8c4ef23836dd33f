import type { FastifyInstance } from 'fastify';

/**
 * Adds `/api/openapi.json` and the page `/api/`, which describe the API. They are generated on request, because most
 * gateways never serve them. They contain no data of this gateway.
 */
export function serveApiDescription(app: FastifyInstance): void {
  app.get('/api/openapi.json', { config: { right: 'public', crossOrigin: true } }, async (_request, reply) => {
    const { createDocument } = await import('./openapi/document.ts');
    return reply.header('cache-control', 'no-cache').send(createDocument(app.routeRights));
  });
  app.get('/api/', { config: { right: 'public' } }, async (_request, reply) => {
    const { API_PAGE_POLICY, apiPage } = await import('./openapi/page.ts');
    return reply
      .headers({
        'cache-control': 'no-cache',
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': API_PAGE_POLICY,
      })
      .send(apiPage(app.routeRights));
  });
}
