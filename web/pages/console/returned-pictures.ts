import { runInBackground } from '../../background.ts';
import type { ClientStatus } from '../../../shared/status.ts';
import type { Api } from './api.ts';
import { readReturned } from './returned.ts';

/** Pixels of a picture in the table, on a screen with two of them to a CSS pixel. */
const SMALL_WIDTH = 192;

/** A picture is asked for at most so often. */
const INTERVAL_MS = 950;

interface Entry {
  /** Of the data that the picture is of, or will be as soon as it is here. */
  version: number;
  askedAtMs: number;
  isAsked: boolean;
  width: number | null;
  /** null: it cannot be looked at, or not yet. */
  url: string | null;
}

/** The pictures that a stream's clients return. Each is fetched when its data has changed, and its memory freed when the next one is here. */
export class ReturnedPictures {
  readonly #api: Api;
  readonly #changed: () => void;
  readonly #entries = new Map<string, Entry>();
  #stream = '';
  #large: string | null = null;

  constructor(api: Api, changed: () => void) {
    this.#api = api;
    this.#changed = changed;
  }

  /** The address of the picture that this client returns; null when there is none. */
  of(client: string): string | null {
    return this.#entries.get(client)?.url ?? null;
  }

  /** This client's is wanted as large as it is; null: nobody's. Takes effect with the next {@link show}. */
  enlarge(client: string | null): void {
    this.#large = client;
  }

  /** What the clients return now, as often as the API says it. */
  show(stream: string, clients: readonly ClientStatus[]): void {
    if (stream !== this.#stream) this.#forget(new Set());
    this.#stream = stream;
    const now = performance.now();
    const there = new Set<string>();
    for (const { id, returnData } of clients) {
      const returned = readReturned(returnData);
      if (returned.kind !== 'array' || !returned.isPicture) continue;
      there.add(id);
      const width = id === this.#large ? null : SMALL_WIDTH;
      const entry = this.#entries.get(id) ?? { version: -1, askedAtMs: -Infinity, isAsked: false, width, url: null };
      this.#entries.set(id, entry);
      const isKnown = entry.version === returned.version && (entry.width === null || entry.width === width);
      const isTooSoon = now - entry.askedAtMs < INTERVAL_MS && entry.width === width;
      if (!isKnown && !isTooSoon && !entry.isAsked) runInBackground(this.#fetch(id, Object.assign(entry, { version: returned.version, askedAtMs: now, isAsked: true, width })), () => Object.assign(entry, { version: -1, isAsked: false }));
    }
    this.#forget(there);
  }

  async #fetch(id: string, entry: Entry): Promise<void> {
    const picture = await this.#api.returnedPicture(this.#stream, id, entry.width);
    entry.isAsked = false;
    if (this.#entries.get(id) !== entry) return;
    if (picture === undefined) {
      entry.version = -1;
      return;
    }
    const previous = entry.url;
    entry.url = picture === null ? null : URL.createObjectURL(picture);
    this.#changed();
    if (previous !== null) URL.revokeObjectURL(previous);
  }

  #forget(there: ReadonlySet<string>): void {
    for (const [id, { url }] of this.#entries) {
      if (there.has(id)) continue;
      if (url !== null) URL.revokeObjectURL(url);
      this.#entries.delete(id);
    }
  }
}
