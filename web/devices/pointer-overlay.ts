import { css, html, nothing, render, svg, type SVGTemplateResult } from 'lit';
import type { Position, Shape } from './drawing.ts';

/** How long a completed shape stays visible, in milliseconds. */
const FLASH_MS = 1200;

/** Content of the overlay while a tool is in use. */
export interface PointerScene {
  /** Size of the picture, in its pixels. */
  readonly width: number;
  readonly height: number;
  /** The unfinished shape, up to the cursor. */
  readonly shape: Shape | null;
  readonly cursor: Position | null;
}

const styles = css`
  :host(:focus-visible) {
    outline: 2px solid var(--gearway-accent, #4db8ff);
    outline-offset: -2px;
  }
  svg {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    overflow: hidden;
  }
  path {
    fill: none;
    stroke-linecap: round;
    stroke-linejoin: round;
    vector-effect: non-scaling-stroke;
  }
  .halo {
    stroke: #000;
    stroke-opacity: 0.6;
    stroke-width: 5px;
  }
  .line {
    stroke: #fff;
    stroke-width: 2px;
  }
  .halo.dots {
    stroke-width: 11px;
  }
  .line.dots {
    stroke-width: 8px;
  }
  .done .line {
    stroke: var(--gearway-accent, #4db8ff);
  }
  .cursor .halo {
    stroke-width: 3px;
    stroke-opacity: 0.4;
  }
  .cursor .line {
    stroke-width: 1px;
    stroke-opacity: 0.8;
  }
`.styleSheet;

/**
 * The drawing of a pointer tool, in a viewer's slot `overlay`, where it follows the picture. It is focused to receive
 * keys.
 */
export class PointerOverlay {
  readonly element = document.createElement('div');
  readonly #root = this.element.attachShadow({ mode: 'open' });
  #scene: PointerScene | null = null;
  #done: Shape | null = null;

  /** @param label name of the tool for assistive technologies. */
  constructor(viewer: HTMLElement, label: string) {
    if (styles !== undefined) this.#root.adoptedStyleSheets = [styles];
    this.element.slot = 'overlay';
    this.element.tabIndex = 0;
    // With this role, assistive technologies pass the arrow keys to the element.
    this.element.setAttribute('role', 'application');
    this.element.setAttribute('aria-label', label);
    viewer.append(this.element);
  }

  show(scene: PointerScene): void {
    this.#scene = scene;
    this.#render();
  }

  /** Shows a completed shape, which fades away. */
  flash(shape: Shape): void {
    this.#done = shape;
    this.#render();
    this.#root.querySelector('.done')?.animate([{ opacity: 1 }, { opacity: 1, offset: 0.5 }, { opacity: 0 }], {
      duration: FLASH_MS,
      fill: 'forwards',
    });
  }

  /** Removes the overlay. Idempotent. */
  close(): void {
    this.element.remove();
  }

  #render(): void {
    if (this.#scene === null) return;
    const { width, height, shape, cursor } = this.#scene;
    render(
      html`<svg viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        <g class="done">${this.#done === null ? nothing : drawn(this.#done)}</g>
        <g class="cursor">
          ${cursor === null ? nothing : strokes(`M0 ${cursor[1]}H${width}M${cursor[0]} 0V${height}`, '')}
        </g>
        ${shape === null ? nothing : drawn(shape)}
      </svg>`,
      this.#root,
    );
  }
}

function drawn(shape: Shape): SVGTemplateResult {
  if ('points' in shape) return strokes(dots(shape.points), 'dots');
  if ('line' in shape) return svg`${strokes(path(shape.line), '')}${strokes(dots(shape.line), 'dots')}`;
  if ('box' in shape) {
    const [x1, y1, x2, y2] = shape.box;
    return strokes(`M${x1} ${y1}H${x2}V${y2}H${x1}Z`, '');
  }
  return svg`${strokes(`${path(shape.polygon)}Z`, '')}${strokes(dots(shape.polygon), 'dots')}`;
}

function path(points: readonly Position[]): string {
  return `M${points.map(([x, y]) => `${x} ${y}`).join('L')}`;
}

function dots(points: readonly Position[]): string {
  return points.map(([x, y]) => `M${x} ${y}h0`).join('');
}

/** Draws a light line on a dark one, so that the shape is visible on every picture. */
function strokes(data: string, kind: string): SVGTemplateResult {
  return svg`<path class=${`halo ${kind}`} d=${data} /><path class=${`line ${kind}`} d=${data} />`;
}
