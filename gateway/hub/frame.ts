import type { FrameHeader } from '../../shared/frame.ts';
import type { Value } from '../../shared/protocol.ts';
import type { Orientation } from '../codecs/exif-orientation.ts';

/** Size of a picture, in pixels. */
export interface FrameSize {
  readonly width: number;
  readonly height: number;
}

/** Number and time of a frame that has arrived. */
export interface Arrival {
  readonly sequence: number;
  /** Unix time in microseconds. */
  readonly receivedAtUs: number;
}

/** A frame as a source publishes it. The stream takes ownership of the payload: never write to it again. */
export interface FrameInput extends Pick<FrameHeader, 'width' | 'height' | 'encoding' | 'capturedAtUs'> {
  readonly payload: Uint8Array;
  /**
   * EXIF orientation of a JPEG, by which it must be rotated to be upright. Sources may publish such frames; streams
   * only have upright ones. Default 1, upright.
   */
  readonly orientation?: Orientation;
  /** Data that the server sent with the frame; null if there is none. */
  readonly message: Value;
  /**
   * The NetGear server's header text, forwarded unmodified to native clients; null if the frame did not come from one.
   */
  readonly wireHeader: string | null;
  /**
   * Whether the JPEG comes from an encoder whose output a NetGear peer can decode: a NetGear server, or the gateway
   * itself. Any other JPEG is decoded once before the first NetGear client gets it. Ignored for raw frames. Default
   * false.
   */
  readonly isTrusted?: boolean;
  /** Number and time of a frame that another gateway has numbered. Default: the next number, and the current time. */
  readonly arrival?: Arrival;
  /** Called at most once, with the result of that decoding; not called if no NetGear client needed the frame. */
  readonly onVerified?: ((isGood: boolean) => void) | undefined;
}

/** A frame of a stream, shared by all clients. */
export interface Frame extends FrameInput, FrameHeader {}

/**
 * A frame whose picture may not be here: in a cluster, a gateway does not receive the picture if all of its viewers get
 * renditions from the owner.
 */
export interface FrameOutline extends Pick<Frame, 'sequence' | 'receivedAtUs' | 'width' | 'height' | 'encoding'> {
  /** Only the size of the picture. */
  readonly payload: Pick<Uint8Array, 'byteLength'>;
}

/** Whether the picture of a frame is here. */
export function hasPicture(frame: FrameOutline): frame is Frame {
  return frame.payload instanceof Uint8Array;
}
