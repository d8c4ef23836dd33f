import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { GearwayError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { addressKey } from '../hub/shares.ts';
import type { RightsStatus, SessionStatus } from '../../shared/status.ts';
import { type Principal, type Right, RIGHTS } from '../rights/principal.ts';
import type { Credential } from '../rights/rights-table.ts';
import { SESSION_LIFETIME_MS, type Sessions } from '../rights/sessions.ts';
import type { Access } from './access.ts';
import { clientAddress } from './client-address.ts';
import type { Guard } from './guard.ts';
import { LogInLog } from './log-in-log.ts';
import { sendRefusal } from './refusals.ts';
import { sendDenial } from './rights.ts';
import type { SessionCookies } from './session-cookies.ts';

interface SessionOptions {
  readonly access: Access;
  readonly guard: Guard;
  readonly cookies: SessionCookies;
  readonly log: Logger;
}

/** Maximum length of a name, password or token. */
export const MAX_CREDENTIAL = 2048;

/** Finds the session to which a request belongs. */
export function findSession(sessions: Sessions, cookies: SessionCookies, request: FastifyRequest): Principal | null {
  for (const id of cookies.read(request)) {
    const principal = sessions.find(id);
    if (principal !== null) return principal;
  }
  return null;
}

/**
 * Adds `/api/session`: who is logged in (`GET`), log in (`POST`), log out (`DELETE`). Logging in and out is for the
 * gateway's own pages; programs send their token with each request.
 */
export function serveSession(app: FastifyInstance, { access, guard, cookies, log }: SessionOptions): void {
  const config = { right: 'public' } as const;
  const { sessions } = access;
  const logIns = new LogInLog(log);
  const statusOf = (principal: Principal | null): SessionStatus => ({
    user: principal === null ? null : rightsStatus(principal),
    accepts: access.accepts,
  });
  const refuseForeign = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
    sendRefusal(request, reply, {
      status: 403,
      code: 'origin-not-allowed',
      message:
        "a session is for the gateway's own pages, which send their address as Origin; programs send their token with each request",
    });
  const endSessions = (request: FastifyRequest, reason: string, mayRetry: boolean): void => {
    for (const id of cookies.read(request)) sessions.end(id, { reason, mayRetry });
  };

  app.get('/api/session', { config }, async (request, reply): Promise<SessionStatus> => {
    reply.header('cache-control', 'no-store');
    return statusOf(guard.session(request));
  });

  app.post('/api/session', { config }, async (request, reply) => {
    reply.header('cache-control', 'no-store');
    if (!cookies.isOwnPage(request)) return refuseForeign(request, reply);
    const { credential, right } = readLogIn(request.body);
    const decision = await guard.logIn(request, credential, right);
    if (reply.raw.destroyed) return reply.hijack();
    if (!decision.allowed) return sendDenial(request, reply, decision, 'Bearer');
    // Connections of the previous session continue with the new one.
    endSessions(request, 'another user has logged in', true);
    const { id, principal } = sessions.open(decision.principal, addressKey(clientAddress(request)));
    cookies.set(request, reply, id, SESSION_LIFETIME_MS);
    logIns.loggedIn(principal.name, clientAddress(request));
    return statusOf(principal);
  });

  app.delete('/api/session', { config }, async (request, reply): Promise<FastifyReply | SessionStatus> => {
    reply.header('cache-control', 'no-store');
    if (!cookies.isOwnPage(request)) return refuseForeign(request, reply);
    endSessions(request, 'you have logged out', false);
    // The store logs failures, and the browser deletes the cookie in any case.
    await access.flush();
    cookies.clear(request, reply);
    return statusOf(null);
  });
}

/** Response of `GET /api/rights`. */
export function rightsStatus({ name, rights, port, streams, expiresAtMs }: Principal): RightsStatus {
  return {
    principal: name,
    rights,
    port,
    streams,
    expires: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
  };
}

/** @throws {GearwayError} `log-in-invalid`. */
function readLogIn(body: unknown): { readonly credential: Credential; readonly right: Right | null } {
  const { token, name, password, right = null } = (body ?? {}) as Readonly<Record<string, unknown>>;
  const needed = right === null ? null : RIGHTS.find((each) => each === right);
  if (needed === undefined)
    throw new GearwayError('log-in-invalid', `right is ${JSON.stringify(right)}, expected one of ${RIGHTS.join(', ')}`);
  if (isText(token)) return { credential: { secret: token, user: null }, right: needed };
  if (isText(name) && isText(password)) return { credential: { secret: password, user: name }, right: needed };
  throw new GearwayError(
    'log-in-invalid',
    `the body has no log-in, expected JSON with a token, or with a name and a password, of at most ${MAX_CREDENTIAL} characters`,
  );
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_CREDENTIAL;
}
