declare global {
  // TypeScript declares this class only for workers, and without the track.
  interface MediaStreamTrackProcessorInit {
    track: MediaStreamTrack;
  }
}

/**
 * The frames of a track (https://www.w3.org/TR/mediacapture-transform/).
 *
 * @returns null if unsupported: Chromium supports it in windows, Safari in workers, Firefox not at all.
 */
export function framesOf(track: MediaStreamTrack): ReadableStream<VideoFrame> | null {
  if (typeof MediaStreamTrackProcessor === 'undefined') return null;
  return new MediaStreamTrackProcessor({ track }).readable as ReadableStream<VideoFrame>;
}
