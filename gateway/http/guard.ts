import type { FastifyRequest } from 'fastify';
import type { NotAllowed } from '../connection/protocol-socket.ts';
import type { Access, Principal, Right } from './access.ts';
import { clientAddress, peerAddress } from './client-address.ts';
import { type FailedLogins, RETRY_AFTER_S } from './failed-logins.ts';

/** Response to an unauthorized request. The message fits into the reason of a WebSocket close. */
interface Denial extends NotAllowed {
  readonly status: 401 | 403 | 429;
  readonly code: 'token-required' | 'not-allowed' | 'too-many';
  /** Seconds; null if retrying does not help. */
  readonly retryAfterS: number | null;
}

/** Whether a request may use a right. */
type Decision = { readonly allowed: true; readonly principal: Principal } | Denial;

const TOO_MANY: Denial = {
  allowed: false,
  status: 429,
  code: 'too-many',
  message: `too many invalid tokens from this address; retry after ${RETRY_AFTER_S} s`,
  retryAfterS: RETRY_AFTER_S,
  delay: null,
  isReported: true,
};

/** Authorizes HTTP requests and the hellos of WebSockets, and counts failed log-ins. */
export class Guard {
  readonly #access: Access;
  readonly #failedLogins: FailedLogins;

  constructor(access: Access, failedLogins: FailedLogins) {
    this.#access = access;
    this.#failedLogins = failedLogins;
  }

  decide(request: FastifyRequest, token: string | undefined, right: Right): Decision {
    const address = clientAddress(request);
    if (token !== undefined && this.#failedLogins.isBlocked(address)) {
      this.#failedLogins.count(address);
      return TOO_MANY;
    }
    const authorization = this.#access.authorize(token, right, {
      peer: peerAddress(request),
      headers: request.headers,
    });
    if (authorization.allowed) return authorization;
    const { cause, message } = authorization;
    const denial: Denial = {
      allowed: false,
      status: cause === 'right-missing' ? 403 : 401,
      code: cause === 'right-missing' ? 'not-allowed' : 'token-required',
      message,
      retryAfterS: null,
      delay: null,
      isReported: false,
    };
    if (cause !== 'token-wrong') return denial;
    const verdict = this.#failedLogins.count(address);
    if (verdict.kind === 'too-many') return TOO_MANY;
    return { ...denial, isReported: true, delay: verdict.kind === 'delayed' ? verdict.until : null };
  }
}
