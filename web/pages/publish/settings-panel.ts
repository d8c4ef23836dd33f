import { html, nothing, type TemplateResult } from 'lit';
import type { GearwayPublisher, PictureSize } from '../../publisher/gearway-publisher.ts';

const SIZES: readonly PictureSize[] = ['480p', '720p', '1080p'];
const RATES = [5, 10, 15, 30] as const;

/** What is sent: which camera, how large, how often, how good. Counts at once. */
export function settingsPanel(publisher: GearwayPublisher): TemplateResult {
  const { cameras, openDevice, sizes, size, fps, quality } = publisher;
  return html`<section class="panel" aria-label="Picture settings">
    <h2>Picture</h2>
    <div class="settings">
      ${publisher.input === 'camera' && cameras.length > 1
        ? html`<label for="camera">Camera</label>
            <select id="camera" class="field" @change=${(event: Event) => choose(event, (id) => (publisher.device = id))}>
              ${cameras.map(({ id, label }) => html`<option value=${id} .selected=${id === openDevice}>${label}</option>`)}
            </select>`
        : nothing}
      <label for="size">Size</label>
      <select id="size" class="field" @change=${(event: Event) => choose(event, (value) => (publisher.size = value as PictureSize))}>
        ${SIZES.map((value) => html`<option value=${value} .selected=${value === size} ?disabled=${!sizes.includes(value)}>${value}${sizes.includes(value) ? '' : ', not of this camera'}</option>`)}
      </select>
      <label for="rate">Frames a second</label>
      <select id="rate" class="field" @change=${(event: Event) => choose(event, (value) => (publisher.fps = Number(value)))}>
        ${[...new Set([...RATES, fps])].sort((a, b) => a - b).map((value) => html`<option value=${value} .selected=${value === fps}>up to ${value}</option>`)}
      </select>
      <label for="quality">JPEG quality</label>
      <span class="range"><input id="quality" type="range" min="30" max="95" step="5" .value=${String(quality)} @input=${(event: Event) => choose(event, (value) => (publisher.quality = Number(value)))} /><output for="quality">${quality}</output></span>
    </div>
  </section>`;
}

function choose(event: Event, take: (value: string) => void): void {
  take((event.target as HTMLInputElement | HTMLSelectElement).value);
}
