import type { FastifyRequest } from 'fastify';
import type { NotAllowed } from '../connection/protocol-socket.ts';
import { GearwayError } from '../../shared/errors.ts';
import { addressKey } from '../hub/shares.ts';
import type { Principal, Right, Scope } from '../rights/principal.ts';
import type { Credential } from '../rights/rights-table.ts';
import type { Access, Authorization } from './access.ts';
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
export type Decision = { readonly allowed: true; readonly principal: Principal } | Denial;

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

  /**
   * @param credential what the request presents.
   * @returns a promise if a hash has to be computed; it does not reject.
   */
  decide(
    request: FastifyRequest,
    credential: Credential | undefined,
    right: Right,
    scope: Scope,
  ): Decision | Promise<Decision> {
    const address = clientAddress(request);
    if (credential !== undefined && this.#failedLogins.isBlocked(address)) {
      this.#failedLogins.count(address);
      return TOO_MANY;
    }
    const sender = { peer: peerAddress(request), address: addressKey(address), headers: request.headers };
    try {
      const authorization = this.#access.authorize(credential, right, scope, sender);
      if (!(authorization instanceof Promise)) return this.#decide(address, authorization);
      return authorization.then((settled) => this.#decide(address, settled), refuseBusy);
    } catch (error) {
      return refuseBusy(error);
    }
  }

  #decide(address: string, authorization: Authorization): Decision {
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

/** @throws any error but `busy` unchanged. */
function refuseBusy(error: unknown): Denial {
  if (!(error instanceof GearwayError) || error.code !== 'busy') throw error;
  return { ...TOO_MANY, message: error.message, isReported: false };
}
