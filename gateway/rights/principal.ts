import { UserBudget, type UserLimits } from './user-budget.ts';

/**
 * `watch`: get the pictures; `view`: watch, and read the API with clients and their return data; `return`: lease a
 * port and return data; `administer`: add and remove clients; `publish`: send frames to a `push:` stream.
 */
export type Right = (typeof RIGHTS)[number];

/** All values of {@link Right}. */
export const RIGHTS = ['watch', 'view', 'return', 'administer', 'publish'] as const;

/** Scope in which a right is needed: one stream, all streams (the whole gateway), or any one of them. */
export type Scope = { readonly stream: string } | 'all' | 'any';

/** The rights of an identity. */
export interface Grant {
  /** Shown in messages, the log and audit events. */
  readonly name: string;
  readonly rights: readonly Right[];
  /** Names of the streams to which the rights apply; null for all. */
  readonly streams: readonly string[] | null;
  /** The only port that this identity may lease; null for any free one. */
  readonly port: number | null;
  /**
   * Whether the port is reserved for this identity. Default true; false for JSON Web Tokens, which are not known in
   * advance.
   */
  readonly reservesPort?: boolean;
  /** End of the rights, in milliseconds since 1970; null for none. */
  readonly expiresAtMs: number | null;
  /** Limits shared by all connections of this identity. Default: no limit of its own. */
  readonly limits?: UserLimits | null;
}

/** Whether rights apply to a stream. */
export function covers({ streams }: Pick<Grant, 'streams'>, name: string): boolean {
  return streams === null || streams.includes(name);
}

/** Why an identity has lost its rights. */
export interface RightsEnd {
  readonly reason: string;
  /** Whether the same credential may still be valid with other rights, so that its owner should reconnect. */
  readonly mayRetry: boolean;
}

/** Maximum time between two checks of the expiry: the clock may be set, while timers measure elapsed time. */
const MAX_TIMER_MS = 30_000;

/**
 * An identity and its rights until they end: because they expire, or because the configuration no longer has them.
 * Everything that outlasts one request registers with {@link Principal.whenEnded}.
 */
export class Principal implements Grant {
  readonly name: string;
  readonly rights: readonly Right[];
  readonly streams: readonly string[] | null;
  readonly port: number | null;
  readonly reservesPort: boolean;
  readonly expiresAtMs: number | null;
  readonly budget: UserBudget;
  readonly #listeners = new Set<(end: RightsEnd) => void>();
  #timer: NodeJS.Timeout | undefined;
  #end: RightsEnd | null = null;

  /** @param budget shared with another identity; default: one of its own. */
  constructor(
    { name, rights, streams, port, reservesPort = true, expiresAtMs, limits = null }: Grant,
    budget?: UserBudget,
  ) {
    this.budget = budget ?? new UserBudget(name, limits);
    this.name = name;
    this.rights = rights;
    this.streams = streams;
    this.port = port;
    this.reservesPort = reservesPort;
    this.expiresAtMs = expiresAtMs;
  }

  /** null while the rights last. */
  get ended(): RightsEnd | null {
    if (this.#end === null && this.expiresAtMs !== null && Date.now() >= this.expiresAtMs)
      this.end({ reason: `the rights of ${this.name} have expired`, mayRetry: false });
    return this.#end;
  }

  /** Whether a listener is registered for the end of the rights. */
  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }

  /**
   * Creates an identity with the same rights and budget, but its own expiry, for a session.
   *
   * @param expiresAtMs in milliseconds since 1970, unless these rights end earlier.
   */
  derive(expiresAtMs: number): Principal {
    const { name, rights, streams, port, reservesPort, budget } = this;
    const endsAtMs = Math.min(expiresAtMs, this.expiresAtMs ?? Infinity);
    return new Principal({ name, rights, streams, port, reservesPort, expiresAtMs: endsAtMs }, budget);
  }

  may(right: Right, scope: Scope): boolean {
    if (!this.#has(right)) return false;
    if (scope === 'any') return true;
    return scope === 'all' ? this.streams === null : covers(this, scope.stream);
  }

  /**
   * Calls `listener` once when the rights end, or immediately if they have ended. It must not throw.
   *
   * @returns a function that removes the listener.
   */
  whenEnded(listener: (end: RightsEnd) => void): () => void {
    const { ended } = this;
    if (ended !== null) {
      listener(ended);
      return () => undefined;
    }
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#watchExpiry();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearTimeout(this.#timer);
    };
  }

  /**
   * Like {@link Principal.whenEnded}, but calls `listener` asynchronously if the rights have already ended, because a
   * new connection sends its welcome first.
   */
  whenEndedLater(listener: (end: RightsEnd) => void): () => void {
    let forget: () => void = () => undefined;
    const turn = setImmediate(() => {
      forget = this.whenEnded(listener);
    });
    return () => {
      clearImmediate(turn);
      forget();
    };
  }

  /** Ends the rights now. Idempotent. */
  end(end: RightsEnd): void {
    if (this.#end !== null) return;
    this.#end = end;
    clearTimeout(this.#timer);
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener(end);
  }

  #has(right: Right): boolean {
    return this.rights.includes(right) || (right === 'watch' && this.rights.includes('view'));
  }

  #watchExpiry(): void {
    if (this.expiresAtMs === null) return;
    this.#timer = setTimeout(
      () => {
        if (this.ended === null) this.#watchExpiry();
      },
      Math.min(MAX_TIMER_MS, Math.max(1, this.expiresAtMs - Date.now())),
    );
    this.#timer.unref();
  }
}
