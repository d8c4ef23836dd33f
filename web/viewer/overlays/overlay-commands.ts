import type { FrameMessage, Value } from '../../../shared/protocol.ts';
import type { DecodedPicture } from '../painter.ts';
import type { Placement, Rect } from '../picture-geometry.ts';

/** Which overlays are drawn. */
export interface OverlaySettings {
  /** Keys, separated by dots, of the overlay in the message; empty for the default keys; null for no overlay. */
  readonly path: string | null;
  /** Names of the classes that are drawn; null for all. */
  readonly classes: readonly string[] | null;
  readonly minScore: number;
  /** Whether pictures are passed to the page, which draws them. */
  readonly hasCallback: boolean;
}

/** Position and size at which the picture is drawn. */
export interface OverlayView {
  readonly placement: Placement;
  /** Pixels of the canvas per CSS px. */
  readonly pixelRatio: number;
  /** The status chip in the box, in CSS px, which would cover labels; null if it is not shown. */
  readonly chip: Rect | null;
}

/** Commands from the page to the session, about overlays. */
export type OverlayCommand =
  | { readonly kind: 'settings'; readonly settings: OverlaySettings }
  | { readonly kind: 'view'; readonly view: OverlayView }
  /** Sent when the page has drawn the last picture that it received. */
  | { readonly kind: 'presented' };

/** The frame of a picture, without its payload. */
export type ShownFrame = Pick<FrameMessage, 'sequence' | 'width' | 'height' | 'message' | 'capturedAtUs'>;

/**
 * Draws on the picture, in its pixels. Called with each picture in the task that draws it, and again when the view
 * changes.
 */
export type OverlayCallback = (context: CanvasRenderingContext2D, message: Value, frame: ShownFrame) => void;

export type OverlayEvent =
  /** From now on, the session draws the picture at its position: the canvas is as large as the box. */
  | { readonly kind: 'composing' }
  /** A picture for the page to draw, and to close. */
  | { readonly kind: 'picture'; readonly frame: ShownFrame; readonly source: DecodedPicture['source'] }
  /** Why something is not drawn; null if everything is. */
  | { readonly kind: 'problem'; readonly problem: string | null };
