import { html, nothing, type TemplateResult } from 'lit';
import { COLORMAP_NAMES } from '../../../shared/arrays/colormaps.ts';
import type { GearwayViewer } from '../../viewer/gearway-viewer.ts';
import { capitalize } from '../shared/text.ts';

/** Settings for the colours, the range and the inspector of the array on screen; nothing for JPEG and H.264. */
export function arrayTools(viewer: GearwayViewer, onChange: () => void): TemplateResult | typeof nothing {
  const shown = viewer.shownArray;
  if (shown === null) return nothing;
  const set = (change: () => void): void => {
    change();
    onChange();
  };
  const select = (event: Event): void => set(() => (viewer.colormap = (event.target as HTMLSelectElement).value));
  const enter = (event: Event): void => set(() => (viewer.range = (event.target as HTMLInputElement).value));
  const colors = COLORMAP_NAMES.map(
    (name) =>
      html`<option value=${name} ?selected=${name === (viewer.colormap || 'gray')}>${capitalize(name)}</option>`,
  );
  const isScalar = shown.channels === 1;
  return html`<div class="array-tools" role="group" aria-label=${`Array of ${shown.dtype}`}>
    <span class="dtype">${shown.dtype}</span>
    ${isScalar ? html`<label>Colours <select class="field" @change=${select}>${colors}</select></label>` : nothing}
    <label>Range <input class="field" .value=${viewer.range} placeholder="auto" spellcheck="false" autocomplete="off"
      title="auto, type, or two numbers: 400,6000" aria-invalid=${shown.problem === null ? 'false' : 'true'} @change=${enter} /></label>
    <button class="second" type="button" aria-pressed=${viewer.inspector} @click=${() => set(() => (viewer.inspector = !viewer.inspector))}>Inspect</button>
    ${shown.problem === null ? nothing : html`<p class="problem" role="alert">${capitalize(shown.problem)}</p>`}
  </div>`;
}
