import type { FrameHeader } from '../../shared/frame.ts';
import type { RenditionHeader, Value, VideoEncodingHeader } from '../../shared/protocol.ts';
import type { Frame, FrameOutline } from '../hub/frame.ts';
import type { JpegStep, VideoStep } from './ladder.ts';

/** A frame in a step of the ladder. Number, times, size and message are those of the source's frame. */
export interface RenditionFrame extends Omit<FrameHeader, 'encoding'> {
  readonly encoding: { readonly kind: 'jpeg' } | VideoEncodingHeader;
  readonly message: Value;
  readonly rendition: RenditionHeader;
  /** Shared memory: never write to it. */
  readonly payload: Uint8Array;
}

/** A frame as H.264: one access unit. */
export interface VideoChunk extends RenditionFrame {
  readonly encoding: VideoEncodingHeader;
}

/** Receiver of an encoding. Calls must not block or throw. */
export interface VideoSubscriber {
  /** Address for which it counts, as returned by `addressKey`. */
  readonly address: string;
  chunk(chunk: VideoChunk): void;
  /** Called when the chunks are interrupted. They continue with a key frame. */
  interrupted(): void;
}

/** H.264 of one stream and step, encoded once for all subscribers, here or by another gateway. */
export interface SharedEncoding {
  /** Whether the encoder skips most frames because it is too slow; undefined if another gateway encodes. */
  readonly isSlow?: boolean;
  /** Sends the chunks from the next key frame on, which is requested. */
  subscribe(subscriber: VideoSubscriber): void;
  /** Ends a subscription. The encoder ends some time after the last one. */
  unsubscribe(subscriber: VideoSubscriber): void;
  /** Requests a key frame. Several requests within half a second get one. */
  requestKey(): void;
}

/** The renditions of a stream that this gateway creates. */
export interface LocalRenditions {
  /** @returns null if H.264 cannot be encoded, or too many encoders run. Subscribe immediately. */
  video(step: VideoStep): SharedEncoding | null;
  /** @returns null if no renditions of the frame may be created. Rejects if it cannot be decoded. */
  jpeg(frame: Frame, step: JpegStep): Promise<RenditionFrame> | null;
}

/** The renditions of a stream that another gateway of the cluster creates for all gateways. */
export interface RemoteRenditions {
  /** Whether another gateway encodes H.264, as far as is known. */
  readonly hasVideo: boolean;
  /** @returns null if this gateway has to encode it. */
  video(step: VideoStep): SharedEncoding | null;
  /** Whether the JPEGs of this step arrive, or are expected to soon, so that no pictures are needed to scale. */
  hasJpegs(step: JpegStep): boolean;
  /**
   * @returns null if this gateway has to scale the frame. The promise never rejects: `skipped` if the other gateway has
   * skipped the frame, because a newer one has arrived; `missing` if it did not send it in time.
   */
  jpeg(frame: FrameOutline, step: JpegStep): Promise<RenditionFrame | 'skipped' | 'missing'> | null;
}
