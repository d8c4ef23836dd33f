import type { FrameHeader } from '../../shared/frame.ts';
import type { Value } from '../../shared/protocol.ts';

/** What a source hands to its stream. The payload's memory becomes the stream's: never write to it again. */
export interface FrameInput extends Pick<FrameHeader, 'width' | 'height' | 'encoding' | 'capturedAtUs'> {
  readonly payload: Uint8Array;
  /** The data that the server sends along with the frame; null when there is none. */
  readonly message: Value;
  /** The header as the NetGear server wrote it, so that it reaches native clients byte for byte; null when the frame came otherwise. */
  readonly wireHeader: string | null;
  /**
   * Whether the JPEG comes from an encoder whose output a NetGear peer can decode: a NetGear server, or the gateway itself. Any other JPEG is
   * decoded once before the first NetGear client gets it. Of no account for raw frames. Default false.
   */
  readonly isTrusted?: boolean;
  /** Called at most once, with the result of that decoding; never for a frame that no NetGear client was to get. */
  readonly onVerified?: ((isGood: boolean) => void) | undefined;
}

/** A frame of a stream, shared by all clients. */
export interface Frame extends FrameInput, FrameHeader {}
