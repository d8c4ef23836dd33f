import type { SessionStatus } from '../../../shared/status.ts';
import { saveToken } from './page-token.ts';
import { type Answer, request } from './streams.ts';

/** The credentials that the user has entered. */
export type Credential = { readonly token: string } | { readonly name: string; readonly password: string };

/** Result of a log-in. `token` must be sent with each request; null: the browser sends the cookie of the session. */
type LogInResult =
  | { readonly ok: true; readonly token: string | null }
  | { readonly ok: false; readonly reason: string };

const NO_ANSWER = 'the gateway does not answer';

/** The user who is logged in by the cookie, and the credentials for which a log-in form should ask. */
export function fetchSession(): Promise<Answer<SessionStatus>> {
  return request('api/session');
}

/**
 * Logs in. The gateway sets a cookie that scripts cannot read. In a frame of another site, browsers do not keep the
 * cookie: there, a token is kept for the tab instead.
 *
 * @param right right that the log-in must grant. Default: any.
 */
export async function logIn(credential: Credential, right?: string): Promise<LogInResult> {
  const answer = await request<SessionStatus>('api/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...credential, ...(right === undefined ? {} : { right }) }),
  });
  if (answer.kind !== 'ok') return { ok: false, reason: answer.reason ?? NO_ANSWER };
  const check = await fetchSession();
  if (check.kind !== 'ok') return { ok: false, reason: check.reason ?? NO_ANSWER };
  const hasCookie = check.value.user !== null;
  if (!hasCookie && !('token' in credential))
    return { ok: false, reason: 'this browser does not keep the cookie of the session here; log in with a token' };
  const token = hasCookie || !('token' in credential) ? null : credential.token;
  saveToken(token);
  return { ok: true, token };
}

/** Logs out, in all tabs. @returns null, or the reason for the failure. */
export async function logOut(): Promise<string | null> {
  saveToken(null);
  const answer = await request('api/session', { method: 'DELETE' });
  return answer.kind === 'ok' ? null : (answer.reason ?? NO_ANSWER);
}
