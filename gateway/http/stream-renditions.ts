import { Renditions } from '../clients/renditions.ts';
import type { Stream } from '../hub/stream.ts';

/** The renditions of each stream, created when they are first requested and released with the stream. */
export class StreamRenditions {
  readonly #streams: ReadonlyMap<string, { readonly stream: Stream }>;
  readonly #withoutRenditions: ReadonlySet<string>;
  readonly #renditions = new WeakMap<Stream, Renditions>();

  /** @param withoutRenditions names of the streams of which no renditions are made. */
  constructor(streams: ReadonlyMap<string, { readonly stream: Stream }>, withoutRenditions: ReadonlySet<string>) {
    this.#streams = streams;
    this.#withoutRenditions = withoutRenditions;
  }

  /** @returns undefined if there is no stream of this name. */
  get(name: string): Renditions | undefined {
    const stream = this.#streams.get(name)?.stream;
    if (stream === undefined) return undefined;
    let renditions = this.#renditions.get(stream);
    if (renditions === undefined) this.#renditions.set(stream, (renditions = new Renditions({ isEnabled: !this.#withoutRenditions.has(name) })));
    return renditions;
  }
}
