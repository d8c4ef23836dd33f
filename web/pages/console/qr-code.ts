import { html, svg, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';

/** Width of the margin that scanners need, in modules. */
const MARGIN = 3;

/** QR code of an address. The encoder is loaded when a code is first shown. */
export class QrCode {
  readonly #onChange: () => void;
  /** The address whose code is shown or being created. */
  #address: string | null = null;
  #code: TemplateResult | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  render(address: string): TemplateResult {
    if (address !== this.#address) {
      this.#address = address;
      this.#code = null;
      runInBackground(this.#encode(address));
    }
    return html`<div class="qr">${this.#code ?? ''}</div>`;
  }

  async #encode(address: string): Promise<void> {
    const { encode } = await import('uqr');
    if (address !== this.#address) return;
    const { data } = encode(address, { ecc: 'M', border: MARGIN });
    const path = data.flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : ''))).join('');
    this.#code = html`<svg viewBox=${`0 0 ${data.length} ${data.length}`} role="img" aria-label=${`QR code of ${address}`}>
      ${svg`<path fill="#000" d=${path} />`}
    </svg>`;
    this.#onChange();
  }
}
