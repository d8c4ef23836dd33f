/** Source of the frames. */
export type PublisherInput = 'camera' | 'screen';

/** Direction of a phone's camera: facing the user, or away. */
export type Facing = 'user' | 'environment';

/** Maximum length of the shorter side: 640×480, 1280×720 or 1920×1080 if the camera supports it. */
export type PictureSize = '480p' | '720p' | '1080p';

/**
 * Why no camera is available. `insecure`: the page was loaded over plain HTTP; `ended`: the camera was unplugged, or
 * its permission revoked.
 */
export type CameraFailure = 'insecure' | 'unsupported' | 'denied' | 'no-camera' | 'busy' | 'ended';

/** How pictures are encoded. */
export interface EncodingSettings {
  /** Maximum frame rate. */
  readonly fps: number;
  /** JPEG quality, 1 to 100. */
  readonly quality: number;
  /** Maximum length of the shorter side, in pixels. */
  readonly shortSide: number;
}

/** A picture to be encoded. Its owner closes it. */
export interface CapturedPicture {
  readonly source: VideoFrame | ImageBitmap;
  /** Size as displayed, adjusted for the orientation of the phone. */
  readonly width: number;
  readonly height: number;
  /** Capture time, Unix time; null if unknown. */
  readonly capturedAtMs: number | null;
  close(): void;
}
