import type { Renditions } from '../clients/renditions.ts';
import { type Encoders, VideoEncodings } from '../clients/web/video-encodings.ts';
import type { Stream } from '../hub/stream.ts';

/**
 * The H.264 encodings of each stream, created when they are first requested and released with the stream. Their encoders
 * end with their last viewer.
 */
export class StreamVideos {
  readonly #streams: ReadonlyMap<string, { readonly stream: Stream }>;
  readonly #renditions: Pick<ReadonlyMap<string, Renditions>, 'get'>;
  readonly #encoders: Encoders;
  readonly #log: (message: string) => void;
  readonly #videos = new WeakMap<Stream, VideoEncodings>();

  /** @param encoders of the whole gateway. */
  constructor(streams: ReadonlyMap<string, { readonly stream: Stream }>, renditions: Pick<ReadonlyMap<string, Renditions>, 'get'>, encoders: Encoders, log: (message: string) => void) {
    this.#streams = streams;
    this.#renditions = renditions;
    this.#encoders = encoders;
    this.#log = log;
  }

  /** @returns undefined if there is no stream of this name. */
  get(name: string): VideoEncodings | undefined {
    const stream = this.#streams.get(name)?.stream;
    const renditions = this.#renditions.get(name);
    if (stream === undefined || renditions === undefined) return undefined;
    let video = this.#videos.get(stream);
    if (video === undefined) {
      video = new VideoEncodings(stream, (frame) => renditions.jpeg(frame), this.#encoders, (message) => this.#log(`stream ${name}: ${message}`));
      this.#videos.set(stream, video);
    }
    return video;
  }
}
