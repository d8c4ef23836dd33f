import { runInBackground } from '../../background.ts';
import type { ClientStatus } from '../../../shared/status.ts';
import type { Api } from './api.ts';
import { describeReturnData } from './return-description.ts';

/** Width of an image in the table, for screens with two device pixels per CSS pixel. */
const THUMBNAIL_WIDTH = 192;

/** Minimum interval between requests for one client. */
const INTERVAL_MS = 950;

interface Entry {
  /** Version of the data that the image shows, or that is being fetched. */
  version: number;
  requestedAtMs: number;
  isPending: boolean;
  width: number | null;
  /** Address of the image; null if the data cannot be shown, or is not loaded yet. */
  url: string | null;
}

/** Return data of a stream's clients, as images. Each is fetched when its data has changed. */
export class ReturnImages {
  readonly #api: Api;
  readonly #stream: string;
  readonly #onChange: () => void;
  readonly #entries = new Map<string, Entry>();
  #enlarged: string | null = null;

  constructor(api: Api, stream: string, onChange: () => void) {
    this.#api = api;
    this.#stream = stream;
    this.#onChange = onChange;
  }

  /** Address of a client's image; null if there is none. It is revoked when the next image is loaded. */
  of(client: string): string | null {
    return this.#entries.get(client)?.url ?? null;
  }

  /** Loads this client's image in its original size; null for none. Takes effect with the next {@link update}. */
  enlarge(client: string | null): void {
    this.#enlarged = client;
  }

  /** Updates the images for the current clients, as reported by the API. */
  update(clients: readonly ClientStatus[]): void {
    const ids = new Set<string>();
    for (const { id, returnData } of clients) {
      const data = describeReturnData(returnData);
      if (data.kind !== 'array' || !data.isImage) continue;
      ids.add(id);
      this.#refresh(id, data.version);
    }
    this.#removeExcept(ids);
  }

  #refresh(id: string, version: number): void {
    const nowMs = performance.now();
    const width = id === this.#enlarged ? null : THUMBNAIL_WIDTH;
    const empty: Entry = { version: -1, requestedAtMs: -Infinity, isPending: false, width, url: null };
    const entry = this.#entries.get(id) ?? empty;
    this.#entries.set(id, entry);
    const isCurrent = entry.version === version && (entry.width === null || entry.width === width);
    const isTooSoon = nowMs - entry.requestedAtMs < INTERVAL_MS && entry.width === width;
    if (isCurrent || isTooSoon || entry.isPending) return;
    Object.assign(entry, { version, requestedAtMs: nowMs, isPending: true, width });
    runInBackground(this.#fetch(id, entry), () => Object.assign(entry, { version: -1, isPending: false }));
  }

  async #fetch(id: string, entry: Entry): Promise<void> {
    const image = await this.#api.returnImage(this.#stream, id, entry.width);
    entry.isPending = false;
    if (this.#entries.get(id) !== entry) return;
    if (image === undefined) {
      entry.version = -1;
      return;
    }
    const previous = entry.url;
    entry.url = image === null ? null : URL.createObjectURL(image);
    this.#onChange();
    if (previous !== null) URL.revokeObjectURL(previous);
  }

  #removeExcept(ids: ReadonlySet<string>): void {
    for (const [id, { url }] of this.#entries) {
      if (ids.has(id)) continue;
      if (url !== null) URL.revokeObjectURL(url);
      this.#entries.delete(id);
    }
  }
}
