import type { Point } from '../picture-geometry.ts';

/** Part of a canvas that is shown enlarged. */
interface Magnified {
  /** Centre of the part, in pixels of the canvas. */
  readonly centre: Point;
  /** Size of the part, in pixels of the canvas. */
  readonly size: Point;
  /** Rotation in degrees, by which the page rotates the canvas. */
  readonly rotate: number;
  readonly mirror: boolean;
}

/**
 * Shows the pixels around a position, rotated and mirrored like the picture. @param target canvas with one pixel per
 * pixel of the part.
 */
export function drawMagnifier(
  target: HTMLCanvasElement,
  source: HTMLCanvasElement,
  { centre, size, rotate, mirror }: Magnified,
): void {
  const context = target.getContext('2d');
  if (context === null) return;
  const across = target.width;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, across, across);
  context.imageSmoothingEnabled = false;
  context.translate(across / 2, across / 2);
  context.scale(mirror ? -1 : 1, 1);
  context.rotate((rotate * Math.PI) / 180);
  context.drawImage(
    source,
    centre.x - size.x / 2,
    centre.y - size.y / 2,
    size.x,
    size.y,
    -across / 2,
    -across / 2,
    across,
    across,
  );
}
