import { createHash, randomBytes } from 'node:crypto';
import { GearwayError } from '../../shared/errors.ts';
import { Principal } from './principal.ts';
import type { SavedShareLink } from './saved-rights.ts';

/** A link with which anyone can watch one stream until it expires. */
export interface ShareLink {
  /** Names the link in the list and the log. Not secret. */
  readonly id: string;
  readonly stream: string;
  /** Name of the administrator who created it. */
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

interface LiveLink extends ShareLink {
  readonly principal: Principal;
}

const ID_BYTES = 6;
const SECRET_BYTES = 32;
const TOKEN = /^gws_[\w-]{43}$/;

/** Maximum number of links that have not expired. */
const MAX_LINKS = 256;

/** Whether a string has the format of a share link's token. */
export function isShareToken(text: string): boolean {
  return TOKEN.test(text);
}

/**
 * The share links of the gateway. Each has a token of 256 random bits and the right to watch its stream. Only
 * the hash of the token is kept. {@link ShareLinks.save} and {@link ShareLinks.restore} let them outlast the process.
 */
export class ShareLinks {
  readonly #onChange: () => void;
  /** Links by hash of the token, oldest first. */
  readonly #links = new Map<string, LiveLink>();
  #isClosed = false;

  /** @param onChange called whenever the result of {@link ShareLinks.save} has changed. It must not throw. */
  constructor(onChange: () => void = () => undefined) {
    this.#onChange = onChange;
  }

  /**
   * Creates a link.
   *
   * @returns the link and its token, which is not stored.
   * @throws {GearwayError} `too-many`.
   */
  create(stream: string, createdBy: string, lifetimeMs: number): { readonly token: string; readonly link: ShareLink } {
    if (this.#links.size >= MAX_LINKS)
      throw new GearwayError('too-many', `there are ${MAX_LINKS} share links, the maximum; revoke one first`);
    const id = randomBytes(ID_BYTES).toString('base64url');
    const token = `gws_${randomBytes(SECRET_BYTES).toString('base64url')}`;
    const createdAtMs = Date.now();
    const expiresAtMs = createdAtMs + lifetimeMs;
    const link = this.#add(keyOf(token), { id, stream, createdBy, createdAtMs, expiresAtMs });
    this.#onChange();
    return { token, link };
  }

  /** The links that have not expired, oldest first. */
  save(): readonly SavedShareLink[] {
    return [...this.#links].map(([key, { id, stream, createdBy, createdAtMs, expiresAtMs }]) => ({
      key,
      id,
      stream,
      createdBy,
      createdAtMs,
      expiresAtMs,
    }));
  }

  /** Adds saved links, before any is created. Expired and excess links are left out. */
  restore(saved: readonly SavedShareLink[]): void {
    const now = Date.now();
    for (const { key, ...link } of saved.filter(({ expiresAtMs }) => expiresAtMs > now).slice(-MAX_LINKS))
      this.#add(key, link);
  }

  /** The identity of a link's token; null if it is unknown, has expired or was revoked. */
  find(token: string): Principal | null {
    return this.#links.get(keyOf(token))?.principal ?? null;
  }

  /** The links of a stream, oldest first. */
  list(stream: string): readonly ShareLink[] {
    return [...this.#links.values()].filter((link) => link.stream === stream);
  }

  /** Ends a link and everything that was opened with it. @returns null if the stream has no link with this id. */
  revoke(stream: string, id: string): ShareLink | null {
    const link = [...this.#links.values()].find((each) => each.id === id && each.stream === stream);
    link?.principal.end({ reason: 'this link was revoked', mayRetry: false });
    return link ?? null;
  }

  /** Ends all links, and their timers. */
  close(): void {
    this.#isClosed = true;
    for (const { principal } of this.#links.values()) principal.end({ reason: 'the gateway stops', mayRetry: false });
  }

  #add(key: string, { id, stream, createdBy, createdAtMs, expiresAtMs }: ShareLink): LiveLink {
    const principal = new Principal({
      name: `share link ${id}`,
      rights: ['watch'],
      streams: [stream],
      port: null,
      expiresAtMs,
    });
    const link: LiveLink = { id, stream, createdBy, createdAtMs, expiresAtMs, principal };
    this.#links.set(key, link);
    principal.whenEnded(() => {
      // Closing ends them for this process only.
      if (this.#isClosed) return;
      this.#links.delete(key);
      this.#onChange();
    });
    return link;
  }
}

function keyOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
