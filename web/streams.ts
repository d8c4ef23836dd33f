import type { StreamStatus } from '../shared/status.ts';

/** How the gateway answers. `gone`: it does not, or refuses, with the `reason` that it or a proxy gives; `token`: it asks for one, or for another. */
export type Answer = { readonly kind: 'ok'; readonly streams: readonly StreamStatus[] } | { readonly kind: 'token' } | { readonly kind: 'gone'; readonly reason: string | null };

/** Asks a page's own gateway for its streams. */
export async function fetchStreams(token: string | null): Promise<Answer> {
  try {
    const response = await fetch('api/streams', { headers: authorization(token) });
    if (response.status === 401) return { kind: 'token' };
    return response.ok ? { kind: 'ok', streams: (await response.json()) as StreamStatus[] } : { kind: 'gone', reason: await reasonOf(response) };
  } catch {
    // fetch fails when nobody listens: said on the page, and tried again.
    return { kind: 'gone', reason: null };
  }
}

/** The sentence in a refusal of the gateway. A proxy whose gateway is gone answers with a page of its own. */
async function reasonOf(response: Response): Promise<string> {
  const { message }: { message?: unknown } = await response.json().catch(() => ({}));
  return typeof message === 'string' ? message : `the proxy in front of the gateway answers with status ${response.status}`;
}

/** What shows a token to the API. */
export function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
