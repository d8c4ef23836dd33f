import { runInBackground } from '../../background.ts';
import type { Placement, Rect } from '../picture-geometry.ts';
import { closeOverlay, Composer } from './composer.ts';
import type {
  OverlayCallback,
  OverlayCommand,
  OverlayEvent,
  OverlaySettings,
  OverlayView,
  ShownFrame,
} from './overlay-commands.ts';

/** How the overlays of an element are drawn. */
export type OverlayOptions = Omit<OverlaySettings, 'hasCallback'> & { readonly callback: OverlayCallback | null };

const STYLES = `
  .composed > canvas:first-child,
  canvas.page {
    top: 0;
    left: 0;
    width: var(--composed-width);
    height: var(--composed-height);
    object-fit: contain;
    transform: none;
  }
  .called > canvas:first-child {
    visibility: hidden;
  }
`;

/** The page's side of overlays: settings and view for the session, and the canvas for a callback. Loaded on demand. */
export class OverlayHost {
  readonly #box: HTMLElement;
  readonly #send: (command: OverlayCommand) => void;
  readonly #onProblem: (problem: string | null) => void;
  /** The status chip above the picture; null without one. */
  readonly #chip: HTMLElement | null;
  #options: OverlayOptions = { path: null, classes: null, minScore: 0, callback: null };
  #placement: Placement | null = null;
  #page: { readonly canvas: HTMLCanvasElement; readonly composer: Composer } | null = null;
  #hasReportedError = false;
  #hasReportedProblem = false;

  /**
   * @param box element that contains the session's canvas.
   * @param send function that sends a command to the session, if there is one.
   * @param onProblem called when a part is not drawn, and with null when everything is drawn again.
   */
  constructor(box: HTMLElement, send: (command: OverlayCommand) => void, onProblem: (problem: string | null) => void) {
    this.#box = box;
    this.#send = send;
    this.#onProblem = (problem) => {
      // Logged once per element, because the problem may change with every frame.
      if (problem !== null && !this.#hasReportedProblem) console.warn(`gearway-viewer: ${problem}`);
      this.#hasReportedProblem ||= problem !== null;
      onProblem(problem);
    };
    const styles = new CSSStyleSheet();
    styles.replaceSync(STYLES);
    const root = box.getRootNode();
    this.#chip = root instanceof ShadowRoot ? root.querySelector('[part=status]') : null;
    if (root instanceof ShadowRoot) root.adoptedStyleSheets.push(styles);
    // Observed because its text, and therefore its size, changes. The observer ends with the chip, and therefore with
    // the element.
    if (this.#chip !== null) new ResizeObserver(() => this.#sendView()).observe(this.#chip);
  }

  setOptions(options: OverlayOptions): void {
    if (options.callback !== this.#options.callback) this.#hasReportedError = false;
    this.#options = options;
    this.#updatePage();
    this.#sendSettings();
    this.#page?.composer.redraw();
  }

  /** @param placement position of the picture; null without a picture or a layout. */
  setPlacement(placement: Placement | null): void {
    this.#placement = placement;
    if (placement === null) return;
    this.#sendView();
    const ratio = devicePixelRatio;
    // The canvas has one pixel per pixel of the screen.
    this.#box.style.setProperty('--composed-width', `${Math.ceil(placement.boxWidth * ratio) / ratio}px`);
    this.#box.style.setProperty('--composed-height', `${Math.ceil(placement.boxHeight * ratio) / ratio}px`);
    this.#page?.composer.redraw();
  }

  /** Called for a new session with a new canvas. */
  opened(): void {
    this.closed();
    this.#box.classList.remove('composed', 'called');
    this.#updatePage();
    this.#sendSettings();
    this.#sendView();
  }

  /** Called when the session has ended: the picture stays on the canvas, but is not drawn again. Idempotent. */
  closed(): void {
    this.#page?.composer.close();
    this.#page = null;
  }

  event(event: OverlayEvent): void {
    switch (event.kind) {
      case 'composing':
        this.#box.classList.add('composed');
        return;
      case 'picture':
        runInBackground(this.#present(event));
        return;
      case 'problem':
        this.#onProblem(event.problem);
        return;
      default:
        event satisfies never;
    }
  }

  /** Adds a canvas while there is a callback, because the page cannot draw on the session's canvas. */
  #updatePage(): void {
    const isWanted = this.#options.callback !== null;
    if (isWanted && this.#page === null) {
      const canvas = document.createElement('canvas');
      canvas.className = 'page';
      canvas.setAttribute('aria-hidden', 'true');
      const composer = new Composer(canvas, canvas.getContext('2d'), (context, frame) =>
        this.#call(context as CanvasRenderingContext2D, frame),
      );
      this.#page = { canvas, composer };
      this.#box.append(canvas);
      if (this.#placement !== null) composer.setView(this.#view(this.#placement));
    } else if (!isWanted && this.#page !== null) {
      this.#page.composer.close();
      this.#page.canvas.remove();
      this.#page = null;
      this.#box.classList.remove('called');
    }
    this.#page?.composer.setSettings(this.#settings());
  }

  async #present({ frame, source }: Extract<OverlayEvent, { kind: 'picture' }>): Promise<void> {
    const composer = this.#page?.composer;
    const prepared = await composer?.prepare(frame);
    if (composer === undefined || prepared === undefined || this.#page?.composer !== composer) {
      if ('close' in source) source.close();
      closeOverlay(prepared ?? null);
    } else {
      composer.show(frame, source, prepared);
      this.#box.classList.add('called');
      this.#onProblem(composer.problem);
    }
    this.#send({ kind: 'presented' });
  }

  #call(context: CanvasRenderingContext2D, frame: ShownFrame): void {
    try {
      this.#options.callback?.(context, frame.message, frame);
    } catch (error) {
      // Logged once per callback, because it is called with every frame.
      if (!this.#hasReportedError) reportError(error);
      this.#hasReportedError = true;
    }
  }

  #settings(): OverlaySettings {
    const { path, classes, minScore, callback } = this.#options;
    return { path, classes, minScore, hasCallback: callback !== null };
  }

  #sendSettings(): void {
    this.#send({ kind: 'settings', settings: this.#settings() });
  }

  #sendView(): void {
    if (this.#placement === null) return;
    const view = this.#view(this.#placement);
    this.#send({ kind: 'view', view });
    this.#page?.composer.setView(view);
  }

  #view(placement: Placement): OverlayView {
    return { placement, pixelRatio: devicePixelRatio, chip: this.#chipRect() };
  }

  /** Position of the chip in the box. The box is at the same position as the chip's parent. */
  #chipRect(): Rect | null {
    if (this.#chip === null || this.#chip.offsetWidth === 0) return null;
    const { offsetLeft: x, offsetTop: y, offsetWidth: width, offsetHeight: height } = this.#chip;
    return { x, y, width, height };
  }
}
