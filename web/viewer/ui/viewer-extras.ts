import { html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { FITS } from '../fit.ts';
import type { GearwayViewer } from '../gearway-viewer.ts';
import { PictureView } from './picture-view.ts';
import { statsPanel } from './stats-panel.ts';
import { type ControlsActions, controls, keyAction } from './viewer-controls.ts';

export { extraStyles } from './viewer-extra-styles.ts';

/** Bar, keys, zoom and statistics of one viewer, who loads them when it has to show them. Uses what any page can use. */
export class ViewerExtras {
  readonly #viewer: GearwayViewer;
  readonly #picture: HTMLElement;
  readonly #zoomed: () => void;
  #view: PictureView | null = null;

  /**
   * @param picture the box whose content is zoomed.
   * @param zoomed called when the zoom has changed.
   */
  constructor(viewer: GearwayViewer, picture: HTMLElement, zoomed: () => void) {
    this.#viewer = viewer;
    this.#picture = picture;
    this.#zoomed = zoomed;
  }

  get zoom(): number {
    return this.#view?.zoom ?? 1;
  }

  /** Listens to gestures while there is a bar. */
  update(): void {
    const wanted = this.#viewer.controls;
    if (wanted === (this.#view !== null)) return;
    this.#picture.classList.toggle('interactive', wanted);
    if (wanted) {
      this.#view = new PictureView(this.#picture, this.#zoomed);
      return;
    }
    this.#view?.reset();
    this.#view?.close();
    this.#view = null;
  }

  render(): TemplateResult {
    const viewer = this.#viewer;
    return html`${viewer.showStats ? statsPanel(viewer.statsHistory) : nothing}${viewer.controls && viewer.state !== 'refused' ? this.#controls() : nothing}`;
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
    const seat = port !== null ? `Port ${port}` : rights.length > 0 ? 'Watching only' : '';
    return controls(
      {
        isPaused: paused,
        seat,
        seatTitle: spectatorReason ?? seat,
        isZoomed: this.zoom > 1,
        showsStats: showStats,
        isMirrored: mirror,
        isFullscreen: document.fullscreenElement === this.#viewer,
        rotation: rotate,
        fit,
        // The figures come twice a second; the state comes first.
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
    showWhole: () => this.#view?.reset(),
    // Refused where the frame that we are in may not: nothing is left half done.
    toggleFullscreen: () => runInBackground(document.fullscreenElement === this.#viewer ? document.exitFullscreen() : this.#viewer.requestFullscreen(), () => undefined),
  };

  async #saveSnapshot(): Promise<void> {
    const isJpeg = this.#viewer.stats.encoding === 'jpeg';
    const snapshot = await this.#viewer.snapshot(isJpeg ? 'received' : 'png');
    if (snapshot === null) return;
    const stream = this.#viewer.src.split(/[/?#]/).filter(Boolean).at(-1) ?? 'stream';
    const link = document.createElement('a');
    link.href = URL.createObjectURL(snapshot.blob);
    link.download = `${stream}-${snapshot.sequence}.${isJpeg ? 'jpg' : 'png'}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

/** Whether a key goes into a field that somebody has put into one of the viewer's slots. */
function isTyping(event: KeyboardEvent): boolean {
  const [target] = event.composedPath();
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'));
}
