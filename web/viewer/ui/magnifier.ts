import type { Point } from '../picture-geometry.ts';

/** Part of a picture that is shown enlarged. */
interface Magnified {
  /** Centre of the part, in pixels of the picture. */
  readonly at: Point;
  /** Size of the picture, in its pixels. The canvas may be smaller. */
  readonly size: Point;
  /** Rotation in degrees. */
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
  { at, size, rotate, mirror }: Magnified,
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
  const [scaleX, scaleY] = [source.width / size.x, source.height / size.y];
  const from = { x: at.x - (across - 1) / 2, y: at.y - (across - 1) / 2 };
  context.drawImage(
    source,
    from.x * scaleX,
    from.y * scaleY,
    across * scaleX,
    across * scaleY,
    -across / 2,
    -across / 2,
    across,
    across,
  );
}
