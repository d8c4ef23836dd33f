import type { Logger } from '../../shared/logger.ts';
import { Renditions } from '../clients/renditions.ts';
import { Encoders, VideoEncodings } from '../clients/web/video-encodings.ts';
import { OTHER_GATEWAYS } from '../hub/shares.ts';
import { nowUs } from '../hub/clock.ts';
import type { Stream } from '../hub/stream.ts';
import type { LocalRenditions, RemoteRenditions } from '../renditions/rendition.ts';
import type { Thumbnail } from '../renditions/thumbnail.ts';
import { PerStream } from './per-stream.ts';
import { Snapshots } from './snapshots.ts';

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
  readonly snapshots = new Snapshots();
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
      video: (step) => videos.local(step, OTHER_GATEWAYS),
      jpeg: (frame, step) => (pictures.kindOf(frame) === 'pictures' ? pictures.scaledHere(frame, step) : null),
    };
  }

  /**
   * A small picture of the latest frame for another gateway of the cluster. @returns null if there is no frame, it cannot
   * be shown, or too many pictures are being encoded.
   */
  async thumbnail(stream: Stream, width: number): Promise<Thumbnail | null> {
    const { latest } = stream;
    if (latest === null) return null;
    try {
      const jpeg = await this.snapshots.get(latest, { format: 'jpg', width }, this.pictures.of(stream), OTHER_GATEWAYS);
      return { sequence: latest.sequence, ageUs: Math.max(0, nowUs() - latest.receivedAtUs), jpeg };
    } catch {
      return null;
    }
  }

  /** Ends all encoders. Idempotent. */
  close(): void {
    this.#encoders.close();
  }
}
