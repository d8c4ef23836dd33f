/** Maximum width of a thumbnail in pixels: that of the wall, with two device pixels per CSS pixel. */
export const MAX_THUMBNAIL_WIDTH = 640;

/** A small picture of a frame. */
export interface Thumbnail {
  /** Number of the frame. */
  readonly sequence: number;
  /** Time since the frame arrived, in microseconds. */
  readonly ageUs: number;
  /** Shared memory: never write to it. */
  readonly jpeg: Uint8Array;
}
