import { css, html, nothing, svg, type TemplateResult } from 'lit';
import type { ShownArray } from '../arrays/shown-array.ts';
import { formatValue } from './format-value.ts';
import { type InspectedViewer, Inspector, shownUnit } from './inspector.ts';

/** The part of the viewer's public API that is used here. */
export interface ArrayViewer extends InspectedViewer {
  readonly colorBar: boolean;
  readonly inspector: boolean;
}

/** Number of colours of the bar; the browser interpolates between them. */
const STOPS = 64;

/** Colour bar and inspector of a viewer. Loaded on demand. */
export class ArrayPanels {
  readonly #viewer: ArrayViewer;
  readonly #stage: HTMLElement;
  readonly #onChange: () => void;
  #inspector: Inspector | null = null;

  /**
   * @param stage the box around all content.
   * @param onChange called when the result of {@link render} would change.
   */
  constructor(viewer: ArrayViewer, stage: HTMLElement, onChange: () => void) {
    this.#viewer = viewer;
    this.#stage = stage;
    this.#onChange = onChange;
  }

  /** Inspects while the viewer has an inspector. Call it after each update of the page. */
  update(): void {
    const isInspecting = this.#viewer.inspector && this.#viewer.isConnected;
    if (isInspecting && this.#inspector === null) {
      this.#inspector = new Inspector(this.#viewer, this.#stage, this.#onChange);
      this.#onChange();
    } else if (!isInspecting && this.#inspector !== null) {
      this.close();
      this.#onChange();
    }
    this.#inspector?.rendered();
  }

  /** @returns whether the key was handled. */
  keydown(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    return this.#inspector?.keydown(event) ?? false;
  }

  render(): TemplateResult {
    const { colorBar, shownArray } = this.#viewer;
    return html`${colorBar && shownArray?.channels === 1 ? bar(shownArray, shownUnit(this.#viewer)) : nothing}${this.#inspector?.render() ?? nothing}`;
  }

  /** Ends inspecting. Idempotent. */
  close(): void {
    this.#inspector?.close();
    this.#inspector = null;
    this.#stage.classList.remove('inspecting');
  }
}

function bar({ low, high, colors }: ShownArray, unit: string): TemplateResult {
  const withUnit = (value: number): string => `${formatValue(value)}${unit === '' ? '' : ` ${unit}`}`;
  const stops = Array.from({ length: STOPS }, (_, index) => {
    const color = colors[Math.round((index / (STOPS - 1)) * (colors.length - 1))] ?? 0;
    return svg`<stop offset=${index / (STOPS - 1)} stop-color=${cssColor(color)} stop-opacity=${(color >>> 24) / 255} />`;
  });
  return html`<div part="color-bar" class="color-bar" role="img" aria-label=${`Colours from ${withUnit(low)} to ${withUnit(high)}`}>
    <span>${formatValue(high)}</span>
    <svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">
      <linearGradient id="colors" x1="0" y1="1" x2="0" y2="0">${stops}</linearGradient>
      <rect width="1" height="1" fill="url(#colors)" />
    </svg>
    <span>${formatValue(low)}</span>
    ${unit === '' ? nothing : html`<span class="unit">${unit}</span>`}
  </div>`;
}

/** A packed colour without its alpha. */
function cssColor(color: number): string {
  return `rgb(${color & 0xff} ${(color >>> 8) & 0xff} ${(color >>> 16) & 0xff})`;
}

/** Styles of colour bar and inspector. */
export const arrayPanelStyles = css`
  .color-bar {
    position: absolute;
    top: 48px;
    right: 12px;
    bottom: 56px;
    display: flex;
    flex-direction: column;
    align-items: center;
    gap: 4px;
    max-height: 240px;
    padding: 6px 8px;
    border-radius: 12px;
    background: #05070ab8;
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
    line-height: 1.2;
    pointer-events: none;
  }
  .color-bar svg {
    flex: 1;
    width: 14px;
    min-height: 0;
    border: 1px solid #ffffff40;
    border-radius: 3px;
    background: #05070a;
  }
  .color-bar .unit {
    color: #d3dae2;
  }
  .inspector {
    position: absolute;
    bottom: 52px;
    left: 12px;
    display: flex;
    align-items: center;
    gap: 8px;
    max-width: calc(100% - 24px);
    box-sizing: border-box;
    padding: 6px 8px;
    border-radius: 12px;
    background: #05070ad9;
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
    line-height: 1.3;
  }
  .inspector.above {
    top: 44px;
    bottom: auto;
  }
  .color-bar ~ .inspector {
    max-width: calc(100% - 96px);
  }
  .inspector .magnifier {
    flex: none;
    position: static;
    width: 45px;
    height: 45px;
    border: 1px solid #ffffff40;
    border-radius: 3px;
    transform: none;
    image-rendering: pixelated;
  }
  .inspector .reading {
    flex: 1;
    min-width: 0;
    max-width: 44ch;
  }
  .inspector .tools {
    flex: none;
    display: flex;
    gap: 4px;
  }
  .inspector button {
    min-height: 32px;
    padding: 2px 12px;
    border: 1px solid #ffffff40;
    border-radius: 6px;
    background: none;
    color: inherit;
    font: inherit;
    cursor: pointer;
  }
  .inspector button[aria-pressed='true'] {
    background: var(--gearway-accent, #4db8ff);
    color: var(--gearway-on-accent, #04121d);
  }
  .inspector button svg {
    display: none;
    width: 18px;
    height: 18px;
    fill: none;
    stroke: currentColor;
    stroke-width: 2;
    stroke-linejoin: round;
  }
  .inspector summary {
    padding: 4px 0;
    cursor: pointer;
  }
  .inspector table {
    border-spacing: 12px 0;
    margin-left: -12px;
  }
  .inspector th {
    color: #d3dae2;
    font-weight: 400;
    text-align: left;
  }
  .inspector .histogram {
    display: block;
    width: 160px;
    max-width: 100%;
    height: 32px;
    fill: var(--gearway-accent, #4db8ff);
  }
  .marker {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    overflow: hidden;
    pointer-events: none;
  }
  .marker :is(rect, path) {
    fill: none;
    stroke: #fff;
    stroke-width: 1.5;
    paint-order: stroke;
    filter: drop-shadow(0 0 1px #000) drop-shadow(0 0 1px #000);
  }
  .inspecting .picture {
    cursor: crosshair;
    touch-action: none;
  }
  @container (max-width: 520px) {
    .inspector {
      right: 12px;
    }
    .color-bar ~ .inspector {
      right: 84px;
    }
    .inspector .magnifier {
      width: 36px;
      height: 36px;
    }
    .inspector:has(.area, .distance) .value {
      display: none;
    }
    .inspector .tools {
      gap: 2px;
    }
    .inspector button {
      display: grid;
      place-items: center;
      width: 36px;
      padding: 0;
    }
    .inspector button svg {
      display: block;
    }
    .inspector button span {
      position: absolute;
      width: 1px;
      height: 1px;
      overflow: hidden;
      clip-path: inset(50%);
    }
  }
  @media (pointer: coarse) {
    .inspector :is(button, summary) {
      min-width: 44px;
      min-height: 44px;
      align-content: center;
    }
  }
  @container (max-height: 160px) {
    .color-bar {
      display: none;
    }
  }
  @media (prefers-contrast: more) {
    .color-bar,
    .inspector {
      background: #000;
      border: 1px solid #fff;
    }
  }
`;
