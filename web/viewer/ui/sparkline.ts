import { type TemplateResult, svg, html } from 'lit';

/**
 * Small plot of recent values; nothing while all are zero. The axis starts at 0, so that small changes do not look
 * large. Decorative: hidden from screen readers, because the figure next to it shows the current value.
 */
export function sparkline(values: readonly number[]): TemplateResult {
  const max = Math.max(...values);
  const x = (index: number): number => (index * 100) / Math.max(1, values.length - 1);
  // Before the clocks are synchronized, a measured latency can be slightly negative.
  const y = (value: number): string => (19 - (17 * Math.max(0, value)) / max).toFixed(1);
  const points = values.map((value, index) => `${x(index)},${y(value)}`).join(' ');
  const line = values.length > 1 && max > 0 ? svg`<polyline points=${points} />` : '';
  return html`<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">${line}</svg>`;
}
