import { html, type TemplateResult } from 'lit';
import { sparkline } from '../../viewer/ui/sparkline.ts';

/** A figure below the picture: title, value, unit, and a plot or note. */
export function figure(title: string, value: string, unit: string, below: TemplateResult): TemplateResult {
  return html`<div>
    <dt>${title}</dt>
    <dd>${value} <small>${unit}</small></dd>
    ${below}
  </div>`;
}

/** A text below a figure. */
export function note(text: string): TemplateResult {
  return html`<dd class="note">${text}</dd>`;
}

/** A plot below a figure: one value of each reading. */
export function plot<Reading>(readings: readonly Reading[], value: (reading: Reading) => number): TemplateResult {
  return sparkline(readings.map(value));
}

/** A row of figures. */
export function figureList(figures: readonly TemplateResult[]): TemplateResult {
  return html`<dl class="figures">${figures}</dl>`;
}
