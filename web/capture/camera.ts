import { errorText } from '../../shared/errors.ts';
import type { CameraFailure, Facing, PictureSize, PublisherInput } from './capture-types.ts';

/** Camera or screen to open, and its settings. The camera delivers the nearest supported size and rate. */
export interface CaptureSettings {
  readonly input: PublisherInput;
  /** Id of a camera from {@link listCameras}; null for any. */
  readonly device: string | null;
  /** Preferred direction if no device is given; null for any. */
  readonly facing: Facing | null;
  readonly size: PictureSize;
  readonly fps: number;
}

/** A camera of this device. */
export interface Camera {
  readonly id: string;
  readonly label: string;
}

/** Common sizes of cameras. A phone in portrait orientation swaps width and height. */
export const SIZES: Readonly<Record<PictureSize, { readonly width: number; readonly height: number }>> = {
  '480p': { width: 640, height: 480 },
  '720p': { width: 1280, height: 720 },
  '1080p': { width: 1920, height: 1080 },
};

/** Error for a camera or screen that is not available. The message is a sentence for users, and suggests what to do. */
export class CameraError extends Error {
  readonly code: CameraFailure;

  constructor(code: CameraFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CameraError';
    this.code = code;
  }
}

/** Media devices; absent on pages that are not secure. */
function mediaDevices(): MediaDevices | undefined {
  return navigator.mediaDevices as MediaDevices | undefined;
}

/** Whether this browser can share a screen. Most phones cannot. */
export function canShareScreen(): boolean {
  return typeof mediaDevices()?.getDisplayMedia === 'function';
}

/**
 * Opens a camera, or lets the user choose a screen. Browsers allow the latter only while they handle a click.
 *
 * @returns a stream with one video track.
 * @throws {CameraError}
 */
export async function openStream(settings: CaptureSettings): Promise<MediaStream> {
  const isScreen = settings.input === 'screen';
  const devices = mediaDevices();
  if (!isSecureContext) {
    const subject = isScreen ? 'screen sharing' : 'camera access';
    throw new CameraError(
      'insecure',
      `browsers block ${subject} on pages loaded over plain HTTP from another machine: use HTTPS or http://localhost`,
    );
  }
  if (devices === undefined) {
    const subject = isScreen ? 'screen sharing' : 'camera access';
    throw new CameraError('unsupported', `this browser does not support ${subject} on web pages`);
  }
  if (isScreen && !canShareScreen()) {
    const reason = 'this browser does not support screen sharing, like most phones: use the camera or another browser';
    throw new CameraError('unsupported', reason);
  }
  try {
    return isScreen
      ? await devices.getDisplayMedia({ video: { frameRate: { ideal: settings.fps } }, audio: false })
      : await devices.getUserMedia({ video: toConstraints(settings), audio: false });
  } catch (error) {
    throw explain(error, settings.input);
  }
}

/** The constraints to request from a camera. */
export function toConstraints({ device, facing, size, fps }: CaptureSettings): MediaTrackConstraints {
  const { width, height } = SIZES[size];
  return {
    ...(device !== null ? { deviceId: { exact: device } } : facing !== null ? { facingMode: { ideal: facing } } : {}),
    width: { ideal: width },
    height: { ideal: height },
    frameRate: { ideal: fps },
  };
}

/** The cameras of this device, with their names; empty until the user has given permission. */
export async function listCameras(): Promise<readonly Camera[]> {
  const devices = (await mediaDevices()?.enumerateDevices()) ?? [];
  // Without permission, browsers list cameras without ids and names.
  return devices
    .filter(({ kind, deviceId, label }) => kind === 'videoinput' && deviceId !== '' && label !== '')
    .map(({ deviceId, label }) => ({ id: deviceId, label }));
}

/** Whether this camera is connected. @param id null for any camera. */
export async function hasCamera(id: string | null): Promise<boolean> {
  const devices =
    (await mediaDevices()
      ?.enumerateDevices()
      .catch(() => [])) ?? [];
  return devices.some(({ kind, deviceId }) => kind === 'videoinput' && (id === null || deviceId === id));
}

/** A camera, by id or, on a phone, by its direction. */
type CameraSelection = Pick<CaptureSettings, 'device' | 'facing'>;

/** The camera to switch to; null if there is no other. */
export function otherCamera(
  cameras: readonly Camera[],
  facing: Facing | null,
  device: string | null,
): CameraSelection | null {
  if (cameras.length < 2) return null;
  // A phone can have several cameras on its back, from which the browser selects the best one.
  if (facing !== null) return { device: null, facing: facing === 'user' ? 'environment' : 'user' };
  const index = cameras.findIndex(({ id }) => id === device);
  return { device: cameras[(index + 1) % cameras.length]?.id ?? null, facing: null };
}

/** Explains the browser's error (https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia). */
export function explain(error: unknown, input: PublisherInput): CameraError {
  const name = error instanceof Error ? error.name : '';
  const isScreen = input === 'screen';
  const failure = (code: CameraFailure, reason: string): CameraError => new CameraError(code, reason, { cause: error });
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return failure(
        'denied',
        isScreen
          ? 'no screen was selected, or the system does not allow this browser to record it'
          : 'camera permission was denied: allow it in the address bar or the settings of this device, and try again',
      );
    case 'InvalidStateError':
      return failure('denied', 'browsers share a screen only after a click: use the button');
    case 'NotFoundError':
    case 'OverconstrainedError':
      return failure(
        'no-camera',
        isScreen ? 'no screen is available for sharing' : 'no camera was found: connect one, or choose another',
      );
    case 'NotReadableError':
    case 'AbortError': {
      const subject = isScreen ? 'the screen' : 'the camera';
      return failure('busy', `${subject} cannot be read: another program may be using it, or the system blocks it`);
    }
    default:
      return failure('unsupported', `the browser reported: ${errorText(error)}`);
  }
}
