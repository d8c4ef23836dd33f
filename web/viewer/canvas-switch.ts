import type { FrameMessage } from '../../shared/protocol.ts';
import type { DecodedPicture } from './painter.ts';

/** A decoded frame. Its owner closes the picture. */
export interface DecodedFrame {
  readonly frame: FrameMessage;
  readonly picture: DecodedPicture;
  readonly decodeMs: number;
}

/**
 * Requests another canvas when the proportions of the frames change, and holds the newest frame back until the canvas
 * is on screen. The worker draws and the page lays out at different times: on a single canvas, a picture would be
 * stretched to the proportions of the previous or the next picture until both threads have finished.
 */
export class CanvasSwitch {
  readonly #request: () => void;
  readonly #draw: (decoded: DecodedFrame) => void;
  /** The last frame drawn on the canvas itself; null before the first one. */
  #proportions: Pick<FrameMessage, 'width' | 'height'> | null = null;
  #isSwitching = false;
  #waiting: DecodedFrame | null = null;

  /**
   * @param request requests the canvas, which {@link replaced} announces.
   * @param draw draws a frame, and closes its picture.
   */
  constructor(request: () => void, draw: (decoded: DecodedFrame) => void) {
    this.#request = request;
    this.#draw = draw;
  }

  /** Whether the requested canvas is not on screen yet. */
  get isSwitching(): boolean {
    return this.#isSwitching;
  }

  /**
   * Draws a frame, or holds it back.
   *
   * @param isStretched whether the page scales the canvas to the proportions of the frame.
   */
  add(decoded: DecodedFrame, isStretched: boolean): void {
    const { width, height } = decoded.frame;
    if (isStretched && !this.#isSwitching) {
      const before = this.#proportions ?? decoded.frame;
      this.#proportions = { width, height };
      if (before.width * height !== before.height * width) {
        this.#isSwitching = true;
        this.#request();
      }
    }
    if (!this.#isSwitching) {
      this.#draw(decoded);
      return;
    }
    this.#waiting?.picture.close();
    this.#waiting = decoded;
  }

  /** Draws the waiting frame on the new canvas. */
  replaced(): void {
    const decoded = this.#waiting;
    this.#waiting = null;
    if (decoded === null) return;
    const { width, height } = decoded.frame;
    this.#proportions = { width, height };
    this.#draw(decoded);
  }

  /** The new canvas is on screen: draws the frame that has arrived since {@link replaced}. */
  finish(isStretched: boolean): void {
    this.#isSwitching = false;
    const decoded = this.#waiting;
    this.#waiting = null;
    if (decoded !== null) this.add(decoded, isStretched);
  }

  /** Closes the waiting picture. Idempotent. */
  close(): void {
    this.#waiting?.picture.close();
    this.#waiting = null;
  }
}
