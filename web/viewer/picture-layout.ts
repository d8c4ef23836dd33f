import {
  inverted,
  mapPoint,
  mappedRect,
  type Matrix,
  type Placement,
  pictureMatrix,
  pictureScale,
  type Point,
  scaledAndMoved,
} from './picture-geometry.ts';

/** Placement of a picture, without the size of its box: `x` and `y` are fractions of this size. */
type PlacementInBox = Omit<Placement, 'boxWidth' | 'boxHeight'>;

/**
 * Position of an element's picture: places its canvas and an overlay's box, and converts between positions in the
 * window and in the picture. Without a picture, or a layout, there are no positions.
 */
export class PictureLayout {
  readonly #box: HTMLElement;
  readonly #overlay: HTMLElement;
  #placement: Placement | null = null;

  /**
   * @param box box in which the picture is centred, clipped, rotated and zoomed.
   * @param overlay box that is kept on the picture; positioned from the centre of `box`.
   */
  constructor(box: HTMLElement, overlay: HTMLElement) {
    this.#box = box;
    this.#overlay = overlay;
  }

  /** Placement of the picture; null without a picture or a layout. */
  get placement(): Placement | null {
    return this.#placement;
  }

  /** @returns whether anything has changed. */
  update(inBox: PlacementInBox | null): boolean {
    const placement = inBox === null ? null : this.#placed(inBox);
    if (isSame(placement, this.#placement)) return false;
    this.#placement = placement;
    this.#overlay.hidden = placement === null;
    this.#placeCanvas(placement);
    if (placement !== null) this.#placeOverlay(placement);
    return true;
  }

  /** Position and size of the whole picture in the window, in CSS px; parts of it may be outside of the element. */
  get clientRect(): DOMRect | null {
    const matrix = this.#clientMatrix();
    if (matrix === null || this.#placement === null) return null;
    const { x, y, width, height } = mappedRect(matrix, this.#placement);
    return new DOMRect(x, y, width, height);
  }

  /** Converts a position in the window to pixels of the picture; outside of it, they are negative or beyond its size. */
  toPicture(client: Point): Point | null {
    const matrix = this.#clientMatrix();
    return matrix === null ? null : mapPoint(inverted(matrix), client);
  }

  /** Converts a position in the picture to a position in the window, in CSS px. */
  toClient(position: Point): Point | null {
    const matrix = this.#clientMatrix();
    return matrix === null ? null : mapPoint(matrix, position);
  }

  /** Map from the picture to the window; transformations of the page may scale it. */
  #clientMatrix(): Matrix | null {
    if (this.#placement === null) return null;
    const { left, top, width } = this.#box.getBoundingClientRect();
    return scaledAndMoved(pictureMatrix(this.#placement), width / this.#placement.boxWidth, { x: left, y: top });
  }

  #placed(inBox: PlacementInBox): Placement | null {
    // The used size before any transformation, which may be a fraction of a pixel.
    const style = getComputedStyle(this.#box);
    const [boxWidth, boxHeight] = [Number.parseFloat(style.width), Number.parseFloat(style.height)];
    if (!(boxWidth > 0 && boxHeight > 0)) return null;
    return { ...inBox, boxWidth, boxHeight, x: inBox.x * boxWidth, y: inBox.y * boxHeight };
  }

  /**
   * The canvas gets the size of the picture, even if its content was decoded at a smaller size. It is scaled only by
   * its transformation, because browsers round the position of a fitted picture to whole pixels before they transform
   * it.
   */
  #placeCanvas(placement: Placement | null): void {
    const properties = {
      '--fit': placement === null ? '' : 'fill',
      '--width': placement === null ? '' : `${placement.width}px`,
      '--height': placement === null ? '' : `${placement.height}px`,
      '--placement': placement === null ? '' : transformOf(placement, pictureScale(placement)),
    };
    for (const [name, value] of Object.entries(properties)) this.#box.style.setProperty(name, value);
  }

  #placeOverlay(placement: Placement): void {
    const { width, height } = placement;
    const scale = pictureScale(placement);
    const { style } = this.#overlay;
    style.width = `${width * scale}px`;
    style.height = `${height * scale}px`;
    style.transform = `translate(-50%, -50%) ${transformOf(placement, 1)}`;
    style.setProperty('--gearway-picture-px', `${scale}px`);
  }
}

/** CSS transformation of a box that is centred in the picture's box. @param scale by which it is enlarged. */
function transformOf({ x, y, mirror, quarterTurns }: Placement, scale: number): string {
  return `translate(${x}px, ${y}px) scale(${mirror ? -scale : scale}, ${scale}) rotate(${quarterTurns * 90}deg)`;
}

function isSame(a: Placement | null, b: Placement | null): boolean {
  if (a === null || b === null) return a === b;
  return (Object.keys(a) as (keyof Placement)[]).every((key) => a[key] === b[key]);
}
