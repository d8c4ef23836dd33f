import { html, nothing, type TemplateResult } from 'lit';
import type { GearwayPublisherDataEvent, NDArray, ReturnedValue } from '../../publisher/gearway-publisher.ts';

/** Maximum number of rows. The latest are shown. */
const MAX_ROWS = 32;
const MAX_TEXT = 200;

interface Row {
  readonly port: number;
  readonly mode: 'sticky' | 'once';
  readonly text: string;
  /** Address of an image, which is revoked when the row is removed. */
  readonly imageUrl: string | null;
}

/** The latest return data of each client. */
export class ReturnedPanel {
  readonly #rows = new Map<string, Row>();

  add({ detail: { port, mode, value } }: GearwayPublisherDataEvent): void {
    const key = `${port} ${mode}`;
    this.#remove(key);
    if (value === null && mode === 'sticky') return;
    const imageUrl = value instanceof Blob ? URL.createObjectURL(value) : null;
    this.#rows.set(key, { port, mode, text: describe(value), imageUrl });
    const [oldest] = this.#rows.keys();
    if (this.#rows.size > MAX_ROWS && oldest !== undefined) this.#remove(oldest);
  }

  render(): TemplateResult {
    const rows = [...this.#rows.values()].sort((a, b) => a.port - b.port || b.mode.localeCompare(a.mode));
    return html`<section class="panel" aria-label="Return data">
      <h2>Return data <small>latest per port</small></h2>
      ${
        rows.length === 0
          ? html`<p class="empty">Data returned by viewers and Python clients of this stream appears here.</p>`
          : html`<ul class="returned-data">
            ${rows.map(rowTemplate)}
          </ul>`
      }
    </section>`;
  }

  #remove(key: string): void {
    const url = this.#rows.get(key)?.imageUrl;
    if (url) URL.revokeObjectURL(url);
    this.#rows.delete(key);
  }
}

function rowTemplate({ port, mode, text, imageUrl }: Row): TemplateResult {
  const image = imageUrl === null ? nothing : html`<img src=${imageUrl} alt=${`Image from port ${port}`} />`;
  const once = mode === 'once' ? html`<small>once</small>` : nothing;
  return html`<li><b>${port}</b>${image}<code title=${text}>${text}</code>${once}</li>`;
}

/** The value on one line. */
function describe(value: ReturnedValue): string {
  if (value instanceof Blob) return 'JPEG';
  if (isArray(value)) return `${value.dtype} [${value.shape.join(', ')}]`;
  // Integers beyond 2^53 are bigints, which JSON.stringify does not accept.
  const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item));
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

function isArray(value: ReturnedValue): value is NDArray {
  return typeof value === 'object' && value !== null && 'data' in value && value.data instanceof Uint8Array;
}
