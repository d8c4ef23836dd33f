import { html, type TemplateResult } from 'lit';

/** An icon of 18 px. Decorative: hidden from screen readers. @param paths SVG content of a 24×24 view box. */
export function icon(paths: TemplateResult): TemplateResult {
  return html`<svg
    width="18"
    height="18"
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    stroke-width="2"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    ${paths}
  </svg>`;
}
