import type { RightsStatus, StreamStatus } from '../../../shared/status.ts';

/**
 * Response of the gateway. `token`: it requires a token, or refuses the one that was sent. `gone`: the gateway does not
 * respond, or the gateway or a proxy refuses the request for this `reason`.
 */
export type Answer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'token'; readonly reason: string }
  | { readonly kind: 'gone'; readonly reason: string | null };

/** Error codes of the API that another token may resolve. */
const TOKEN_CODES: ReadonlySet<string> = new Set(['token-required', 'not-allowed', 'too-many']);

/** Whether a stream can accept publishers here: a gateway of a cluster accepts them for the sources that it runs. */
export function acceptsPublishers({
  source,
  gateway,
}: Pick<StreamStatus, 'gateway'> & { readonly source: Pick<StreamStatus['source'], 'kind'> }): boolean {
  return source.kind === 'push' && gateway?.isHere !== false;
}

/** Requests the streams of the gateway that serves this page. */
export function fetchStreams(token: string | null): Promise<Answer<readonly StreamStatus[]>> {
  return request('api/streams', { headers: authorization(token) });
}

/** Requests the rights that a token grants. */
export function fetchRights(token: string | null): Promise<Answer<RightsStatus>> {
  return request('api/rights', { headers: authorization(token) });
}

/** The header with the token, for the API. */
export function authorization(token: string | null): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** Sends a request to the gateway that serves this page. */
export async function request<T>(path: string, init: RequestInit = {}): Promise<Answer<T>> {
  try {
    const response = await fetch(path, init);
    if (response.ok) return { kind: 'ok', value: (await response.json()) as T };
    const { code, message }: { code?: unknown; message?: unknown } = await response.json().catch(() => ({}));
    // A proxy whose gateway does not respond sends its own page.
    if (typeof code !== 'string' || typeof message !== 'string') {
      const reason = `the proxy in front of the gateway answers with status ${response.status}`;
      return { kind: 'gone', reason };
    }
    return { kind: TOKEN_CODES.has(code) ? 'token' : 'gone', reason: message };
  } catch {
    // The connection failed. The page reports this, and retries.
    return { kind: 'gone', reason: null };
  }
}
