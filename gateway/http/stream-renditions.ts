import type { Logger } from '../../shared/logger.ts';
import { Renditions } from '../clients/renditions.ts';
import { Encoders, VideoEncodings } from '../clients/web/video-encodings.ts';
import type { Stream } from '../hub/stream.ts';
import type { LocalRenditions, RemoteRenditions } from '../renditions/rendition.ts';
import { PerStream } from './per-stream.ts';

interface StreamRenditionsOptions {
  /** May change. */
  readonly streams: ReadonlyMap<
    string,
    { readonly stream: Stream; readonly remoteRenditions?: RemoteRenditions | null }
  >;
  /** Names of the streams without renditions. May change for streams that are added later. */
  readonly withoutRenditions: ReadonlySet<string>;
  readonly log: Logger;
}

/** The renditions of all streams of the gateway. The creator closes them. */
export class StreamRenditions {
  readonly pictures: PerStream<Renditions>;
  readonly videos: PerStream<VideoEncodings>;
  readonly #encoders = new Encoders();

  constructor({ streams, withoutRenditions, log }: StreamRenditionsOptions) {
    const remoteOf = ({ name }: Stream): RemoteRenditions | null => streams.get(name)?.remoteRenditions ?? null;
    this.pictures = new PerStream(
      streams,
      (stream) => new Renditions({ isEnabled: !withoutRenditions.has(stream.name), remote: remoteOf(stream) }),
    );
    this.videos = new PerStream(
      streams,
      (stream) =>
        new VideoEncodings(
          stream,
          (frame) => this.pictures.of(stream).jpeg(frame),
          this.#encoders,
          log.child({ stream: stream.name }),
          remoteOf(stream),
        ),
    );
  }

  /** @returns null if this gateway makes no renditions of the stream. */
  local(stream: Stream): LocalRenditions | null {
    const pictures = this.pictures.of(stream);
    if (!pictures.isEnabled) return null;
    const videos = this.videos.of(stream);
    return {
      video: (step) => videos.local(step),
      jpeg: (frame, step) => (pictures.kindOf(frame) === 'pictures' ? pictures.scaledHere(frame, step) : null),
    };
  }

  /** Ends all encoders. Idempotent. */
  close(): void {
    this.#encoders.close();
  }
}
