import { html, nothing, type TemplateResult } from 'lit';
import type { GearwayPublisher, PictureSize } from '../../publisher/gearway-publisher.ts';

const SIZES: readonly PictureSize[] = ['480p', '720p', '1080p'];
const RATES = [5, 10, 15, 30] as const;

/** Camera, size, frame rate and quality. Changes take effect immediately. */
export function settingsPanel(publisher: GearwayPublisher): TemplateResult {
  return html`<section class="panel" aria-label="Picture settings">
    <h2>Picture</h2>
    <div class="settings">
      ${cameraSetting(publisher)} ${sizeSetting(publisher)} ${rateSetting(publisher)} ${qualitySetting(publisher)}
    </div>
  </section>`;
}

function cameraSetting(publisher: GearwayPublisher): TemplateResult | typeof nothing {
  const { cameras, openDevice } = publisher;
  if (publisher.input !== 'camera' || cameras.length < 2) return nothing;
  const option = ({ id, label }: { id: string; label: string }): TemplateResult =>
    html`<option value=${id} .selected=${id === openDevice}>${label}</option>`;
  return html`<label for="camera">Camera</label>
    <select id="camera" class="field" @change=${onValue((id) => (publisher.device = id))}>
      ${cameras.map(option)}
    </select>`;
}

function sizeSetting(publisher: GearwayPublisher): TemplateResult {
  const option = (size: PictureSize): TemplateResult => {
    const isSupported = publisher.sizes.includes(size);
    const label = isSupported ? size : `${size} (not supported by this camera)`;
    return html`<option value=${size} .selected=${size === publisher.size} ?disabled=${!isSupported}>${label}</option>`;
  };
  return html`<label for="size">Size</label>
    <select id="size" class="field" @change=${onValue((size) => (publisher.size = size as PictureSize))}>
      ${SIZES.map(option)}
    </select>`;
}

function rateSetting(publisher: GearwayPublisher): TemplateResult {
  const rates = [...new Set([...RATES, publisher.fps])].sort((a, b) => a - b);
  const option = (fps: number): TemplateResult =>
    html`<option value=${fps} .selected=${fps === publisher.fps}>up to ${fps} fps</option>`;
  return html`<label for="rate">Frame rate</label>
    <select id="rate" class="field" @change=${onValue((fps) => (publisher.fps = Number(fps)))}>
      ${rates.map(option)}
    </select>`;
}

function qualitySetting(publisher: GearwayPublisher): TemplateResult {
  const { quality } = publisher;
  return html`<label for="quality">JPEG quality</label>
    <span class="range"
      ><input
        id="quality"
        type="range"
        min="30"
        max="95"
        step="5"
        .value=${String(quality)}
        @input=${onValue((value) => (publisher.quality = Number(value)))}
      /><output for="quality">${quality}</output></span
    >`;
}

function onValue(set: (value: string) => void): (event: Event) => void {
  return ({ target }) => set((target as HTMLInputElement | HTMLSelectElement).value);
}
