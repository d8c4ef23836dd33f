/**
 * Stored key of a port lease, which survives a reload of the page in the same tab. Duplicating a tab copies the keys;
 * the gateway then notifies the first tab. Viewers of one page that request the same port of the same stream use
 * separate slots, in the order in which they are opened.
 */
export interface StoredLease {
  readonly key: string | null;
  save(key: string | null): void;
  /** Frees the slot for another viewer of this page. The key stays. */
  release(): void;
}

const inUse = new Set<string>();

/** Claims the first slot that no other viewer of this page uses. */
export function claimLease(stream: string, port: number | null): StoredLease {
  let index = 0;
  const name = (): string => `gearway-lease ${stream} ${port ?? 'any'}${index === 0 ? '' : ` ${index}`}`;
  while (inUse.has(name())) index += 1;
  const slot = name();
  inUse.add(slot);
  return {
    get key() {
      return load(slot);
    },
    save: (key) => save(slot, key),
    release: () => {
      inUse.delete(slot);
    },
  };
}

function load(slot: string): string | null {
  try {
    return sessionStorage.getItem(slot);
  } catch {
    return null; // Storage is blocked: after a reload, the viewer gets another port.
  }
}

function save(slot: string, key: string | null): void {
  try {
    if (key === null) sessionStorage.removeItem(slot);
    else sessionStorage.setItem(slot, key);
  } catch {
    // Storage is blocked, as above.
  }
}
