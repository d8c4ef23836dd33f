import type { RightsStatus, StreamStatus } from '../../../shared/status.ts';

/** How the gateway answers. `token`: it requires one, or refuses the one that was sent; `gone`: it does not answer, or it or a proxy refuses for the `reason`. */
export type Answer<T> = { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'token'; readonly reason: string } | { readonly kind: 'gone'; readonly reason: string | null };

/** Error codes of the API that a token can change. */
const TOKEN_CODES: ReadonlySet<string> = new Set(['token-required', 'not-allowed', 'too-many']);

/** Asks a page's own gateway for its streams. */
export function fetchStreams(token: string | null): Promise<Answer<readonly StreamStatus[]>> {
  return ask('api/streams', token);
}

/** Asks a page's own gateway what the owner of a token may do. */
export function fetchRights(token: string | null): Promise<Answer<RightsStatus>> {
  return ask('api/rights', token);
}

/** The header that sends a token to the API. */
export function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

async function ask<T>(path: string, token: string | null): Promise<Answer<T>> {
  try {
    const response = await fetch(path, { headers: authorization(token) });
    if (response.ok) return { kind: 'ok', value: (await response.json()) as T };
    const { code, message }: { code?: unknown; message?: unknown } = await response.json().catch(() => ({}));
    // A proxy whose gateway is gone answers with a page of its own.
    if (typeof code !== 'string' || typeof message !== 'string') return { kind: 'gone', reason: `the proxy in front of the gateway answers with status ${response.status}` };
    return { kind: TOKEN_CODES.has(code) ? 'token' : 'gone', reason: message };
  } catch {
    // fetch fails when nobody listens: said on the page, and tried again.
    return { kind: 'gone', reason: null };
  }
}
