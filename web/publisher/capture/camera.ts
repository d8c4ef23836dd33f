import { errorText } from '../../../shared/errors.ts';
import type { CameraFailure, Facing, PictureSize, PublisherInput } from '../publisher-messages.ts';

/** What is asked of a camera, or of the screen. */
export interface InputWish {
  readonly input: PublisherInput;
  /** One of {@link listCameras}; null for any. */
  readonly device: string | null;
  /** Where no device is named; null for any. */
  readonly facing: Facing | null;
  readonly size: PictureSize;
  readonly fps: number;
}

/** A camera of this device. */
export interface Camera {
  readonly id: string;
  readonly label: string;
}

/** Width and height as most cameras have them; a phone that is held upright gives them the other way round. */
export const SIZES: Readonly<Record<PictureSize, { readonly width: number; readonly height: number }>> = {
  '480p': { width: 640, height: 480 },
  '720p': { width: 1280, height: 720 },
  '1080p': { width: 1920, height: 1080 },
};

/** There is no camera. The message is a sentence for people, and says what to do. */
export class CameraError extends Error {
  readonly code: CameraFailure;

  constructor(code: CameraFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CameraError';
    this.code = code;
  }
}

/** Whether this browser can share a screen; phones' mostly cannot. */
export function canShareScreen(): boolean {
  return typeof (navigator.mediaDevices as MediaDevices | undefined)?.getDisplayMedia === 'function';
}

/**
 * Opens a camera, or lets the user choose a screen, which browsers allow only while they handle a click.
 *
 * @returns a stream with one video track.
 * @throws {CameraError}
 */
export async function openStream(wish: InputWish): Promise<MediaStream> {
  // Browsers leave it out of pages that are not secure.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!isSecureContext || devices === undefined) {
    const what = wish.input === 'screen' ? 'no screen' : 'no camera';
    throw isSecureContext ? new CameraError('unsupported', `this browser has ${what} for web pages`) : new CameraError('insecure', `browsers give ${what} to a page that came over plain http from another machine: open it over https, or as http://localhost`);
  }
  if (wish.input === 'screen' && !canShareScreen()) throw new CameraError('unsupported', 'this browser cannot share a screen, as most of phones cannot: use its camera, or another browser');
  try {
    return wish.input === 'screen' ? await devices.getDisplayMedia({ video: { frameRate: { ideal: wish.fps } }, audio: false }) : await devices.getUserMedia({ video: toConstraints(wish), audio: false });
  } catch (error) {
    throw explain(error, wish.input);
  }
}

/** What a camera is asked for; it gives what comes nearest. */
export function toConstraints({ device, facing, size, fps }: InputWish): MediaTrackConstraints {
  const { width, height } = SIZES[size];
  return {
    ...(device !== null ? { deviceId: { exact: device } } : facing !== null ? { facingMode: { ideal: facing } } : {}),
    width: { ideal: width },
    height: { ideal: height },
    frameRate: { ideal: fps },
  };
}

/** The cameras of this device, with their names; none before the user has allowed one. */
export async function listCameras(): Promise<readonly Camera[]> {
  const found = await (navigator.mediaDevices as MediaDevices | undefined)?.enumerateDevices();
  // Without permission they stand there without a name.
  return (found ?? []).flatMap(({ kind, deviceId, label }) => (kind === 'videoinput' && deviceId !== '' && label !== '' ? [{ id: deviceId, label }] : []));
}

/** Whether a camera is there: this one, or any. */
export async function hasCamera(id: string | null): Promise<boolean> {
  const found = (await (navigator.mediaDevices as MediaDevices | undefined)?.enumerateDevices().catch(() => [])) ?? [];
  return found.some(({ kind, deviceId }) => kind === 'videoinput' && (id === null || deviceId === id));
}

/** A choice of camera: by name, or on a phone by where it looks. */
export interface CameraChoice {
  readonly device: string | null;
  readonly facing: Facing | null;
}

/** The camera that a button for the other one switches to; null where there is no other. */
export function otherCamera(cameras: readonly Camera[], facing: Facing | null, device: string | null): CameraChoice | null {
  if (cameras.length < 2) return null;
  // A phone has several that look away, of which the browser knows the best.
  if (facing !== null) return { device: null, facing: facing === 'user' ? 'environment' : 'user' };
  const index = cameras.findIndex(({ id }) => id === device);
  return { device: cameras[(index + 1) % cameras.length]?.id ?? null, facing: null };
}

/** The browser's error in words (https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia). */
export function explain(error: unknown, input: PublisherInput): CameraError {
  const name = error instanceof Error ? error.name : '';
  const isScreen = input === 'screen';
  switch (name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return new CameraError('denied', isScreen ? 'no screen was chosen, or the system does not let this browser record it' : 'the camera was not allowed: allow it beside the address, or in the settings of this device, and try again', { cause: error });
    case 'InvalidStateError':
      return new CameraError('denied', 'a browser shares a screen only when a button is pressed: press it', { cause: error });
    case 'NotFoundError':
    case 'OverconstrainedError':
      return new CameraError('no-camera', isScreen ? 'there is no screen that could be shared' : 'no camera was found: plug one in, or choose another', { cause: error });
    case 'NotReadableError':
    case 'AbortError':
      return new CameraError('busy', `${isScreen ? 'the screen' : 'the camera'} cannot be read: another program may use it, or the system forbids it`, { cause: error });
    default:
      return new CameraError('unsupported', `the browser says: ${errorText(error)}`, { cause: error });
  }
}
