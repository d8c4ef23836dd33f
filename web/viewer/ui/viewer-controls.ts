import { html, nothing, type TemplateResult } from 'lit';
import type { Fit } from '../fit.ts';
import { icons } from './viewer-icons.ts';

/** What the bar shows, and what its buttons do. */
export interface ControlsModel {
  readonly isPaused: boolean;
  readonly seat: string;
  readonly seatTitle: string;
  readonly isZoomed: boolean;
  readonly showsStats: boolean;
  readonly isMirrored: boolean;
  readonly isFullscreen: boolean;
  readonly rotation: number;
  readonly fit: Fit;
  readonly hasPicture: boolean;
}

export interface ControlsActions {
  readonly togglePause: () => void;
  readonly saveSnapshot: () => void;
  readonly toggleStats: () => void;
  readonly rotate: () => void;
  readonly toggleMirror: () => void;
  readonly nextFit: () => void;
  readonly showWhole: () => void;
  readonly toggleFullscreen: () => void;
}

const FITS: Readonly<Record<Fit, string>> = { contain: 'whole picture', cover: 'fills the box', none: 'one to one' };

/** The bar below the picture. Each button has a key, which `keyAction` knows. */
export function controls(model: ControlsModel, actions: ControlsActions): TemplateResult {
  const button = (label: string, key: string, picture: TemplateResult, action: () => void, pressed: boolean | null = null, disabled = false): TemplateResult =>
    html`<button
      part="button"
      type="button"
      aria-label=${label}
      title=${`${label} (${key})`}
      aria-keyshortcuts=${key}
      aria-pressed=${pressed === null ? nothing : pressed}
      ?disabled=${disabled}
      @click=${action}
    >
      ${picture}
    </button>`;
  return html`<div part="controls" class="controls" role="toolbar" aria-label="Picture">
    ${button(model.isPaused ? 'Resume' : 'Pause', 'K', model.isPaused ? icons.resume : icons.pause, actions.togglePause)}
    <span class="seat" title=${model.seatTitle}>${model.seat}</span>
    <span class="grow"></span>
    ${model.isZoomed ? button('Show the whole picture', '0', icons.whole, actions.showWhole) : nothing}
    ${button('Save a snapshot', 'S', icons.snapshot, actions.saveSnapshot, null, !model.hasPicture)}
    ${button('Statistics', 'I', icons.stats, actions.toggleStats, model.showsStats)}
    ${button(`Rotate, now ${model.rotation}°`, 'R', icons.rotate, actions.rotate)}
    ${button('Mirror', 'M', icons.mirror, actions.toggleMirror, model.isMirrored)}
    ${button(`Fit, now ${FITS[model.fit]}`, 'C', icons.fit, actions.nextFit)}
    ${button('Full screen', 'F', icons.fullscreen, actions.toggleFullscreen, model.isFullscreen)}
  </div>`;
}

/** What a key does while the picture or one of its buttons has the focus; null for a key that is not ours. */
export function keyAction(key: string, actions: ControlsActions, view: { zoomIn(): void; zoomOut(): void; panBy(x: number, y: number): void; readonly zoom: number }): (() => void) | null {
  const pan = (x: number, y: number): (() => void) | null => (view.zoom > 1 ? () => view.panBy(x, y) : null);
  switch (key.toLowerCase()) {
    case 'k':
      return actions.togglePause;
    case 's':
      return actions.saveSnapshot;
    case 'i':
      return actions.toggleStats;
    case 'r':
      return actions.rotate;
    case 'm':
      return actions.toggleMirror;
    case 'c':
      return actions.nextFit;
    case 'f':
      return actions.toggleFullscreen;
    case '0':
      return actions.showWhole;
    case '+':
    case '=':
      return () => view.zoomIn();
    case '-':
      return () => view.zoomOut();
    case 'arrowleft':
      return pan(40, 0);
    case 'arrowright':
      return pan(-40, 0);
    case 'arrowup':
      return pan(0, 40);
    case 'arrowdown':
      return pan(0, -40);
    default:
      return null;
  }
}
