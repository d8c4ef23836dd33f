/** Encoding of a frame's payload. */
export type Encoding =
  | { readonly kind: 'jpeg' }
  /**
   * C-contiguous samples. `shape` is `[height, width]` or `[height, width, channels]`; three channels are BGR, four are
   * BGRA, as in OpenCV.
   */
  | { readonly kind: 'raw'; readonly dtype: string; readonly shape: readonly number[] };

/**
 * One picture of a stream: immutable, shared by all clients, never copied.
 *
 * `sequence` starts at 1 and increases by one per frame of a stream. `receivedAtUs` is the time at which the last byte
 * arrived, by the gateway's clock, in microseconds of Unix time. `payload` must never be modified: several sockets may
 * be sending it.
 */
export interface FrameHeader {
  readonly sequence: number;
  readonly receivedAtUs: number;
  /** Capture time by the camera's clock, Unix time in microseconds, if the server's message contains it. */
  readonly capturedAtUs?: number | null;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly encoding: Encoding;
}

/** Maximum size of a frame. Checked before decoding. */
export interface FrameLimits {
  readonly headerBytes: number;
  readonly payloadBytes: number;
  /** Maximum width and height, in pixels. */
  readonly side: number;
  /** Maximum width × height. */
  readonly pixels: number;
}

export const FRAME_LIMITS: FrameLimits = {
  headerBytes: 1 << 20,
  payloadBytes: 64 << 20,
  side: 16_384,
  pixels: 1 << 26,
};

/**
 * Maximum length of a frame's message as JSON, in characters. A NetGear header of 1 MiB is within this limit even if
 * every character is escaped.
 */
export const MAX_MESSAGE_JSON = 6 << 20;
