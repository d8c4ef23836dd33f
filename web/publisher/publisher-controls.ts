import { html, nothing, type TemplateResult } from 'lit';
import type { Camera } from './camera.ts';
import { icons } from './publisher-icons.ts';
import type { Facing, PublisherInput } from './publisher-messages.ts';

/** What the buttons do. */
export interface PublisherActions {
  readonly start: (input: PublisherInput) => void;
  readonly stop: () => void;
  readonly again: () => void;
  readonly takeOver: () => void;
  readonly nextCamera: () => void;
}

/** A choice of camera: by name, or on a phone by where it looks. */
export interface CameraChoice {
  readonly device: string | null;
  readonly facing: Facing | null;
}

/** The camera that a button for the other one switches to; null where there is no other. */
export function otherCamera(cameras: readonly Camera[], facing: Facing | null, device: string | null): CameraChoice | null {
  if (cameras.length < 2) return null;
  // A phone has several that look away, of which the browser knows the best.
  if (facing !== null) return { device: null, facing: facing === 'user' ? 'environment' : 'user' };
  const index = cameras.findIndex(({ id }) => id === device);
  return { device: cameras[(index + 1) % cameras.length]?.id ?? null, facing: null };
}

/** The buttons that begin. */
export function startButtons(canShareScreen: boolean, { start }: PublisherActions): TemplateResult {
  return html`<span class="actions">
    <button part="action" type="button" @click=${() => start('camera')}>${icons.camera}Start camera</button>
    ${canShareScreen ? html`<button part="action" class="second" type="button" @click=${() => start('screen')}>${icons.screen}Share screen</button>` : nothing}
  </span>`;
}

/** Other buttons in a notice, the first of which is the one to press. */
export function noticeButtons(buttons: readonly { readonly label: string; readonly action: () => void }[]): TemplateResult {
  return html`<span class="actions">${buttons.map(({ label, action }, index) => html`<button part="action" class=${index === 0 ? '' : 'second'} type="button" @click=${action}>${label}</button>`)}</span>`;
}

/** The bar while something is open. */
export function bar(model: { readonly input: PublisherInput; readonly hasOther: boolean; readonly canShareScreen: boolean }, actions: PublisherActions): TemplateResult {
  const button = (label: string, picture: TemplateResult, action: () => void): TemplateResult =>
    html`<button part="button" type="button" aria-label=${label} title=${label} @click=${action}>${picture}</button>`;
  return html`<div part="controls" class="bar" role="toolbar" aria-label="Publisher">
    <button part="button" class="stop" type="button" @click=${actions.stop}>${icons.stop}Stop</button>
    <span class="grow"></span>
    ${model.input === 'screen' ? button('Use the camera', icons.camera, () => actions.start('camera')) : nothing}
    ${model.input === 'camera' && model.canShareScreen ? button('Share the screen', icons.screen, () => actions.start('screen')) : nothing}
    ${model.input === 'camera' && model.hasOther ? button('Switch camera', icons.turn, actions.nextCamera) : nothing}
  </div>`;
}
