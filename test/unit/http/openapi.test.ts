import { describe, expect, it } from 'vitest';
import { OPERATIONS } from '../../../gateway/http/openapi/operations.ts';
import { createHttpApp } from '../../helpers/http-app.ts';

describe('GET /api/openapi.json', () => {
  it('describes every route of the API, and nothing else', async () => {
    await using http = await createHttpApp();
    const served = http.app.routeRights.filter(
      ({ method, right, url }) =>
        method !== 'HEAD' &&
        right !== 'hello' &&
        /^\/(?:api|streams|healthz|readyz|metrics)/.test(url) &&
        !['/api/', '/api/openapi.json'].includes(url),
    );
    expect(Object.keys(OPERATIONS).sort()).toEqual(served.map(({ method, url }) => `${method} ${url}`).sort());
  });

  it('documents the rights, parameters and refusals of the routes', async () => {
    await using http = await createHttpApp();
    const answer = await http.app.inject('/api/openapi.json');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    const { openapi, servers, paths } = answer.json<{
      openapi: string;
      servers: { url: string }[];
      paths: Record<
        string,
        Record<string, { security?: unknown; parameters?: { name: string; in: string }[]; responses: object }>
      >;
    }>();
    expect(openapi).toBe('3.1.0');
    // A relative URL is also correct below the path of a proxy.
    expect(servers).toEqual([{ url: '..' }]);
    const remove = paths['/api/streams/{name}/clients/{id}']?.['delete'];
    expect(remove?.security).toEqual([{ token: [] }]);
    expect(remove?.parameters?.map((parameter) => `${parameter.in} ${parameter.name}`)).toEqual([
      'path name',
      'path id',
      'query persist',
      'query reason',
    ]);
    expect(paths['/streams/{name}/mjpeg']?.['get']?.security).toEqual([{ token: [] }, { password: [] }, {}]);
    expect(paths['/healthz']?.['get']).not.toHaveProperty('security');
    for (const [path, methods] of Object.entries(paths))
      for (const operation of Object.values(methods))
        expect(Object.keys(operation.responses), path).toContain('default');
  });
});

describe('GET /api/', () => {
  it('is a page with every operation, which loads nothing', async () => {
    await using http = await createHttpApp();
    const { body, headers } = await http.app.inject('/api/');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; img-src data:; style-src 'sha256-/);
    for (const { summary } of Object.values(OPERATIONS)) expect(body).toContain(summary);
    expect(body).not.toMatch(/<script|src=|https?:/);
  });
});
