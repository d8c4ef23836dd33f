import type { RouteRights } from '../rights.ts';
import { type Operation, OPERATIONS } from './operations.ts';
import { SCHEMAS, schemaOf } from './schemas.ts';

/** A route of the API with its description. */
export interface DescribedRoute extends RouteRights {
  readonly operation: Operation;
}

/** The routes of the API, in the order of their descriptions. Pages, scripts and WebSockets are not part of the API. */
export function describeRoutes(routes: readonly RouteRights[]): readonly DescribedRoute[] {
  return Object.entries(OPERATIONS).map(([key, operation]) => {
    const route = routes.find(({ method, url }) => key === `${method} ${url}`);
    if (route === undefined) throw new TypeError(`${key} is described, but not a route`);
    return { ...route, operation };
  });
}

/** Creates the OpenAPI document (version 3.1) of the API. */
export function createDocument(routes: readonly RouteRights[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of describeRoutes(routes)) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeOperation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Gearway',
      version: '1',
      description:
        'State, pictures, clients and publishing of a Gearway gateway. Viewers that return data use its WebSocket protocol.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    // Relative to this document, because a proxy may serve the gateway below any path.
    servers: [{ url: '..' }],
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token of the gateway, or the administrator key' },
        password: { type: 'http', scheme: 'basic', description: 'The same as a password, with any user name' },
      },
    },
  };
}

function describeOperation({ url, right, basic, operation }: DescribedRoute): object {
  const { summary, description, tag, query = {}, headers = {}, body, responses } = operation;
  const parameters = [
    ...[...url.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string', minLength: 1 },
    })),
    ...Object.entries(query).map(([name, parameter]) => ({ name, in: 'query', ...parameter })),
    ...Object.entries(headers).map(([name, parameter]) => ({ name, in: 'header', ...parameter })),
  ];
  return {
    summary,
    description: [description, right === 'public' ? 'Requires no right.' : `Requires the right to ${right}.`]
      .filter((sentence) => sentence !== undefined)
      .join(' '),
    tags: [tag],
    // Senders on the gateway's machine need no token in some configurations.
    ...(right === 'public'
      ? {}
      : { security: [{ token: [] }, ...(basic ? [{ password: [] }] : []), ...(right === 'administer' ? [] : [{}])] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(responses).map(([status, response]) => [
          status,
          { description: response.description, content: contentOf(response.content) },
        ]),
      ),
      default: { description: 'Refused', content: contentOf({ 'application/json': schemaOf('Refusal') }) },
    },
  };
}

function contentOf(content: Readonly<Record<string, object>>): object {
  return Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [
      type,
      Object.keys(schema).length === 0 && type !== 'application/json' ? {} : { schema },
    ]),
  );
}
