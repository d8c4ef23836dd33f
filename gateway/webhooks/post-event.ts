import { systemErrorText } from '../../shared/system-errors.ts';

/** Result of one attempt to deliver an event. */
export type Outcome =
  | { readonly kind: 'delivered' }
  /** The receiver has refused this event permanently. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Another attempt may succeed, not before `retryAfterMs`. */
  | { readonly kind: 'unavailable'; readonly reason: string; readonly retryAfterMs: number };

/** Statuses below 500 after which the event is sent again: Request Timeout, Too Early, Too Many Requests. */
const RETRIED: ReadonlySet<number> = new Set([408, 425, 429]);

/** Maximum wait that a receiver can request by `Retry-After`. */
const MAX_RETRY_AFTER_MS = 60_000;

interface Post {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Ends the attempt. */
  readonly signal: AbortSignal;
}

/**
 * Posts JSON. Does not follow redirects, because they could lead to another host, and does not read the body of the
 * response. Reasons are sentences without the URL, which may contain a secret. Never rejects.
 */
export async function postEvent({ url, body, headers, timeoutMs, signal }: Post): Promise<Outcome> {
  const unavailable = (reason: string, retryAfterMs = 0): Outcome => ({ kind: 'unavailable', reason, retryAfterMs });
  const attempt = new AbortController();
  const abort = (): void => attempt.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal.addEventListener('abort', abort);
  try {
    if (signal.aborted) return unavailable('the gateway stops');
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', 'user-agent': 'gearway', ...headers },
      body,
      signal: attempt.signal,
    });
    // Frees the connection, even if the response has no end.
    await response.body?.cancel().catch(() => undefined);
    const { ok, status } = response;
    if (ok) return { kind: 'delivered' };
    if (status >= 500 || RETRIED.has(status))
      return unavailable(`the receiver answered ${status}`, retryAfterMs(response.headers.get('retry-after')));
    const remedy = status < 400 ? '; redirects are not followed, so set url to the new address' : '';
    return { kind: 'refused', reason: `the receiver answered ${status}${remedy}` };
  } catch (error) {
    if (signal.aborted) return unavailable('the gateway stops');
    if (attempt.signal.aborted) return unavailable(`the receiver has not answered within ${timeoutMs / 1000} s`);
    // fetch() reports only that it has failed; its cause is the error of the socket.
    return unavailable(systemErrorText(error instanceof Error && error.cause instanceof Error ? error.cause : error));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

function retryAfterMs(header: string | null): number {
  return header !== null && /^\d{1,9}$/.test(header) ? Math.min(Number(header) * 1000, MAX_RETRY_AFTER_MS) : 0;
}
