import { runInBackground } from '../background.ts';
import { CameraError, type CaptureSettings, explain, openStream } from '../capture/camera.ts';
import { type CaptureFeed, type FeedSink, FrameFeed, PullFeed } from '../capture/capture-feed.ts';
import type { CapturedPicture } from '../capture/capture-types.ts';
import { type EncodedPicture, JpegEncoder } from '../capture/jpeg-encoder.ts';
import { OpenInput } from '../capture/open-input.ts';
import { PictureFlow } from '../capture/picture-flow.ts';
import { PictureGrabber } from '../capture/picture-grabber.ts';
import { RateLimit } from '../capture/rate-limit.ts';
import { framesOf } from '../capture/track-frames.ts';

/** Which camera to open, and how its pictures are encoded. */
export interface SenderSettings extends CaptureSettings {
  /** JPEG quality, 1 to 100. */
  readonly quality: number;
  /** Maximum length of the shorter side, in pixels. */
  readonly shortSide: number;
}

/** Callbacks of the sender. */
export interface SenderActions {
  /** Whether there is a connection that takes pictures. */
  isConnected(): boolean;
  /** Resolves when the gateway has received or refused the picture. Must not reject. */
  send(jpeg: Blob): Promise<void>;
  /** The camera is open. */
  opened(): void;
  /** The camera is gone, or was never available. The sender is closed. */
  failed(error: CameraError): void;
}

/** A camera whose pictures are sent one after another, newest first, as fast as they are received. */
export class CameraSender {
  readonly #video: HTMLVideoElement;
  readonly #settings: SenderSettings;
  readonly #actions: SenderActions;
  readonly #encoder = new JpegEncoder();
  readonly #flow: PictureFlow<CapturedPicture, EncodedPicture>;
  #input: OpenInput | null = null;
  #feed: CaptureFeed | null = null;
  #grabber: PictureGrabber | null = null;
  #closed = false;

  /** @param video shows the camera. */
  constructor(video: HTMLVideoElement, settings: SenderSettings, actions: SenderActions) {
    this.#video = video;
    this.#settings = settings;
    this.#actions = actions;
    this.#flow = new PictureFlow({
      encode: (picture) => this.#encoder.encode(picture, settings),
      send: (sequence, { jpeg }) => this.#send(sequence, new Blob([jpeg], { type: 'image/jpeg' })),
      failed: (error) => this.#fail(explain(error, 'camera')),
    });
  }

  /** Opens the camera. Resolves also when that has failed. */
  async open(): Promise<void> {
    let input: OpenInput;
    try {
      input = new OpenInput(await openStream(this.#settings), this.#settings, {
        ended: () => this.#fail(new CameraError('ended', 'the camera was unplugged, or taken by another program')),
        muteChanged: () => undefined,
      });
    } catch (error) {
      this.#fail(error instanceof CameraError ? error : explain(error, 'camera'));
      return;
    }
    if (this.#closed) {
      input.close();
      return;
    }
    this.#input = input;
    this.#video.srcObject = input.stream;
    // Rejects if the camera is closed before it plays.
    this.#video.play().catch(() => undefined);
    this.#flow.connected();
    this.#feed = this.#openFeed(input);
    this.#actions.opened();
  }

  /** Switches the camera off. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#feed?.close();
    this.#grabber?.close();
    this.#flow.disconnected();
    this.#input?.close();
    this.#video.srcObject = null;
  }

  #openFeed({ track }: OpenInput): CaptureFeed {
    const sink: FeedSink = {
      limit: new RateLimit(this.#settings.fps),
      isReady: () => this.#actions.isConnected() && this.#flow.isReady,
      offer: (picture) => (this.#actions.isConnected() ? this.#flow.offer(picture) : picture.close()),
      skip: () => undefined,
    };
    const frames = framesOf(track);
    if (frames !== null) return new FrameFeed(frames, sink);
    const feed = new PullFeed(() => this.#grabber?.grabNext(), sink);
    this.#grabber = new PictureGrabber(this.#video, (bitmap, capturedAtMs) => feed.picture(bitmap, capturedAtMs));
    return feed;
  }

  #send(sequence: number, jpeg: Blob): void {
    // After a refusal the next picture is sent: the gateway refuses pictures that arrive too fast.
    runInBackground(this.#actions.send(jpeg).then(() => this.#flow.taken(sequence)));
  }

  #fail(error: CameraError): void {
    if (this.#closed) return;
    this.close();
    this.#actions.failed(error);
  }
}
