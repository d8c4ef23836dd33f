import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Principal, Right, Scope } from '../rights/principal.ts';
import { basicCredential, bearerToken, tokenCredential } from './access.ts';
import type { Denial, Guard } from './guard.ts';
import { sendRefusal } from './refusals.ts';

/**
 * Requirement of a route: a right; nothing (`public`); or a right that the WebSocket protocol checks in its first
 * message (`hello`).
 */
export type RouteRight = Right | 'public' | 'hello';

/**
 * Scope of a route's right: the stream that its URL names, all streams, or any of them. `any` is for
 * routes whose handlers leave out the streams that `request.principal` may not view.
 */
type RouteScope = 'stream' | 'all' | 'any';

/** A registered route. */
export interface RouteRights {
  readonly method: string;
  readonly url: string;
  readonly right: RouteRight;
  /** Scope of the right: the stream of the URL, all streams, or any stream. */
  readonly scope: RouteScope;
  /** Whether the token may also be a password. */
  readonly basic: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Mandatory: registering a route without it throws. */
    right?: RouteRight;
    /** Default: `stream` for URLs that begin with `…/streams/:name`, otherwise `all`. */
    scope?: Exclude<RouteScope, 'stream'>;
    /**
     * Whether the token may also be the password of HTTP Basic authentication, for clients that can send nothing else.
     */
    basic?: boolean;
    /** Whether pages of any origin may load this, such as the elements' scripts. Only for `public` routes. */
    crossOrigin?: boolean;
  }
  interface FastifyRequest {
    /** Identity of the sender; null for `public` and `hello` routes. */
    principal: Principal | null;
  }
  interface FastifyInstance {
    /** All routes with their required rights, in order of registration. */
    readonly routeRights: readonly RouteRights[];
  }
}

/**
 * Makes authorization a property of the matched route: each route declares its required right in `config.right`, and a
 * single hook checks it. The hook does not inspect the URL, which can be spelled in many ways. Call this before
 * registering routes.
 *
 * Refusals: 401 `token-required`, 403 `not-allowed`, 429 `too-many`. They precede the handler, so they do not reveal
 * which resources exist.
 *
 * @throws {TypeError} when a route is registered that declares no right, or `crossOrigin` without being public.
 */
export function requireRights(app: FastifyInstance, guard: Guard): void {
  const routes: RouteRights[] = [];
  app.decorate('routeRights', routes);
  app.decorateRequest('principal', null);
  app.addHook('onRoute', ({ method, url, config }) => {
    const right = config?.right;
    const route = `the route ${String(method)} ${url}`;
    if (right === undefined) throw new TypeError(`${route} declares no right, expected config: { right }`);
    if (config?.crossOrigin === true && right !== 'public') {
      throw new TypeError(`${route} is crossOrigin and requires the right ${right}, expected public`);
    }
    for (const each of typeof method === 'string' ? [method] : method)
      routes.push({
        method: each,
        url,
        right,
        scope: config?.scope ?? defaultScope(url),
        basic: config?.basic === true,
      });
  });
  app.addHook('onRequest', async (request, reply) => {
    // No route matched: the response is the same for everyone.
    if (request.is404) return undefined;
    const { right, basic = false } = request.routeOptions.config;
    if (right === undefined) throw new TypeError('a route without a right was matched');
    if (right === 'public' || right === 'hello') return undefined;
    const { authorization } = request.headers;
    // Browsers send the password for a proxy with every request, including those of a session.
    const credential =
      tokenCredential(bearerToken(authorization)) ??
      (basic && guard.session(request) === null ? basicCredential(authorization) : undefined);
    const decision = await guard.decide(request, credential, right, scopeOf(request));
    // The peer may have disconnected in the meantime: handlers would never receive its 'close' event.
    if (reply.raw.destroyed) return reply.hijack();
    if (decision.allowed) {
      request.principal = decision.principal;
      // Caches treat the response to a request with an Authorization header as private, but not to one with a cookie.
      reply.header('cache-control', 'no-store');
      return undefined;
    }
    // The browser's log-in dialog must not open over a page that has its own.
    const asksForPassword = basic && request.headers['x-requested-with'] === undefined;
    return sendDenial(request, reply, decision, asksForPassword ? 'Basic realm="Gearway"' : 'Bearer');
  });
  // The body may arrive long after the head of the request.
  app.addHook('preHandler', async (request, reply) => {
    const end = request.principal?.ended ?? null;
    return end === null
      ? undefined
      : sendRefusal(request, reply, { status: 401, code: 'token-required', message: end.reason });
  });
}

/** Responds with the refusal of a request that lacks a right, or of a log-in. */
export async function sendDenial(
  request: FastifyRequest,
  reply: FastifyReply,
  denial: Denial,
  challenge: string,
): Promise<FastifyReply> {
  if (denial.delay !== null) await denial.delay;
  if (denial.retryAfterS !== null) reply.header('retry-after', String(denial.retryAfterS));
  if (denial.status === 401) reply.header('www-authenticate', challenge);
  return sendRefusal(request, reply, denial);
}

const STREAM_URL = /^(?:\/api)?\/streams\/:name(?:\/|$)/;

function defaultScope(url: string): RouteScope {
  return STREAM_URL.test(url) ? 'stream' : 'all';
}

/** The scope in which a request needs the right of its route. */
function scopeOf({ routeOptions, params }: FastifyRequest): Scope {
  const scope = routeOptions.config.scope ?? defaultScope(routeOptions.url ?? '');
  if (scope !== 'stream') return scope;
  const { name } = params as { readonly name?: unknown };
  if (typeof name !== 'string') throw new TypeError('a route of a stream has no name in its URL');
  return { stream: name };
}

/** Whether the sender is an administrator, for whom some limits reserve capacity (`ShareLimits.forAdministrators`). */
export function mayAdminister({ principal }: FastifyRequest): boolean {
  return principal?.may('administer', 'all') === true;
}
