import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { errorText } from '../../shared/errors.ts';
import { runInBackground } from '../background.ts';
import type { ControlRequest, GearwayViewer, ViewerControl } from '../viewer/gearway-viewer.ts';
import { ChannelController } from './channel-controller.ts';
import { deviceStyles } from './device-styles.ts';

/** State of the element: `none` without a connection, and if control of the stream is shared. */
type ControlState = 'none' | 'free' | 'mine' | 'taken' | 'requested';

/**
 * Shows who has control of a stream with exclusive control, and has buttons to take, request and release control, and
 * to answer the requests of other viewers. The element is empty if control is shared.
 *
 * @tag gearway-control
 * @summary Shows and changes the holder of control.
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @csspart holder - who has control
 * @csspart action - the button that takes, requests or releases control, or withdraws the request
 * @csspart request - the request of another viewer
 * @csspart grant - the button that hands over control
 * @csspart refuse - the button that refuses
 * @csspart reason - why this viewer did not get control, or lost it
 * @cssstate free
 * @cssstate mine
 * @cssstate taken
 * @cssstate requested - another viewer has control, and the request of this viewer is pending
 */
export class GearwayControl extends LitElement {
  static override styles = [
    deviceStyles,
    css`
      :host(:not(:state(free), :state(mine), :state(taken), :state(requested))) {
        display: none;
      }
      .row {
        row-gap: 8px;
      }
      .holder {
        display: flex;
        align-items: center;
        gap: 8px;
        min-width: 0;
        overflow-wrap: anywhere;
        font-weight: 600;
      }
      .dot {
        flex: none;
        box-sizing: border-box;
        width: 10px;
        height: 10px;
        border: 2px solid currentColor;
        border-radius: 50%;
      }
      .mine .dot {
        background: currentColor;
      }
      .taken .dot {
        opacity: 0.5;
        background: currentColor;
      }
      .requests {
        margin-top: 8px;
        container-type: inline-size;
      }
      /* Always shown while in control, because the devices below must not move while they are used. */
      .room {
        min-height: 58px;
      }
      .request {
        display: flex;
        align-items: center;
        gap: 8px;
        padding: 8px 8px 8px 12px;
        border: 1px solid #111;
        border-radius: 6px;
        background: #ffd24d;
        color: #111;
        font-weight: 600;
      }
      /* Two lines, as high as the buttons, that end with an ellipsis. Unlike nowrap, this does not widen columns. */
      .request .who {
        display: -webkit-box;
        flex: 1;
        min-width: 0;
        overflow: hidden;
        line-height: 1.25;
        overflow-wrap: anywhere;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 2;
      }
      /* The name is above the buttons, and readable in a narrow column beside the picture. */
      @container (max-width: 359px) {
        .room {
          min-height: 92px;
        }
        .request {
          flex-wrap: wrap;
          padding-left: 8px;
        }
        .request .who {
          flex-basis: 100%;
          padding-left: 4px;
          -webkit-line-clamp: 1;
        }
        .request button {
          flex: 1;
        }
      }
      .request button {
        white-space: nowrap;
        border-color: #111;
        background: #fff;
        color: #111;
      }
      .reason::first-letter {
        text-transform: uppercase;
      }
    `,
  ];
  static override properties = { viewer: { type: String } };

  declare viewer: string;
  readonly #internals = this.attachInternals();
  #controlled: GearwayViewer | null = null;
  #state: ControlState = 'none';
  #reason = '';

  constructor() {
    super();
    this.viewer = '';
    new ChannelController(this, (_channel, viewer) => this.#follow(viewer));
  }

  protected override render(): TemplateResult | typeof nothing {
    const control = this.#controlled?.control ?? null;
    if (control === null) return nothing;
    return html`<div class=${`row ${control.state}`}>
        <span part="holder" class="holder"><span class="dot"></span><span role="status">${holderText(control)}</span></span>
        ${this.#actionTemplate(control)}
        <span part="reason" class="reason" role="status">${this.#reason}</span>
      </div>
      ${control.state === 'mine' ? html`<div class="requests" role="alert"><div class="room">${this.#requestTemplate(control.requests)}</div></div>` : nothing}`;
  }

  #actionTemplate({ state, isRequested }: ViewerControl): TemplateResult | typeof nothing {
    const viewer = this.#controlled;
    // Spectators only see who has control.
    if (viewer === null || viewer.port === null) return nothing;
    const [label, act] =
      state === 'free'
        ? ['Take control', () => viewer.takeControl()]
        : state === 'mine'
          ? ['Release', () => viewer.releaseControl()]
          : isRequested
            ? ['Withdraw request', () => viewer.releaseControl()]
            : ['Request control', () => viewer.requestControl()];
    return html`<button part="action" type="button" @click=${(event: MouseEvent) => this.#act(event, act)}>
      ${label}
    </button>`;
  }

  /** The oldest request, and the number of others. */
  #requestTemplate([request, ...more]: readonly ControlRequest[]): TemplateResult | typeof nothing {
    if (request === undefined) return nothing;
    const { port, name } = request;
    const viewer = this.#controlled;
    const button = (part: string, label: string, act: () => Promise<void> | undefined): TemplateResult =>
      html`<button part=${part} type="button" @click=${(event: MouseEvent) => this.#act(event, act)}>${label}</button>`;
    return html`<div part="request" class="request">
      <span class="who" title=${clientLabel(port, name)}
        ><span class="announcement">Request: </span>${clientLabel(port, name)}${more.length === 0 ? nothing : `, ${more.length} more`}</span
      >
      ${button('grant', 'Hand over', () => viewer?.handOverControl(port))}
      ${button('refuse', 'Refuse', () => viewer?.refuseControl(port))}
    </div>`;
  }

  #act(event: MouseEvent, act: () => Promise<void> | undefined): void {
    // This is the second click of a double click, on a button that now has another meaning.
    if (event.detail > 1) return;
    this.#show('');
    runInBackground(Promise.resolve(act()), (error) => this.#show(errorText(error)));
  }

  /** @returns a function that removes the listeners. */
  #follow(viewer: GearwayViewer): () => void {
    const abort = new AbortController();
    const { signal } = abort;
    this.#controlled = viewer;
    viewer.addEventListener('gearway-control', ({ detail }) => this.#show(detail.reason), { signal });
    for (const type of ['gearway-open', 'gearway-close', 'gearway-refused'] as const)
      viewer.addEventListener(type, () => this.#show(''), { signal });
    this.#show('');
    return () => {
      abort.abort();
      this.#controlled = null;
      this.#show('');
    };
  }

  #show(reason: string): void {
    this.#reason = reason;
    const control = this.#controlled?.control ?? null;
    const state = control === null ? 'none' : control.isRequested ? 'requested' : control.state;
    if (state !== this.#state) {
      this.#internals.states.delete(this.#state);
      if (state !== 'none') this.#internals.states.add(state);
      this.#state = state;
    }
    this.requestUpdate();
  }
}

function holderText({ state, port, name, isRequested }: ViewerControl): string {
  if (state === 'free') return 'Nobody has control';
  if (state === 'mine') return 'You have control';
  return `${clientLabel(port, name)} has control${isRequested ? '; your request is pending' : ''}`;
}

function clientLabel(port: number | null, name: string): string {
  return name === '' ? `Port ${port}` : `${name} (${port})`;
}
