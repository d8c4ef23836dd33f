/** Keeps the lease's key over a reload of the page, for this tab alone. A duplicated tab copies it: the gateway tells the first one. */
export function loadLease(stream: string, port: number | null): string | null {
  try {
    return sessionStorage.getItem(name(stream, port));
  } catch {
    return null; // storage is forbidden here: a reload gets another port
  }
}

export function saveLease(stream: string, port: number | null, key: string | null): void {
  try {
    if (key === null) sessionStorage.removeItem(name(stream, port));
    else sessionStorage.setItem(name(stream, port), key);
  } catch {
    // As above.
  }
}

function name(stream: string, port: number | null): string {
  return `gearway-lease ${stream} ${port ?? 'any'}`;
}
