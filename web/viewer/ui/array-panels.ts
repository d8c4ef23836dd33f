import { css, html, nothing, svg, type TemplateResult } from 'lit';
import type { ShownArray } from '../arrays/shown-array.ts';

/** The part of the viewer's public API that is used here. */
export interface ArrayViewer {
  readonly colorBar: boolean;
  readonly unit: string;
  readonly shownArray: ShownArray | null;
}

/** Number of colours of the bar; the browser interpolates between them. */
const STOPS = 64;

/** Formats a value with at most four significant digits, or all digits of its integer part. */
export function formatValue(value: number): string {
  const digits = Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
  return Math.abs(value) >= 1e7 ? value.toPrecision(4) : String(digits);
}

/** What is shown over arrays. Loaded on demand. */
export const ArrayPanels = {
  render({ colorBar, unit, shownArray }: ArrayViewer): TemplateResult | typeof nothing {
    return colorBar && shownArray?.channels === 1 ? bar(shownArray, unit) : nothing;
  },
} as const;

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

/** Styles of what is shown over arrays. */
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
  @container (max-height: 160px) {
    .color-bar {
      display: none;
    }
  }
  @media (prefers-contrast: more) {
    .color-bar {
      background: #000;
      border: 1px solid #fff;
    }
  }
`;
