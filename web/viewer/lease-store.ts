/**
 * Keeps the keys of leases over a reload of the page, for this tab alone. A duplicated tab copies them: the gateway then
 * tells the first one. Viewers of one page that ask for the same each have a place of their own, in the order of their opening.
 */
export interface StoredLease {
  readonly key: string | null;
  save(key: string | null): void;
  /** Another viewer of this page may use the place from now on; the key stays. */
  release(): void;
}

const inUse = new Set<string>();

/** Takes the first place that no viewer of this page has. */
export function claimLease(stream: string, port: number | null): StoredLease {
  let index = 0;
  const name = (): string => `gearway-lease ${stream} ${port ?? 'any'}${index === 0 ? '' : ` ${index}`}`;
  while (inUse.has(name())) index += 1;
  const place = name();
  inUse.add(place);
  return {
    get key() {
      return load(place);
    },
    save: (key) => save(place, key),
    release: () => {
      inUse.delete(place);
    },
  };
}

function load(place: string): string | null {
  try {
    return sessionStorage.getItem(place);
  } catch {
    return null; // storage is forbidden here: a reload gets another port
  }
}

function save(place: string, key: string | null): void {
  try {
    if (key === null) sessionStorage.removeItem(place);
    else sessionStorage.setItem(place, key);
  } catch {
    // As above.
  }
}
