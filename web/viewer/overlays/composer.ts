import { type Matrix, pictureMatrix, PIXELATED_FROM, scaledAndMoved } from '../picture-geometry.ts';
import type { DecodedPicture, Surface } from '../painter.ts';
import type { OverlaySettings, OverlayView, ShownFrame } from './overlay-commands.ts';
import { findOverlay, readOverlay } from './overlay-forms.ts';
import type { OverlayContent } from './overlay-items.ts';
import { type Context, decodePngMasks, hasPngMasks, OverlayPainter, type PngMasks } from './overlay-painter.ts';

const NO_MASKS: PngMasks = new Map();

/** The overlay of a frame, ready to be drawn. Its owner closes it: see {@link closeOverlay}. */
export interface PreparedOverlay {
  readonly content: OverlayContent;
  readonly pngMasks: PngMasks;
}

/** Frees the decoded masks of an overlay, whether or not they were drawn. Idempotent. */
export function closeOverlay(overlay: PreparedOverlay | null): void {
  for (const bitmap of overlay?.pngMasks.values() ?? []) bitmap.close();
}

/** Draws on the picture, in its pixels, in the same task. Must not throw. */
export type DrawOnPicture = (context: Context, frame: ShownFrame) => void;

interface Shown {
  readonly frame: ShownFrame;
  readonly source: DecodedPicture['source'];
  readonly overlay: PreparedOverlay | null;
}

/**
 * Draws the picture and its overlay on one canvas, whose size is that of the box in pixels of the screen. The overlay
 * is therefore sharp at every zoom, and never drawn on a picture to which it does not belong.
 */
export class Composer {
  #surface: Surface;
  #context: Context | null;
  readonly #painter = new OverlayPainter();
  readonly #drawOnPicture: DrawOnPicture | null;
  #settings: OverlaySettings = { path: null, classes: null, minScore: 0, hasCallback: false };
  #view: OverlayView | null = null;
  #shown: Shown | null = null;
  /** Canvas for an array's samples, because ImageData cannot be drawn in another size. */
  #samples: OffscreenCanvas | null = null;
  /** Why part of the last overlay is not drawn, as a sentence; null if everything is. */
  problem: string | null = null;

  /** @param context context of the canvas. */
  constructor(surface: Surface, context: Context | null, drawOnPicture: DrawOnPicture | null = null) {
    this.#surface = surface;
    this.#context = context;
    this.#drawOnPicture = drawOnPicture;
  }

  get settings(): OverlaySettings {
    return this.#settings;
  }

  get view(): OverlayView | null {
    return this.#view;
  }

  /** Draws on another canvas from now on. */
  setSurface(surface: Surface, context: Context | null): void {
    this.#surface = surface;
    this.#context = context;
  }

  /** The last picture, without its overlay; null before the first one. */
  get source(): DecodedPicture['source'] | null {
    return this.#shown?.source ?? null;
  }

  setSettings(settings: OverlaySettings): void {
    this.#settings = settings;
  }

  setView(view: OverlayView): void {
    this.#view = view;
  }

  /**
   * The overlay of a frame; null if its message has none. Returns a promise only if something must be decoded first.
   */
  prepare({ message, width, height }: ShownFrame): PreparedOverlay | null | Promise<PreparedOverlay> {
    const { path } = this.#settings;
    const found = path === null ? undefined : findOverlay(message, path);
    if (found === undefined) return null;
    const content = readOverlay(found, { width, height });
    if (!hasPngMasks(content)) return { content, pngMasks: NO_MASKS };
    return decodePngMasks(content).then((pngMasks) => ({ content, pngMasks }));
  }

  /** Draws a frame, and closes the previous picture and overlay. */
  show(frame: ShownFrame, source: DecodedPicture['source'], overlay: PreparedOverlay | null): void {
    this.#release();
    this.#shown = { frame, source, overlay };
    this.redraw();
  }

  /** Draws the last frame again, after a change of the view or the settings. */
  redraw(): void {
    const context = this.#context;
    if (this.#shown === null || this.#view === null || context === null) return;
    const { placement, pixelRatio, chip } = this.#view;
    const { frame, source, overlay } = this.#shown;
    const [width, height] = [Math.ceil(placement.boxWidth * pixelRatio), Math.ceil(placement.boxHeight * pixelRatio)];
    if (this.#surface.width !== width || this.#surface.height !== height) {
      this.#surface.width = width;
      this.#surface.height = height;
    }
    // The page may not know the new size of the picture yet.
    const matrix: Matrix = scaledAndMoved(
      pictureMatrix({ ...placement, width: frame.width, height: frame.height }),
      pixelRatio,
      { x: 0, y: 0 },
    );
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(...matrix);
    context.imageSmoothingEnabled = placement.zoom < PIXELATED_FROM;
    context.drawImage(this.#drawable(source), 0, 0, frame.width, frame.height);
    const { classes, minScore } = this.#settings;
    const filter = { classes: classes === null ? null : new Set(classes), minScore };
    this.problem =
      overlay === null
        ? null
        : this.#painter.draw(overlay.content, overlay.pngMasks, { context, matrix, pixelRatio, chip, filter });
    if (this.#drawOnPicture === null) return;
    context.save();
    context.setTransform(...matrix);
    this.#drawOnPicture(context, frame);
    context.restore();
  }

  /** Closes the last picture and its overlay. Idempotent. */
  close(): void {
    this.#release();
  }

  #release(): void {
    if (this.#shown !== null && 'close' in this.#shown.source) this.#shown.source.close();
    closeOverlay(this.#shown?.overlay ?? null);
    this.#shown = null;
  }

  #drawable(source: DecodedPicture['source']): CanvasImageSource {
    if (!(source instanceof ImageData)) return source;
    const { width, height } = source;
    if (this.#samples?.width !== width || this.#samples.height !== height)
      this.#samples = new OffscreenCanvas(width, height);
    this.#samples.getContext('2d')?.putImageData(source, 0, 0);
    return this.#samples;
  }
}
