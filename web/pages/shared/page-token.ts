const KEY = 'gearway-token';

/**
 * The token that was entered in this tab, if the browser does not keep the cookie of the session. The token is never
 * part of the page's address.
 */
export function loadToken(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // Storage is blocked: the user must enter the token again after a reload.
  }
}

/**
 * The token in the page's address, `#token=…`, as in share links. Browsers do not send the fragment. The token stays in
 * the address, so that the page can be reloaded and bookmarked.
 */
export function tokenOfAddress(): string | null {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  return token === '' ? null : token;
}

/** @param token null removes it. */
export function saveToken(token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // Storage is blocked, as above.
  }
}

/**
 * Removes the administrator key from the page's address, `#key=…`, which the gateway prints. Browsers do not send the
 * fragment, and the key must not stay in the address bar or the history.
 *
 * @returns null if there is none.
 */
export function takeKey(): string | null {
  const key = new URLSearchParams(location.hash.slice(1)).get('key');
  if (key === null) return null;
  history.replaceState(history.state, '', location.pathname + location.search);
  return key === '' ? null : key;
}
