const KEY = 'gearway-token';

/** The token that was entered in this tab; it never stands in the page's address. */
export function loadToken(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage is forbidden: the user is asked again after a reload
  }
}

/** @param token null forgets it. */
export function saveToken(token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // As above.
  }
}

/**
 * Takes the administrator key out of the page's address, `#key=…`, where the gateway prints it: a fragment is never sent, and the key shall not stay
 * in the address bar or in the history.
 *
 * @returns null where there is none.
 */
export function takeKey(): string | null {
  const key = new URLSearchParams(location.hash.slice(1)).get('key');
  if (key === null) return null;
  history.replaceState(history.state, '', location.pathname + location.search);
  return key === '' ? null : key;
}
