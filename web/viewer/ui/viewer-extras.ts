import { html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { streamName } from '../../connection/stream-address.ts';
import { type Fit, FITS } from '../fit.ts';
import { type Placement, WHOLE_VIEW } from '../picture-geometry.ts';
import type { Snapshot, SnapshotFormat, ViewerState, ViewerStats } from '../viewer-messages.ts';
import { PictureView } from './picture-view.ts';
import { statsPanel } from './stats-panel.ts';
import { type ControlsActions, controls, keyAction } from './viewer-controls.ts';

export { extraStyles } from './viewer-extra-styles.ts';

/** Time after which the memory of a saved snapshot is freed. */
const DOWNLOAD_MS = 10_000;

/** The part of the viewer's public API that is used here. */
interface ExtendedViewer extends HTMLElement {
  showStats: boolean;
  mirror: boolean;
  rotate: number;
  fit: Fit;
  readonly src: string;
  readonly controls: boolean;
  readonly paused: boolean;
  readonly port: number | null;
  readonly rights: readonly string[];
  readonly spectatorReason: string | null;
  readonly state: ViewerState;
  readonly stats: ViewerStats;
  readonly statsHistory: readonly ViewerStats[];
  pause(): void;
  resume(): void;
  snapshot(format: SnapshotFormat): Promise<Snapshot | null>;
}

/** Control bar, keyboard shortcuts, zoom and statistics of a viewer. Loaded on demand. */
export class ViewerExtras {
  readonly #viewer: ExtendedViewer;
  readonly #picture: HTMLElement;
  readonly #onView: () => void;
  #view: PictureView | null = null;

  /**
   * @param picture the box whose content is zoomed.
   * @param onView called when zoom or position of the picture has changed.
   */
  constructor(viewer: ExtendedViewer, picture: HTMLElement, onView: () => void) {
    this.#viewer = viewer;
    this.#picture = picture;
    this.#onView = onView;
  }

  /** Zoom factor, and distance of the picture's centre from that of its box, as a fraction of the box. */
  get view(): Pick<Placement, 'zoom' | 'x' | 'y'> {
    return this.#view ?? WHOLE_VIEW;
  }

  /** Handles gestures while the control bar is shown. */
  update(): void {
    const isInteractive = this.#viewer.controls;
    if (isInteractive === (this.#view !== null)) return;
    this.#picture.classList.toggle('interactive', isInteractive);
    if (isInteractive) {
      this.#view = new PictureView(this.#picture, this.#onView);
      return;
    }
    this.#view?.reset();
    this.#view?.close();
    this.#view = null;
  }

  render(): TemplateResult {
    const { showStats, statsHistory, controls: hasControls, state } = this.#viewer;
    const bar = hasControls && state !== 'refused' ? this.#controls() : nothing;
    return html`${showStats ? statsPanel(statsHistory) : nothing}${bar}`;
  }

  keydown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event) || this.#view === null) return;
    const action = keyAction(event.key, this.#actions, this.#view);
    if (action === null) return;
    event.preventDefault();
    action();
  }

  #controls(): TemplateResult {
    const { paused, port, rights, spectatorReason, showStats, mirror, rotate, fit, state, stats } = this.#viewer;
    const identity = port !== null ? `Port ${port}` : rights.length > 0 ? 'View only' : '';
    return controls(
      {
        isPaused: paused,
        identity,
        identityTitle: spectatorReason ?? identity,
        isZoomed: this.view.zoom > 1,
        showsStats: showStats,
        isMirrored: mirror,
        isFullscreen: document.fullscreenElement === this.#viewer,
        rotation: rotate,
        fit,
        // Statistics are refreshed twice per second; the state changes earlier.
        hasPicture: stats.painted > 0 || (state !== 'connecting' && state !== 'waiting'),
      },
      this.#actions,
    );
  }

  readonly #actions: ControlsActions = {
    togglePause: () => (this.#viewer.paused ? this.#viewer.resume() : this.#viewer.pause()),
    saveSnapshot: () => runInBackground(this.#saveSnapshot()),
    toggleStats: () => (this.#viewer.showStats = !this.#viewer.showStats),
    rotate: () => (this.#viewer.rotate = (this.#viewer.rotate + 90) % 360),
    toggleMirror: () => (this.#viewer.mirror = !this.#viewer.mirror),
    nextFit: () => (this.#viewer.fit = FITS[(FITS.indexOf(this.#viewer.fit) + 1) % FITS.length] ?? 'contain'),
    resetZoom: () => this.#view?.reset(),
    // Rejects in an iframe without permission, and then changes nothing.
    toggleFullscreen: () => runInBackground(this.#toggleFullscreen(), () => undefined),
  };

  #toggleFullscreen(): Promise<void> {
    const isFullscreen = document.fullscreenElement === this.#viewer;
    return isFullscreen ? document.exitFullscreen() : this.#viewer.requestFullscreen();
  }

  async #saveSnapshot(): Promise<void> {
    const received = await this.#viewer.snapshot('received');
    // Samples are saved as PNG.
    const isPicture = received?.encoding === 'jpeg' || received?.encoding === 'png';
    const snapshot = isPicture ? received : await this.#viewer.snapshot('png');
    if (snapshot === null) return;
    const link = document.createElement('a');
    link.href = URL.createObjectURL(snapshot.blob);
    link.download = `${streamName(this.#viewer.src) ?? 'stream'}-${snapshot.sequence}.${snapshot.encoding === 'jpeg' ? 'jpg' : 'png'}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_MS);
  }
}

/** Whether a key was pressed in an input field in one of the viewer's slots. */
function isTyping(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}
