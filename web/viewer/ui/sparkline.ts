import { type TemplateResult, svg, html } from 'lit';

/** A small plot of the latest values from 0 up, so that a small change looks small. Decoration: the figure beside it says the same. */
export function sparkline(values: readonly number[]): TemplateResult {
  const max = Math.max(...values) || 1;
  const points = values.map((value, index) => `${(index * 100) / Math.max(1, values.length - 1)},${(19 - (17 * value) / max).toFixed(1)}`).join(' ');
  return html`<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">${values.length > 1 ? svg`<polyline points=${points} />` : ''}</svg>`;
}

/** The latest `size` values, oldest first. */
export class History {
  readonly #size: number;
  #values: number[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  get values(): readonly number[] {
    return this.#values;
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.#size) this.#values.shift();
  }
}
