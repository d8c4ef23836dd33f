import { css, html, nothing, svg, type TemplateResult } from 'lit';
import type { ShownArray } from '../arrays/shown-array.ts';
import { formatValue } from './format-value.ts';
import { type InspectedViewer, Inspector } from './inspector.ts';

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
   * @param onChange called when {@link render} would give something else.
   */
  constructor(viewer: ArrayViewer, stage: HTMLElement, onChange: () => void) {
    this.#viewer = viewer;
    this.#stage = stage;
    this.#onChange = onChange;
  }

  /** Inspects while the viewer has an inspector. To be called after each update of the page. */
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
    const { colorBar, unit, shownArray } = this.#viewer;
    return html`${colorBar && shownArray?.channels === 1 ? bar(shownArray, unit) : nothing}${this.#inspector?.render() ?? nothing}`;
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
    width: fit-content;
    max-width: calc(100% - 96px);
    padding: 8px;
    border-radius: 12px;
    background: #05070ad9;
    font-size: 0.75rem;
    font-variant-numeric: tabular-nums;
  }
  .inspector .reading {
    display: flex;
    align-items: center;
    gap: 8px;
  }
  .inspector .magnifier {
    flex: none;
    position: static;
    width: 54px;
    height: 54px;
    border: 1px solid #ffffff40;
    border-radius: 3px;
    transform: none;
    image-rendering: pixelated;
  }
  .inspector .distance {
    max-width: 44ch;
    margin-top: 4px;
  }
  .inspector .tools {
    display: flex;
    flex-wrap: wrap;
    gap: 4px;
    margin-top: 6px;
  }
  .inspector button {
    min-height: 28px;
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
  @media (pointer: coarse) {
    .inspector button {
      min-height: 40px;
    }
  }
  @container (max-height: 320px) {
    .inspector {
      padding: 6px;
    }
    .inspector .magnifier {
      width: 36px;
      height: 36px;
    }
    .inspector .tools {
      margin-top: 4px;
    }
    .inspector button {
      padding: 2px 10px;
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
