import { runInBackground } from '../../background.ts';
import type { StreamStatus } from '../../../shared/status.ts';
import type { Api } from '../console/api.ts';

/** Width of a thumbnail, for screens with two device pixels per CSS pixel. */
const WIDTH = 640;

/** Minimum interval between two pictures of one stream. */
const INTERVAL_MS = 1000;

/**
 * Maximum number of concurrent requests. The gateway encodes only a few pictures at the same time, for all its users.
 */
const MAX_REQUESTS = 2;

const CHECK_MS = 250;

interface Thumbnail {
  url: string | null;
  requestedAtMs: number;
  /** Sequence number of the picture, so that the same picture is not fetched again. */
  sequence: number;
  isVisible: boolean;
  isPending: boolean;
}

/** Pictures of streams, about one per second and stream. Only pictures for tiles on screen are fetched. */
export class Thumbnails {
  readonly #api: Api;
  readonly #onChange: () => void;
  readonly #thumbnails = new Map<string, Thumbnail>();
  readonly #observer: IntersectionObserver;
  #streams: readonly StreamStatus[] = [];
  #requests = 0;

  /** Runs for as long as the page exists. */
  constructor(api: Api, onChange: () => void) {
    this.#api = api;
    this.#onChange = onChange;
    this.#observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.#of(nameOf(target)).isVisible = isIntersecting;
    });
    setInterval(() => this.#fetchNext(), CHECK_MS);
  }

  /** Address of a stream's picture; null before the first one. It is revoked when the next one is loaded. */
  url(stream: string): string | null {
    return this.#thumbnails.get(stream)?.url ?? null;
  }

  /** Observes an element with the attribute `data-stream`: its stream's picture is fetched while it is on screen. */
  observe(element: Element): void {
    this.#observer.observe(element);
  }

  /** The current streams. */
  update(streams: readonly StreamStatus[]): void {
    this.#streams = streams;
    for (const [name, { url }] of this.#thumbnails) {
      if (streams.some((stream) => stream.name === name)) continue;
      if (url !== null) URL.revokeObjectURL(url);
      this.#thumbnails.delete(name);
    }
  }

  #of(name: string): Thumbnail {
    const known = this.#thumbnails.get(name);
    if (known !== undefined) return known;
    const created: Thumbnail = {
      url: null,
      requestedAtMs: -Infinity,
      sequence: -1,
      isVisible: false,
      isPending: false,
    };
    this.#thumbnails.set(name, created);
    return created;
  }

  /** Fetches the pictures that are due, least recently fetched first, as far as the limit allows. */
  #fetchNext(): void {
    if (document.hidden) return;
    const now = performance.now();
    const due = this.#streams
      .filter((stream) => hasPicture(stream))
      .map(({ name, frame }) => ({ name, sequence: frame?.sequence ?? -1, thumbnail: this.#of(name) }))
      .filter(
        ({ sequence, thumbnail }) =>
          thumbnail.isVisible &&
          !thumbnail.isPending &&
          sequence !== thumbnail.sequence &&
          now - thumbnail.requestedAtMs >= INTERVAL_MS,
      )
      .sort((a, b) => a.thumbnail.requestedAtMs - b.thumbnail.requestedAtMs);
    for (const { name, thumbnail } of due.slice(0, MAX_REQUESTS - this.#requests)) {
      thumbnail.requestedAtMs = now;
      runInBackground(this.#fetch(name, thumbnail));
    }
  }

  async #fetch(name: string, thumbnail: Thumbnail): Promise<void> {
    this.#requests += 1;
    thumbnail.isPending = true;
    try {
      const picture = await this.#api.snapshot(name, WIDTH);
      if (picture === null || this.#thumbnails.get(name) !== thumbnail) return;
      const previous = thumbnail.url;
      thumbnail.url = URL.createObjectURL(picture.image);
      thumbnail.sequence = picture.sequence;
      this.#onChange();
      if (previous !== null) URL.revokeObjectURL(previous);
    } finally {
      this.#requests -= 1;
      thumbnail.isPending = false;
    }
    // Another picture may be due.
    this.#fetchNext();
  }
}

/**
 * Whether a snapshot can be requested. A snapshot of a suspended source would start its camera. If the source runs at
 * another gateway, the snapshot is made there, without sending frames to this gateway.
 */
function hasPicture({ state, frame, showable, source, gateway }: StreamStatus): boolean {
  if (frame === null || showable === false) return false;
  return source.state === 'asleep' ? state === 'live' && gateway?.isHere === false : state !== 'waiting';
}

function nameOf(element: Element): string {
  return element.getAttribute('data-stream') ?? '';
}
