import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { ChannelController } from './channel-controller.ts';
import type { ControlChannel } from './control-channel.ts';
import { deviceStyles } from './device-styles.ts';
import type { StopState } from './stop-latch.ts';

const LABELS: Readonly<Record<StopState, string>> = {
  ready: 'Stop',
  stopping: 'Stopping…',
  stopped: 'Stopped',
  clearing: 'Stop',
};

const HINTS: Readonly<Record<StopState, string>> = {
  ready: 'Emergency stop',
  stopping: 'Waiting for the server to confirm the stop. Press to send it again',
  stopped: 'The server has stopped. Press “Reset” to continue',
  clearing: 'Waiting for the server to confirm the reset. Press to stop again',
};

const NOT_HERE = 'The server has stopped. The viewer that has control can reset it';

/**
 * An emergency stop, above everything else in the window. It releases all devices of its viewer, and sends `stop: true`
 * ahead of other return data until it is reset. The reset button appears when the server has confirmed the stop in its
 * message, with `stop: true`. Devices can be used again when the server confirms the reset, with `stop: false`. The
 * element also works without control of the stream; the reset then only withdraws this viewer's own stop.
 *
 * @tag gearway-stop
 * @summary Emergency stop.
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} inline - stays in the normal flow of the page instead of above everything
 * @csspart button - the button that stops
 * @csspart reset - the button that clears the stop
 * @cssstate ready
 * @cssstate stopping
 * @cssstate stopped
 * @cssstate clearing
 */
export class GearwayStop extends LitElement {
  static override styles = [
    deviceStyles,
    css`
      [popover] {
        position: fixed;
        inset: auto 16px 16px auto;
        margin: 0;
        padding: 0;
        overflow: visible;
        border: 0;
        background: none;
        pointer-events: auto;
      }
      .row {
        flex-wrap: nowrap;
        justify-content: flex-end;
      }
      .stop {
        min-width: 128px;
        min-height: 56px;
        border: 3px solid #fff;
        border-radius: 28px;
        background: #c81e1e;
        box-shadow: 0 2px 10px #0007;
        color: #fff;
        font-size: 1.125rem;
        font-weight: 600;
      }
      .stop.stopping {
        background: #7a1414;
      }
      .stop.stopped {
        border-color: #111;
        background: #ffd24d;
        color: #111;
      }
      .reset {
        border-color: #111;
        background: #fff;
        box-shadow: 0 2px 10px #0007;
        color: #111;
      }
      .reset:disabled {
        opacity: 1;
        color: #5a5a5a;
      }
    `,
  ];
  static override properties = { viewer: { type: String }, inline: { type: Boolean } };

  declare viewer: string;
  declare inline: boolean;
  readonly #internals = this.attachInternals();
  #channel: ControlChannel | null = null;
  #state: StopState = 'ready';
  /** Function that ends {@link #follow}; used by the second button. */
  #end: () => void = () => undefined;
  /** A second button inside a dialog or a full-screen element, because these block everything outside of them. */
  #twin: GearwayStop | null = null;
  /** Channel of the first button; used by the second button. */
  #givenChannel: ControlChannel | null = null;

  constructor() {
    super();
    this.viewer = '';
    this.inline = false;
    // The second button gets its channel from the first one.
    new ChannelController(
      this,
      (channel) => this.#follow(channel),
      () => (this.#givenChannel === null ? '' : null),
    );
    this.#internals.states.add('ready');
  }

  get state(): StopState {
    return this.#state;
  }

  /** Stops immediately. */
  stop(): void {
    this.#channel?.stop();
  }

  /** Requests a reset. Has an effect only after the server has confirmed the stop. */
  clear(): void {
    this.#channel?.clearStop();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    const given = this.#givenChannel;
    if (given !== null) {
      this.#end = this.#follow(given);
      return;
    }
    document.addEventListener('fullscreenchange', this.#onTop);
    for (const type of ['toggle', 'close']) document.addEventListener(type, this.#onTop, { capture: true });
    if (this.hasUpdated) this.#onTop();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#end();
    this.#twin?.remove();
    this.#twin = null;
    document.removeEventListener('fullscreenchange', this.#onTop);
    for (const type of ['toggle', 'close']) document.removeEventListener(type, this.#onTop, { capture: true });
  }

  #follow(channel: ControlChannel): () => void {
    this.#channel = channel;
    this.#show(channel.stopState);
    const end = channel.onStopState((state) => this.#show(state));
    this.#onTop();
    return () => {
      end();
      this.#channel = null;
      this.requestUpdate();
    };
  }

  protected override firstUpdated(): void {
    this.#onTop();
  }

  protected override render(): TemplateResult {
    const state = this.#state;
    const hasViewer = this.#channel !== null;
    const isResetting = state === 'clearing';
    const canReset = this.#channel?.canClearStop === true;
    const hint = state === 'stopped' && !canReset ? NOT_HERE : HINTS[state];
    const reset = html`<button
      part="reset"
      type="button"
      class="reset"
      ?disabled=${isResetting}
      @click=${() => this.clear()}
    >
      ${isResetting ? 'Resetting…' : 'Reset'}
    </button>`;
    const row = html`<div class="row">
      ${(state === 'stopped' && canReset) || isResetting ? reset : nothing}
      <button
        part="button"
        type="button"
        class=${`stop ${state}`}
        aria-disabled=${hasViewer ? 'false' : 'true'}
        title=${hasViewer ? hint : 'There is no viewer to stop'}
        @pointerdown=${this.#onPress}
        @click=${this.#onClick}
      >
        ${hasViewer ? LABELS[state] : 'No viewer'}
      </button>
    </div>`;
    return html`${this.inline ? row : html`<div popover="manual">${row}</div>`}
      <span class="announcement" role="alert">${state === 'ready' ? '' : hint}</span>`;
  }

  /** Stops on the press, not on the release. */
  readonly #onPress = (event: PointerEvent): void => {
    if (event.button === 0) this.stop();
  };

  /** A click by the keyboard or an assistive technology has no pointer press. */
  readonly #onClick = (event: MouseEvent): void => {
    if (event.detail === 0) this.stop();
  };

  #show(state: StopState): void {
    this.#internals.states.delete(this.#state);
    this.#internals.states.add(state);
    this.#state = state;
    this.requestUpdate();
  }

  /** Called when an element may have entered or left the top layer. */
  readonly #onTop = (event?: Event): void => {
    if (!this.hasUpdated || !this.isConnected) return;
    this.#raise();
    if (this.#givenChannel !== null) return;
    const blockers = [...document.querySelectorAll(':modal')].filter((element) => !containsDeep(element, this));
    const opened = blockers.find((element) => element === event?.target);
    const blocker = opened ?? (this.#twin !== null && blockers.find((element) => element === this.#twin?.parentNode));
    this.#blockedBy(blocker || blockers.at(-1) || null);
  };

  #blockedBy(blocker: Element | null): void {
    if (this.#twin !== null && this.#twin.parentNode !== blocker) {
      this.#twin.remove();
      this.#twin = null;
    }
    if (this.#twin === null && blocker !== null && this.#channel !== null) {
      const twin = new GearwayStop();
      twin.#givenChannel = this.#channel;
      this.#twin = twin;
      blocker.append(twin);
    } else if (this.#twin !== null) {
      this.#twin.#raise();
    }
  }

  /** The popover that is shown last is topmost. */
  #raise(): void {
    const box = this.renderRoot.querySelector<HTMLElement>('[popover]');
    if (box === null) return;
    const focused = this.shadowRoot?.activeElement ?? null;
    // Hiding takes effect with the next rendering; showing it before that would leave its position unchanged.
    const { parentNode, nextSibling } = box;
    box.remove();
    parentNode?.insertBefore(box, nextSibling);
    box.showPopover();
    if (focused instanceof HTMLElement) focused.focus();
  }
}

/** Whether an element contains another one, which may be in a shadow tree. */
function containsDeep(container: Element, element: Element): boolean {
  const root = element.getRootNode();
  return container.contains(element) || (root instanceof ShadowRoot && containsDeep(container, root.host));
}
