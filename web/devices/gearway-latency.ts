import { css, html, LitElement, nothing, type PropertyValues, svg, type TemplateResult } from 'lit';
import type { GearwayViewer } from '../viewer/gearway-viewer.ts';
import { ChannelController } from './channel-controller.ts';
import type { ControlChannel } from './control-channel.ts';
import { deviceStyles } from './device-styles.ts';
import { LatencyLimit } from './latency-limit.ts';

/** Number of values in the plot, for the last twelve seconds. */
const HISTORY = 60;
const SAMPLE_MS = 200;

/** Size of the plot, in CSS px. */
const WIDTH = 120;
const HEIGHT = 32;

/**
 * Latency of the picture, from its capture to the screen, as a figure and a plot. Above `max-latency`, and while no
 * picture arrives, the element shows a warning and disables the devices of its viewer, so that nobody controls a device
 * based on an old picture.
 *
 * The server sends the time of capture; without it, the latency counts from the frame's arrival at the gateway. The
 * element shows which of the two applies.
 *
 * @tag gearway-latency
 * @summary Latency of the picture, and a limit for control.
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {number} max-latency - maximum latency in milliseconds at which devices can be used; no limit by default
 * @slot - label
 * @csspart value - the figure
 * @csspart origin - "from capture" or "from gateway", below the figure
 * @csspart plot - the plot
 * @cssstate late - the limit is exceeded, or no picture arrives
 */
export class GearwayLatency extends LitElement {
  static override styles = [
    deviceStyles,
    css`
      /* The text about a late picture takes the space of the plot: devices below must not move while they are used. */
      .row {
        flex-wrap: nowrap;
      }
      svg {
        flex: 0 1 auto;
        min-width: 0;
      }
      [role='status'] {
        flex: none;
        white-space: nowrap;
      }
      .figure {
        flex: none;
        min-width: 4.5em;
        line-height: 1.2;
      }
      output {
        font-variant-numeric: tabular-nums;
        font-weight: 600;
      }
      small {
        display: block;
        min-height: 1.2em;
        font-size: 0.6875rem;
        white-space: nowrap;
      }
      .late {
        padding: 0 6px;
        border-radius: 4px;
        background: #ffd24d;
        color: #111;
        font-weight: 600;
      }
      polyline {
        fill: none;
        stroke: currentColor;
        stroke-width: 1.5;
      }
      line {
        stroke: currentColor;
        stroke-dasharray: 3 3;
      }
    `,
  ];
  static override properties = {
    viewer: { type: String },
    maxLatency: { type: Number, attribute: 'max-latency' },
  };

  declare viewer: string;
  declare maxLatency: number | null;
  readonly #internals = this.attachInternals();
  readonly #membership = new ChannelController(this, (channel, viewer) => this.#follow(channel, viewer));
  #isLive: () => boolean = () => false;
  readonly #limit = new LatencyLimit(
    () => this.#isLive(),
    () => this.#lateChanged(),
  );
  /** Label of the point from which the latency of the last frame counts; empty before the first frame. */
  #origin: '' | 'from capture' | 'from gateway' = '';
  /** Latencies in the plot, oldest first. */
  #history: number[] = [];
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor() {
    super();
    this.viewer = '';
    this.maxLatency = null;
  }

  /** Current latency in milliseconds, growing while no frame arrives; null before the first one. */
  get latencyMs(): number | null {
    return this.#limit.latencyMs;
  }

  /** Whether the limit is exceeded, or no picture arrives. Always false without a limit. */
  get late(): boolean {
    return this.#limit.isExceeded;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
    this.#limit.set(this.maxLatency);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#limit.stop();
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  protected override updated(changed: PropertyValues<GearwayLatency>): void {
    if (changed.has('maxLatency') && this.isConnected) this.#limit.set(this.maxLatency);
  }

  protected override render(): TemplateResult {
    const { latencyMs: latency, maxLatency } = this;
    const text =
      latency === null ? '– ms' : latency < 10_000 ? `${Math.round(latency)} ms` : `${Math.round(latency / 1000)} s`;
    const top = Math.max(1, maxLatency ?? 0, ...this.#history) * 1.1;
    const y = (value: number): string => (HEIGHT - (value / top) * HEIGHT).toFixed(1);
    const points = this.#history.map((value, index) => `${(index / (HISTORY - 1)) * WIDTH},${y(value)}`).join(' ');
    const limit =
      maxLatency === null ? nothing : svg`<line x1="0" x2=${WIDTH} y1=${y(maxLatency)} y2=${y(maxLatency)}></line>`;
    return html`<div class="row">
      <slot>Latency</slot>
      <span class="figure"><output part="value">${text}</output> <small part="origin">${this.#origin}</small></span>
      <svg part="plot" width=${WIDTH} height=${HEIGHT} viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <polyline points=${points}></polyline>
        ${limit}
      </svg>
      <span role="status">${this.#lateTemplate()}</span>
    </div>`;
  }

  /** @returns a function that removes the listeners. */
  #follow(channel: ControlChannel, viewer: GearwayViewer): () => void {
    const abort = new AbortController();
    this.#isLive = () => viewer.state === 'live';
    viewer.addEventListener(
      'gearway-frame',
      ({ detail }) => {
        this.#limit.shown(detail.latencyMs ?? detail.ageMs);
        this.#origin = detail.latencyMs === null ? 'from gateway' : 'from capture';
      },
      abort,
    );
    viewer.addEventListener('gearway-state', () => this.#limit.check(), abort);
    channel.block(this, this.late);
    return () => {
      abort.abort();
      channel.block(this, false);
      this.#isLive = () => false;
    };
  }

  /**
   * Devices are disabled in all of these cases, but the picture is too late only if its latency is known and exceeds
   * the limit.
   */
  #lateTemplate(): TemplateResult | typeof nothing {
    if (!this.late) return nothing;
    if (this.#limit.isKept) return html`<span>Checking…</span>`;
    const isTooLate = this.latencyMs !== null && !(this.latencyMs <= (this.maxLatency ?? Infinity));
    return html`<span class="late">${isTooLate ? 'Too late to control' : 'No picture'}</span>`;
  }

  #sample(): void {
    const { latencyMs } = this;
    if (latencyMs === null) return;
    this.#history = [...this.#history, latencyMs].slice(-HISTORY);
    this.requestUpdate();
  }

  #lateChanged(): void {
    if (this.late) this.#internals.states.add('late');
    else this.#internals.states.delete('late');
    this.#membership.channel?.block(this, this.late);
    this.requestUpdate();
  }
}
