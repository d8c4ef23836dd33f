import type { FastifyInstance, FastifyRequest } from 'fastify';
import { basicPassword, bearerToken, type Principal, type Right } from './access.ts';
import type { Guard } from './guard.ts';
import { sendRefusal } from './refusals.ts';

/** What a route requires: a right; nothing (`public`); or the right that its WebSocket protocol checks in the first message (`hello`). */
export type RouteRight = Right | 'public' | 'hello';

/** A route as it was registered. */
export interface RouteRights {
  readonly method: string;
  readonly url: string;
  readonly right: RouteRight;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Every route declares one; a route without it does not start. */
    right?: RouteRight;
    /** The token may also come as the password of HTTP Basic authentication, for clients that can send nothing else. */
    basic?: boolean;
    /** Pages of any origin may load this, as the elements' scripts. Only for routes that are `public`. */
    crossOrigin?: boolean;
  }
  interface FastifyRequest {
    /** Who sends this request; null for routes that are `public` or `hello`. */
    principal: Principal | null;
  }
  interface FastifyInstance {
    /** All routes with the rights that they require, in the order of their registration. */
    readonly routeRights: readonly RouteRights[];
  }
}

/**
 * Makes authorization a property of the matched route: each one declares the right that it requires in `config.right`, and a single hook checks it. It
 * does not look at the URL, which can be written in many ways. Call this before any route is registered.
 *
 * Refusals: 401 `token-required`, 403 `not-allowed`, 429 `too-many`. They come before the handler, so they do not reveal what exists.
 *
 * @throws {TypeError} from `app`, when a route is registered that declares no right, or `crossOrigin` without being public.
 */
export function requireRights(app: FastifyInstance, guard: Guard): void {
  const routes: RouteRights[] = [];
  app.decorate('routeRights', routes);
  app.decorateRequest('principal', null);
  app.addHook('onRoute', ({ method, url, config }) => {
    const right = config?.right;
    if (right === undefined) throw new TypeError(`the route ${String(method)} ${url} declares no right, expected config: { right }`);
    if (config?.crossOrigin === true && right !== 'public') throw new TypeError(`the route ${String(method)} ${url} is crossOrigin and requires the right ${right}, expected public`);
    for (const each of typeof method === 'string' ? [method] : method) routes.push({ method: each, url, right });
  });
  app.addHook('onRequest', async (request, reply) => {
    // Nothing was matched: the answer is the same for everyone.
    if (request.is404) return undefined;
    const { right, basic = false } = request.routeOptions.config;
    if (right === undefined) throw new TypeError('a route without a right was matched');
    if (right === 'public' || right === 'hello') return undefined;
    const { authorization } = request.headers;
    const decision = guard.decide(request, bearerToken(authorization) ?? (basic ? basicPassword(authorization) : undefined), right);
    if (decision.allowed) {
      request.principal = decision.principal;
      return undefined;
    }
    if (decision.delay !== null) await decision.delay;
    if (decision.retryAfterS !== null) reply.header('retry-after', String(decision.retryAfterS));
    if (decision.status === 401) reply.header('www-authenticate', basic ? 'Basic realm="Gearway"' : 'Bearer');
    return sendRefusal(request, reply, decision);
  });
}

/** Whether the sender of this request may administer: some limits leave room for it (`ShareLimits.forAdministrators`). */
export function mayAdminister({ principal }: FastifyRequest): boolean {
  return principal?.rights.includes('administer') === true;
}
