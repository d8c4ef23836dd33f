import type { StreamStatus } from '../shared/status.ts';

/** How the gateway answers. `gone`: nobody listens; `token`: it asks for one, or for another. */
export type Answer = { readonly kind: 'ok'; readonly streams: readonly StreamStatus[] } | { readonly kind: 'token' } | { readonly kind: 'gone' };

/** Asks a page's own gateway for its streams. */
export async function fetchStreams(token: string | null): Promise<Answer> {
  try {
    const response = await fetch('api/streams', { headers: authorization(token) });
    if (response.status === 401) return { kind: 'token' };
    return response.ok ? { kind: 'ok', streams: (await response.json()) as StreamStatus[] } : { kind: 'gone' };
  } catch {
    // fetch fails when nobody listens: said on the page, and tried again.
    return { kind: 'gone' };
  }
}

/** What shows a token to the API. */
export function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
