import { BlockList, isIP } from 'node:net';
import type { IncomingHttpHeaders } from 'node:http';
import { type Logger, SILENT_LOGGER } from '../../shared/logger.ts';
import type { Principal, Right, Scope } from '../rights/principal.ts';
import { type Credential, RightsTable } from '../rights/rights-table.ts';
import { isShareToken, ShareLinks } from '../rights/share-links.ts';
import { requiresToken, rowsOf, type RightsOptions } from '../rights/rows.ts';
import { parseSavedRights, type SavedRights, saveRights } from '../rights/saved-rights.ts';
import { Sessions } from '../rights/sessions.ts';
import { parseHost } from './trusted-names.ts';

/** Properties of a request's sender, apart from its credential. */
export interface Sender {
  /** Address of the TCP peer, which may be a proxy. undefined if the connection has closed. */
  readonly peer: string | undefined;
  /** Address of the client, behind trusted proxies too, as returned by `addressKey`. */
  readonly address: string;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Result of an authorization. `token-wrong` counts as a failed log-in; the message fits into the reason of a WebSocket
 * close.
 */
export type Authorization =
  | { readonly allowed: true; readonly principal: Principal }
  | {
      readonly allowed: false;
      readonly cause: 'token-missing' | 'token-wrong' | 'token-expired' | 'right-missing';
      readonly message: string;
    };

/** Storage of sessions and share links, so that they outlast the process. */
export interface RightsStore {
  /** Schedules writing of the rights, in their state at that time. Must not throw. */
  save(rights: () => SavedRights): void;
  /**
   * Resolves when everything is written. @returns a sentence that explains why it could not be written; null on
   * success.
   */
  flush(): Promise<string | null>;
}

/** Maps credentials and senders to rights. */
export class Access {
  readonly sessions: Sessions;
  readonly shareLinks: ShareLinks;
  #options: RightsOptions;
  readonly #table: RightsTable;
  #store: RightsStore | null = null;

  constructor(options: RightsOptions, log: Logger = SILENT_LOGGER) {
    this.#options = options;
    this.#table = new RightsTable(rowsOf(options), options.jwt, log);
    const save = (): void => this.#store?.save(() => this.#save());
    this.sessions = new Sessions(this.#table, save);
    this.shareLinks = new ShareLinks(save);
  }

  /**
   * Persists sessions and share links from now on.
   *
   * @param saved data of the previous process; null for none.
   * @throws {GearwayError} `state-invalid`; the rights are then kept without those of the last process.
   */
  keep(store: RightsStore, saved: unknown): void {
    this.#store = store;
    if (saved === null) return;
    const { sessions, shareLinks } = parseSavedRights(saved);
    this.sessions.restore(sessions);
    this.shareLinks.restore(shareLinks);
  }

  /** Whether sessions and share links are persisted. */
  get isKept(): boolean {
    return this.#store !== null;
  }

  /**
   * Resolves when changes of sessions and share links are persisted.
   *
   * @returns a sentence that explains why they could not be; null on success, or if nothing is persisted.
   */
  async flush(): Promise<string | null> {
    return (await this.#store?.flush()) ?? null;
  }

  /** Ends the share links of this process, and stops timers. */
  close(): void {
    this.sessions.close();
    this.shareLinks.close();
  }

  #save(): SavedRights {
    return saveRights(this.sessions.save(), this.shareLinks.save());
  }

  /**
   * Applies other options. Ends the rights of identities that were changed or removed, and closes their connections and
   * requests.
   *
   * @returns the names of these identities, and of new ones.
   */
  update(options: RightsOptions): readonly string[] {
    this.#options = options;
    const names = this.#table.update(rowsOf(options), options.jwt);
    this.sessions.forget(names);
    return names;
  }

  /**
   * Decides whether a request may use a right. An unknown credential is ignored if the request would be allowed without
   * one, so that programs and pages with an outdated token keep working.
   *
   * @param session identity of the sender's session, which counts for requests without a credential.
   * @returns a promise if the credential has to be computed or fetched.
   * @throws {GearwayError} `busy` if too many credentials are being checked.
   */
  authorize(
    credential: Credential | undefined,
    right: Right,
    scope: Scope,
    sender: Sender,
    session: Principal | null = null,
  ): Authorization | Promise<Authorization> {
    const found = credential === undefined ? session : this.#find(credential, sender);
    const decide = (known: Principal | null): Authorization => this.#decide(known, credential, right, scope, sender);
    return found instanceof Promise ? found.then(decide) : decide(found);
  }

  /** Credentials for which a log-in form should ask. */
  get accepts(): readonly ('password' | 'token')[] {
    return this.#table.accepts;
  }

  /**
   * Finds the identity that a log-in proves.
   *
   * @param right required of the identity, in any stream; null for none.
   * @returns a promise if the credential has to be computed or fetched.
   * @throws {GearwayError} `busy` if too many credentials are being checked.
   */
  logIn(credential: Credential, right: Right | null, sender: Sender): Authorization | Promise<Authorization> {
    const decide = (known: Principal | null): Authorization => {
      if (known === null) return { allowed: false, cause: 'token-wrong', message: this.#whyWrong(credential) };
      const { ended } = known;
      if (ended !== null) return { allowed: false, cause: 'token-expired', message: ended.reason };
      if (right === null || known.may(right, 'any')) return { allowed: true, principal: known };
      return { allowed: false, cause: 'right-missing', message: whyMissing(known, right, 'any') };
    };
    const found = this.#table.find(credential, sender.address);
    return found instanceof Promise ? found.then(decide) : decide(found);
  }

  #whyWrong({ user }: Credential): string {
    if (user !== null) return 'wrong name or password';
    return requiresToken(this.#options)
      ? 'invalid token'
      : 'invalid key; the gateway prints another one each time it starts';
  }

  #find(credential: Credential, { address }: Sender): Principal | null | Promise<Principal | null> {
    return isShareToken(credential.secret)
      ? this.shareLinks.find(credential.secret)
      : this.#table.find(credential, address);
  }

  #decide(
    known: Principal | null,
    credential: Credential | undefined,
    right: Right,
    scope: Scope,
    sender: Sender,
  ): Authorization {
    const ended = known?.ended ?? null;
    if (ended !== null) return { allowed: false, cause: 'token-expired', message: ended.reason };
    const principal = known ?? this.#table.implicit(() => this.#options.isLocal && whyNotLocal(sender) === null);
    if (principal?.may(right, scope) === true) return { allowed: true, principal };
    if (known !== null) return { allowed: false, cause: 'right-missing', message: whyMissing(known, right, scope) };
    if (credential !== undefined) {
      const message = isShareToken(credential.secret) ? 'this link has expired, or was revoked' : 'invalid token';
      return { allowed: false, cause: 'token-wrong', message };
    }
    return { allowed: false, cause: 'token-missing', message: this.#explain(right, sender) };
  }

  #explain(right: Right, sender: Sender): string {
    const { isLocal, publishToken } = this.#options;
    if (requiresToken(this.#options)) return 'this gateway requires a token';
    if (right === 'administer')
      return 'this requires the administrator key, which the gateway prints when it starts, or a token (--token)';
    if (right === 'publish' && (publishToken !== null || !isLocal))
      return 'publishing requires a token (--publish-token, or --token)';
    return `${whyNotLocal(sender) ?? 'this request'} needs a token: start the gateway with --token`;
  }
}

function whyMissing(known: Principal, right: Right, scope: Scope): string {
  return `${subjectOf(known)} does not give the right to ${right}${scopeText(known, right, scope)}`;
}

function subjectOf({ name }: Principal): string {
  return /token$|key$|^share link /.test(name) ? `the ${name}` : `the token ${name}`;
}

/** Text about the scope; empty unless the right is limited to other streams. */
function scopeText({ rights }: Principal, right: Right, scope: Scope): string {
  if (!rights.includes(right) || scope === 'any') return '';
  return scope === 'all' ? ' in all streams' : ' in this stream';
}

/**
 * Headers with which proxies, CDNs and load balancers report where a request came from, in Node's lower-case spelling.
 * A program on this machine has no reason to send such a header, and a browser cannot.
 */
const FORWARDING_HEADER =
  /^(?:forwarded|forwarded-.*|via|cdn-loop|(?:cf|fly|fastly)-.*|x-(?:forwarded|original|real|remote|rewrite|proxy|envoy|azure|amz|amzn|appengine|cloud).*|(?:.*-)?(?:client|connecting|remote|user)-?(?:ip|addr(?:ess)?))$/;

/**
 * Evidence that a request does not come directly from this machine, as the subject of a sentence; null if there is
 * none.
 */
function whyNotLocal({ peer, headers }: Sender): string | null {
  if (peer === undefined || !isThisMachine(peer)) return 'a request from another machine';
  const forwarding = Object.keys(headers).find((name) => FORWARDING_HEADER.test(name));
  if (forwarding !== undefined) return `a request that came through a proxy (${forwarding.slice(0, 24)})`;
  const { host, origin } = headers;
  if (!isThisMachine(parseHost(host)?.name ?? '')) return 'a request for a name other than localhost';
  if (origin !== undefined && !isThisMachine(originHost(origin) ?? ''))
    return 'a request from a page of another machine';
  return null;
}

function originHost(origin: string): string | null {
  return parseHost(/^https?:\/\/([^/]+)$/.exec(origin)?.[1])?.name ?? null;
}

/** The token of an `Authorization: Bearer …` header (RFC 6750). */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? '')?.[1];
}

/**
 * The user name and password of an `Authorization: Basic …` header (RFC 7617). The password may also be a token, for
 * clients that support no other authentication; then the user name is ignored.
 */
export function basicCredential(header: string | undefined): Credential | undefined {
  const encoded = /^Basic ([\w+/]+={0,2})$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const [, user = '', secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? [];
  return secret === undefined ? undefined : { secret, user: user === '' ? null : user };
}

/** A token as a credential. */
export function tokenCredential(token: string | undefined): Credential | undefined {
  return token === undefined ? undefined : { secret: token, user: null };
}

/** Whether a listening address is reachable only from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Whether a host name or address means this machine: `localhost`, or a loopback address in any notation, including
 * IPv4-mapped.
 */
export function isThisMachine(name: string): boolean {
  const address = name.toLowerCase().replace(/%.*$/, '');
  return (
    address === 'localhost' || (isIP(address) !== 0 && LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
  );
}
