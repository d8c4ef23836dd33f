import type { FastifyRequest } from 'fastify';
import type { NotAllowed } from '../connection/protocol-socket.ts';
import { GearwayError } from '../../shared/errors.ts';
import { addressKey } from '../hub/shares.ts';
import type { Principal, Right, Scope } from '../rights/principal.ts';
import type { Credential } from '../rights/rights-table.ts';
import type { Access, Authorization, Sender } from './access.ts';
import { clientAddress, peerAddress } from './client-address.ts';
import { type FailedLogins, RETRY_AFTER_S } from './failed-logins.ts';

/** Response to an unauthorized request. The message fits into the reason of a WebSocket close. */
export interface Denial extends NotAllowed {
  readonly status: 401 | 403 | 429;
  readonly code: 'token-required' | 'not-allowed' | 'too-many';
  /** Value of Retry-After in seconds; null if retrying does not help. */
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
  readonly #findSession: (request: FastifyRequest) => Principal | null;

  /** @param findSession finds the identity of the session to which a request belongs. Default: there are none. */
  constructor(
    access: Access,
    failedLogins: FailedLogins,
    findSession: (request: FastifyRequest) => Principal | null = () => null,
  ) {
    this.#access = access;
    this.#failedLogins = failedLogins;
    this.#findSession = findSession;
  }

  /** The identity of the session to which a request belongs; null if there is none. */
  session(request: FastifyRequest): Principal | null {
    return this.#findSession(request);
  }

  /**
   * @param credential the credential of the request. Without one, its session counts.
   * @returns a promise if a hash has to be computed; it does not reject.
   */
  decide(
    request: FastifyRequest,
    credential: Credential | undefined,
    right: Right,
    scope: Scope,
  ): Decision | Promise<Decision> {
    const sender = senderOf(request);
    return this.#settle(request, credential !== undefined, () =>
      this.#access.authorize(
        credential,
        right,
        scope,
        sender,
        credential === undefined ? this.#findSession(request) : null,
      ),
    );
  }

  /**
   * Finds the identity that a log-in proves.
   *
   * @param right required of the identity, in any stream; null for none.
   * @returns a promise if a hash has to be computed; it does not reject.
   */
  logIn(request: FastifyRequest, credential: Credential, right: Right | null): Decision | Promise<Decision> {
    return this.#settle(request, true, () => this.#access.logIn(credential, right, senderOf(request)));
  }

  #settle(
    request: FastifyRequest,
    hasCredential: boolean,
    authorize: () => Authorization | Promise<Authorization>,
  ): Decision | Promise<Decision> {
    const address = clientAddress(request);
    if (hasCredential && this.#failedLogins.isBlocked(address)) {
      this.#failedLogins.count(address);
      return TOO_MANY;
    }
    const refuseBusy = (error: unknown): Denial => this.#refuseBusy(address, error);
    try {
      const authorization = authorize();
      if (!(authorization instanceof Promise)) return this.#decide(address, authorization);
      return authorization.then((settled) => this.#decide(address, settled), refuseBusy);
    } catch (error) {
      return refuseBusy(error);
    }
  }

  /** @throws any error other than `busy`, unchanged. */
  #refuseBusy(address: string, error: unknown): Denial {
    if (!(error instanceof GearwayError) || error.code !== 'busy') throw error;
    this.#failedLogins.noteUnchecked(address);
    return { ...TOO_MANY, message: error.message };
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

function senderOf(request: FastifyRequest): Sender {
  return { peer: peerAddress(request), address: addressKey(clientAddress(request)), headers: request.headers };
}
