import { html, nothing, type TemplateResult } from 'lit';
import type { PublisherInput } from '../../capture/capture-types.ts';
import { icons } from './publisher-icons.ts';

/** Actions of the buttons. */
export interface PublisherActions {
  readonly start: (input: PublisherInput) => void;
  readonly stop: () => void;
  readonly retry: () => void;
  readonly takeOver: () => void;
  readonly switchCamera: () => void;
}

/** The part of the publisher's state that the control bar shows. */
interface BarModel {
  readonly input: PublisherInput;
  readonly hasOtherCamera: boolean;
  readonly canShareScreen: boolean;
}

/** The buttons of the notice before the start. */
export function startButtons(canShareScreen: boolean, { start }: PublisherActions): TemplateResult {
  const screen = html`<button part="action" class="second" type="button" @click=${() => start('screen')}>
    ${icons.screen}Share screen
  </button>`;
  return html`<span class="actions">
    <button part="action" type="button" @click=${() => start('camera')}>${icons.camera}Start camera</button>
    ${canShareScreen ? screen : nothing}
  </span>`;
}

/** Buttons of other notices. The first one is the default action. */
export function noticeButtons(
  buttons: readonly { readonly label: string; readonly action: () => void }[],
): TemplateResult {
  const button = (label: string, action: () => void, className: string): TemplateResult =>
    html`<button part="action" class=${className} type="button" @click=${action}>${label}</button>`;
  return html`<span class="actions"
    >${buttons.map(({ label, action }, index) => button(label, action, index === 0 ? '' : 'second'))}</span
  >`;
}

/** The control bar while a camera or screen is open. */
export function controlBar(model: BarModel, actions: PublisherActions): TemplateResult {
  const { input, hasOtherCamera, canShareScreen } = model;
  const { start, stop, switchCamera } = actions;
  const button = (label: string, icon: TemplateResult, action: () => void): TemplateResult =>
    html`<button part="button" type="button" aria-label=${label} title=${label} @click=${action}>${icon}</button>`;
  return html`<div part="controls" class="bar" role="toolbar" aria-label="Publisher">
    <button part="button" class="stop" type="button" @click=${stop}>${icons.stop}Stop</button>
    <span class="grow"></span>
    ${input === 'screen' ? button('Use camera', icons.camera, () => start('camera')) : nothing}
    ${input === 'camera' && canShareScreen ? button('Share screen', icons.screen, () => start('screen')) : nothing}
    ${input === 'camera' && hasOtherCamera ? button('Switch camera', icons.turn, switchCamera) : nothing}
  </div>`;
}
