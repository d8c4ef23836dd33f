import { html, nothing, type TemplateResult } from 'lit';
import type { Fit } from '../fit.ts';
import { icons } from './viewer-icons.ts';

/** The part of the viewer's state that the control bar shows. */
interface ControlsModel {
  readonly isPaused: boolean;
  readonly identity: string;
  readonly identityTitle: string;
  readonly isZoomed: boolean;
  readonly showsStats: boolean;
  readonly isMirrored: boolean;
  readonly isFullscreen: boolean;
  readonly rotation: number;
  readonly fit: Fit;
  readonly hasPicture: boolean;
}

/** Actions of the buttons. */
export interface ControlsActions {
  readonly togglePause: () => void;
  readonly saveSnapshot: () => void;
  readonly toggleStats: () => void;
  readonly rotate: () => void;
  readonly toggleMirror: () => void;
  readonly nextFit: () => void;
  readonly resetZoom: () => void;
  readonly toggleFullscreen: () => void;
}

const FIT_LABELS: Readonly<Record<Fit, string>> = { contain: 'contain', cover: 'cover', none: 'actual size' };

/** The control bar. Each button has a keyboard shortcut, handled by {@link keyAction}. */
export function controls(model: ControlsModel, actions: ControlsActions): TemplateResult {
  const button = (
    label: string,
    key: string,
    icon: TemplateResult,
    action: () => void,
    {
      isPressed = null,
      isDisabled = false,
      isMinor = false,
    }: { isPressed?: boolean | null; isDisabled?: boolean; isMinor?: boolean } = {},
  ): TemplateResult =>
    html`<button
      part="button"
      class=${isMinor ? 'minor' : nothing}
      type="button"
      aria-label=${label}
      title=${`${label} (${key})`}
      aria-keyshortcuts=${key}
      aria-pressed=${isPressed ?? nothing}
      ?disabled=${isDisabled}
      @click=${action}
    >
      ${icon}
    </button>`;
  const { isPaused, showsStats, isMirrored, isFullscreen, hasPicture } = model;
  const pauseIcon = isPaused ? icons.resume : icons.pause;
  return html`<div part="controls" class="controls" role="toolbar" aria-label="Picture">
    ${button(isPaused ? 'Resume' : 'Pause', 'K', pauseIcon, actions.togglePause)}
    <span class="identity" title=${model.identityTitle}>${model.identity}</span>
    <span class="grow"></span>
    ${model.isZoomed ? button('Reset zoom', '0', icons.whole, actions.resetZoom) : nothing}
    ${button('Save snapshot', 'S', icons.snapshot, actions.saveSnapshot, { isDisabled: !hasPicture })}
    ${button('Statistics', 'I', icons.stats, actions.toggleStats, { isPressed: showsStats })}
    ${button(`Rotate: ${model.rotation}°`, 'R', icons.rotate, actions.rotate, { isMinor: true })}
    ${button('Mirror', 'M', icons.mirror, actions.toggleMirror, { isPressed: isMirrored, isMinor: true })}
    ${button(`Fit: ${FIT_LABELS[model.fit]}`, 'C', icons.fit, actions.nextFit, { isMinor: true })}
    ${button('Full screen', 'F', icons.fullscreen, actions.toggleFullscreen, { isPressed: isFullscreen })}
  </div>`;
}

/** Zoom and pan, for the shortcuts. */
interface ZoomView {
  readonly zoom: number;
  zoomIn(): void;
  zoomOut(): void;
  panBy(x: number, y: number): void;
}

/** Action of a keyboard shortcut, while the picture or one of its buttons has the focus; null for other keys. */
export function keyAction(key: string, actions: ControlsActions, view: ZoomView): (() => void) | null {
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
      return actions.resetZoom;
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
