import { runInBackground } from '../../background.ts';
import type { FrameMessage } from '../../../shared/protocol.ts';
import type { DecodedPicture, Painter, Surface } from '../painter.ts';
import { closeOverlay, Composer, type PreparedOverlay } from './composer.ts';
import type { OverlayCommand, OverlayEvent, ShownFrame } from './overlay-commands.ts';

/** Minimum interval between reports of a changed problem, which may change with every frame. */
const PROBLEM_INTERVAL_MS = 1000;

export type EmitOverlayEvent = (event: OverlayEvent, transfer?: Transferable[]) => void;

/** A decoded frame. `shown` is called when it is drawn. */
interface Waiting {
  readonly frame: FrameMessage;
  readonly picture: DecodedPicture;
  readonly shown: () => void;
}

/**
 * Presents the frames of a session with their overlays: draws both in one task, or passes the pictures to the page, one
 * at a time, if the page draws on them. Until a message contains an overlay, pictures are drawn as they are without
 * this class.
 */
export class OverlaySession {
  #painter: Painter;
  readonly #emit: EmitOverlayEvent;
  readonly #composer: Composer;
  #isComposing = false;
  /** The frame that is being prepared, or that the page has yet to draw. */
  #busy: Waiting | null = null;
  /** Whether the page draws that frame, and closes its picture. */
  #isHandedOver = false;
  /**
   * The picture that the page draws, and the one that it drew last, if they are H.264: their chunks cannot be decoded
   * again.
   */
  #copyInHand: VideoFrame | null = null;
  #copy: VideoFrame | null = null;
  /** The newest frame after the one in `#busy`. */
  #waiting: Waiting | null = null;
  #problem: string | null = null;
  #problemAtMs = -Infinity;

  constructor(surface: Surface, painter: Painter, emit: EmitOverlayEvent) {
    this.#painter = painter;
    this.#emit = emit;
    this.#composer = new Composer(surface, painter.context);
  }

  /**
   * The picture shown last, without its overlay; null if it is on the canvas as it is, and for a picture other than
   * H.264 that the page draws.
   */
  get source(): DecodedPicture['source'] | null {
    return this.#copy ?? (this.#isComposing ? this.#composer.source : null);
  }

  /** Whether the canvas on screen has the size of the box: it does not depend on the proportions of the picture. */
  get fillsBox(): boolean {
    return this.#isComposing || this.#composer.settings.hasCallback;
  }

  /** Draws on another canvas from now on: the canvas of the painter. */
  setSurface(surface: Surface, painter: Painter): void {
    this.#painter = painter;
    this.#composer.setSurface(surface, painter.context);
  }

  command(command: OverlayCommand): void {
    switch (command.kind) {
      case 'settings': {
        this.#composer.setSettings(command.settings);
        // The page draws no more pictures, not even the last one that it has received.
        if (this.#isHandedOver && !command.settings.hasCallback) this.#finish();
        this.#redraw();
        return;
      }
      case 'view':
        this.#composer.setView(command.view);
        this.#redraw();
        return;
      case 'presented':
        // The page acknowledges its last picture even after it has stopped drawing.
        if (this.#isHandedOver) this.#finish();
        return;
      default:
        command satisfies never;
    }
  }

  /**
   * Presents a frame immediately, or after the previous one; until then, a newer frame replaces it. Closes the picture.
   */
  present(frame: FrameMessage, picture: DecodedPicture, shown: () => void): void {
    const next = { frame, picture, shown };
    if (this.#busy === null) {
      this.#start(next);
      return;
    }
    this.#waiting?.picture.close();
    this.#waiting = next;
  }

  /** Closes all pictures. Idempotent. */
  close(): void {
    if (!this.#isHandedOver) this.#busy?.picture.close();
    this.#waiting?.picture.close();
    this.#copyInHand?.close();
    this.#copy?.close();
    this.#copyInHand = null;
    this.#copy = null;
    this.#busy = null;
    this.#waiting = null;
    this.#composer.close();
  }

  #start(next: Waiting): void {
    this.#busy = next;
    const { frame, picture } = next;
    const { sequence, width, height, message, capturedAtUs } = frame;
    const about: ShownFrame = {
      sequence,
      width,
      height,
      message,
      ...(capturedAtUs === undefined ? {} : { capturedAtUs }),
    };
    this.#isHandedOver = this.#composer.settings.hasCallback;
    if (this.#isHandedOver) {
      const { source } = picture;
      if (frame.encoding.kind === 'h264') this.#copyInHand = (source as VideoFrame).clone();
      this.#emit({ kind: 'picture', frame: about, source }, [
        source instanceof ImageData ? source.data.buffer : source,
      ]);
      return;
    }
    const prepared = this.#composer.prepare(about);
    if (prepared instanceof Promise) runInBackground(this.#drawWhenPrepared(next, about, prepared));
    else this.#draw(next, about, prepared);
  }

  async #drawWhenPrepared(next: Waiting, about: ShownFrame, preparing: Promise<PreparedOverlay>): Promise<void> {
    const prepared = await preparing;
    if (this.#busy === next) this.#draw(next, about, prepared);
    // The session was closed in the meantime.
    else closeOverlay(prepared);
  }

  #draw(next: Waiting, about: ShownFrame, overlay: PreparedOverlay | null): void {
    if (!this.#isComposing && (overlay === null || this.#composer.view === null)) {
      this.#painter.draw(next.picture);
      next.picture.close();
      closeOverlay(overlay);
    } else {
      if (!this.#isComposing) this.#emit({ kind: 'composing' });
      this.#isComposing = true;
      // The picture is closed with the next one, because a change of the view needs it again.
      this.#composer.show(about, next.picture.source, overlay);
      this.#reportProblem();
    }
    this.#finish();
  }

  #finish(): void {
    const finished = this.#busy;
    this.#busy = null;
    this.#isHandedOver = false;
    this.#copy?.close();
    this.#copy = this.#copyInHand;
    this.#copyInHand = null;
    finished?.shown();
    const next = this.#waiting;
    this.#waiting = null;
    if (next !== null) this.#start(next);
  }

  #redraw(): void {
    if (this.#isComposing && !this.#composer.settings.hasCallback) this.#composer.redraw();
  }

  #reportProblem(): void {
    const { problem } = this.#composer;
    const now = performance.now();
    if (problem === this.#problem || now - this.#problemAtMs < PROBLEM_INTERVAL_MS) return;
    this.#problem = problem;
    this.#problemAtMs = now;
    this.#emit({ kind: 'problem', problem });
  }
}
