import type { Stream } from '../hub/stream.ts';

/** A value of each stream, created when it is first requested and released with the stream. */
export class PerStream<T extends object> {
  readonly #streams: ReadonlyMap<string, { readonly stream: Stream }>;
  readonly #create: (stream: Stream) => T;
  readonly #values = new WeakMap<Stream, T>();

  constructor(streams: ReadonlyMap<string, { readonly stream: Stream }>, create: (stream: Stream) => T) {
    this.#streams = streams;
    this.#create = create;
  }

  /** @returns undefined if there is no stream of this name. */
  get(name: string): T | undefined {
    const stream = this.#streams.get(name)?.stream;
    return stream === undefined ? undefined : this.of(stream);
  }

  of(stream: Stream): T {
    const value = this.#values.get(stream) ?? this.#create(stream);
    this.#values.set(stream, value);
    return value;
  }
}
