import { describe, expect, it, vi } from 'vitest';
import { PictureView } from '../../../web/viewer/ui/picture-view.ts';

/** A box of the size that a test sets, with the part of an element that the view uses. */
class Box extends EventTarget {
  width = 400;
  height = 300;
  readonly classList = { toggle: vi.fn() };

  getBoundingClientRect(): DOMRect {
    return { left: 10, top: 20, width: this.width, height: this.height } as DOMRect;
  }
}

function open(): { box: Box; view: PictureView } {
  const box = new Box();
  return { box, view: new PictureView(box as unknown as HTMLElement, () => {}) };
}

describe('the view of a picture', () => {
  it('keeps the point under the pointer in place while it zooms', () => {
    const { view } = open();
    view.zoomBy(2, { clientX: 10 + 100, clientY: 20 + 75 });
    // The point is a quarter of the box left of and above the centre, and is now twice as far from the picture's centre.
    expect([view.zoom, view.x, view.y]).toEqual([2, 0.25, 0.25]);
  });

  it.each([
    ['no width', 0, 300],
    ['no height', 400, 0],
    ['no size', 0, 0],
  ])('keeps a position that exists while its box has %s', (_, width, height) => {
    const { box, view } = open();
    view.zoomBy(4);
    view.panBy(40, 30);
    const [x, y] = [view.x, view.y];
    Object.assign(box, { width, height });

    // Events that were pending when the element was hidden.
    view.panBy(40, 30);
    if (width === 0) expect(view.x).toBe(x);
    if (height === 0) expect(view.y).toBe(y);
    view.zoomBy(2, { clientX: 10, clientY: 20 });
    view.zoomBy(0.5, { clientX: 500, clientY: 20 });
    view.zoomBy(0.5);

    expect(view.zoom).toBe(2);
    expect(Number.isFinite(view.x) && Number.isFinite(view.y)).toBe(true);
    expect(Math.max(Math.abs(view.x), Math.abs(view.y))).toBeLessThanOrEqual(0.5);
  });
});
