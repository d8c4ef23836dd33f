import { html, nothing, type TemplateResult } from 'lit';
import { icons } from './publisher-icons.ts';
import type { PublisherInput } from '../publisher-messages.ts';

/** What the buttons do. */
export interface PublisherActions {
  readonly start: (input: PublisherInput) => void;
  readonly stop: () => void;
  readonly again: () => void;
  readonly takeOver: () => void;
  readonly nextCamera: () => void;
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
