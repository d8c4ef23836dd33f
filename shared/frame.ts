/** How a frame's payload is to be read. */
export type Encoding =
  | { readonly kind: 'jpeg' }
  /** C-contiguous samples. `shape` is `[height, width]` or `[height, width, channels]`; three and four channels are BGR and BGRA by OpenCV's convention. */
  | { readonly kind: 'raw'; readonly dtype: string; readonly shape: readonly number[] };

/**
 * One picture of a stream: immutable, shared by all clients, never copied.
 *
 * `sequence` counts from 1 and rises by one a frame within a stream. `receivedAtUs` is the gateway's clock (microseconds
 * of Unix time) when the last byte had arrived. `payload` must never be written to: it may be in flight on several sockets.
 */
export interface FrameHeader {
  readonly sequence: number;
  readonly receivedAtUs: number;
  /** When the picture was taken, microseconds of Unix time by the camera's clock, where the server's message says so. */
  readonly capturedAtUs?: number | null;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly encoding: Encoding;
}

/** What a frame may be at most. Checked before anything is decoded. */
export interface FrameLimits {
  readonly headerBytes: number;
  readonly payloadBytes: number;
  /** Pixels, of width and of height. */
  readonly side: number;
  /** Pixels in all. */
  readonly pixels: number;
}

export const FRAME_LIMITS: FrameLimits = { headerBytes: 1 << 20, payloadBytes: 64 << 20, side: 16_384, pixels: 1 << 26 };
