import { html, nothing, type TemplateResult } from 'lit';
import type { GearwayPublisherDataEvent, NDArray, ReturnedValue } from '../../publisher/gearway-publisher.ts';

/** More ports than anybody reads: the latest are shown. */
const MAX_ROWS = 32;
const MAX_TEXT = 200;

interface Row {
  readonly port: number;
  readonly mode: 'sticky' | 'once';
  readonly text: string;
  /** A picture's address; freed when it is shown no more. */
  readonly picture: string | null;
}

/** The latest that each client has returned. */
export class ReturnedPanel {
  readonly #rows = new Map<string, Row>();

  add({ detail: { port, mode, value } }: GearwayPublisherDataEvent): void {
    const key = `${port} ${mode}`;
    this.#remove(key);
    if (value === null && mode === 'sticky') return;
    this.#rows.set(key, { port, mode, text: describe(value), picture: value instanceof Blob ? URL.createObjectURL(value) : null });
    const [oldest] = this.#rows.keys();
    if (this.#rows.size > MAX_ROWS && oldest !== undefined) this.#remove(oldest);
  }

  render(): TemplateResult {
    const rows = [...this.#rows.values()].sort((a, b) => a.port - b.port || b.mode.localeCompare(a.mode));
    return html`<section class="panel" aria-label="Return data">
      <h2>Return data <small>the latest of each port</small></h2>
      ${rows.length === 0 ? html`<p class="empty">What viewers and Python clients return to this stream is shown here.</p>` : html`<ul class="returned-data">${rows.map(row)}</ul>`}
    </section>`;
  }

  #remove(key: string): void {
    const former = this.#rows.get(key);
    if (former?.picture) URL.revokeObjectURL(former.picture);
    this.#rows.delete(key);
  }
}

function row({ port, mode, text, picture }: Row): TemplateResult {
  return html`<li><b>${port}</b>${picture === null ? nothing : html`<img src=${picture} alt=${`Picture from port ${port}`} />`}<code title=${text}>${text}</code>${mode === 'once' ? html`<small>once</small>` : nothing}</li>`;
}

/** In a line. */
export function describe(value: ReturnedValue): string {
  if (value instanceof Blob) return 'JPEG';
  if (isArray(value)) return `${value.dtype} [${value.shape.join(', ')}]`;
  // Integers beyond 2^53 are bigints, which JSON lacks here.
  const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

function isArray(value: ReturnedValue): value is NDArray {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Uint8Array;
}
