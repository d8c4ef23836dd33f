declare global {
  // TypeScript knows it for workers only, and there without the track.
  interface MediaStreamTrackProcessorInit {
    track: MediaStreamTrack;
  }
}

/**
 * A track's own frames (https://www.w3.org/TR/mediacapture-transform/).
 *
 * @returns null where the browser gives none: Chromium does in windows, Safari in workers, Firefox nowhere yet.
 */
export function framesOf(track: MediaStreamTrack): ReadableStream<VideoFrame> | null {
  if (typeof MediaStreamTrackProcessor === 'undefined') return null;
  return new MediaStreamTrackProcessor({ track }).readable as ReadableStream<VideoFrame>;
}
