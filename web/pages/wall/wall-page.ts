import { html, nothing, type TemplateResult } from 'lit';
import { ref } from 'lit/directives/ref.js';
import { repeat } from 'lit/directives/repeat.js';
import type { StreamStatus } from '../../../shared/status.ts';
import { runInBackground } from '../../background.ts';
import { activityPanel } from '../console/activity-panel.ts';
import type { GatewayFeed } from '../console/gateway-feed.ts';
import type { StreamDialog } from '../console/stream-dialog.ts';
import { type Health, streamHealth } from '../shared/health.ts';
import { splitName } from '../shared/split-name.ts';
import { capitalize, plural } from '../shared/text.ts';
import { Thumbnails } from './thumbnails.ts';

/** Minimum number of streams for which the search field is shown. */
const SEARCH_FROM = 5;

/** Maximum number of streams on one wall display, each with a connection of its own. */
const MAX_DISPLAYED = 16;

/** All streams of the gateway, with live thumbnails, their state, and any problem. */
export class WallPage {
  readonly #feed: GatewayFeed;
  readonly #streamDialog: StreamDialog;
  readonly #onChange: () => void;
  readonly #thumbnails: Thumbnails;
  #search = '';
  #showsProblems = false;

  constructor(feed: GatewayFeed, streamDialog: StreamDialog, onChange: () => void) {
    this.#feed = feed;
    this.#streamDialog = streamDialog;
    this.#onChange = onChange;
    this.#thumbnails = new Thumbnails(feed.api, onChange);
  }

  /** Called when the feed has new data. */
  receive(): void {
    this.#thumbnails.update(this.#feed.streams);
  }

  render(): TemplateResult {
    const isGone = this.#feed.state.kind === 'gone';
    const all = this.#feed.streams.map((stream) => ({ stream, health: streamHealth(stream) }));
    const troubled = all.filter(({ health }) => needsAttention(health));
    const shown = (this.#showsProblems ? troubled : all).filter(({ stream, health }) => this.#matches(stream, health));
    return html`<main class="wall">
      ${this.#toolbar(
        all.length,
        troubled.length,
        shown.map(({ stream }) => stream.name),
      )}
      ${
        shown.length === 0
          ? html`<p class="panel empty" role="status">${this.#showsProblems ? 'All streams are live.' : 'No stream matches.'}</p>`
          : html`<ul class=${`tiles ${isGone ? 'faded' : ''}`}>
            ${repeat(
              shown,
              ({ stream }) => stream.name,
              ({ stream, health }) => this.#tile(stream, health),
            )}
          </ul>`
      }
      ${activityPanel(this.#feed.events, null)}
    </main>`;
  }

  #toolbar(count: number, troubled: number, shown: readonly string[]): TemplateResult {
    const onSearch = (event: Event): void => {
      this.#search = (event.target as HTMLInputElement).value;
      this.#onChange();
    };
    const onProblems = (): void => {
      this.#showsProblems = !this.#showsProblems;
      this.#onChange();
    };
    const isGone = this.#feed.state.kind === 'gone';
    const label = isGone ? 'State unknown' : troubled === 0 ? 'All live' : `${troubled} not live`;
    const display = shown.slice(0, MAX_DISPLAYED).map(encodeURIComponent).join(',');
    return html`<div class="toolbar">
      <h2>${plural(count, 'stream')}</h2>
      <button class="second filter" aria-pressed=${this.#showsProblems} ?disabled=${troubled === 0 && !this.#showsProblems} @click=${onProblems}>
        <span class=${`dot ${isGone ? 'idle' : troubled === 0 ? 'live' : 'stale'}`}></span>${label}
      </button>
      ${count < SEARCH_FROM ? nothing : html`<input class="field" type="search" aria-label="Search streams" placeholder="Search" .value=${this.#search} @input=${onSearch} />`}
      ${shown.length === 0 ? nothing : html`<a class="link" href=${`viewer?stream=${display}`}>Wall display</a>`}
      ${this.#feed.hasRight('administer') ? html`<button class="second" @click=${() => runInBackground(this.#add())}>Add stream</button>` : nothing}
    </div>`;
  }

  async #add(): Promise<void> {
    await this.#streamDialog.add();
  }

  #matches(stream: StreamStatus, health: Health): boolean {
    const text =
      `${stream.name} ${stream.source.kind} ${stream.source.address} ${health.label} ${health.problem}`.toLowerCase();
    return this.#search
      .toLowerCase()
      .split(/\s+/)
      .every((word) => text.includes(word));
  }

  #tile(stream: StreamStatus, { tone, label, problem }: Health): TemplateResult {
    const { name, frame, clients, state } = stream;
    const { head, tail } = splitName(name);
    const url = this.#thumbnails.url(name);
    const rate = frame !== null && state === 'live' ? `${frame.framesPerSecond.toFixed(1)} fps, ` : '';
    return html`<li data-stream=${name} ${ref((element) => element !== undefined && this.#thumbnails.observe(element))}>
      <a class="panel tile" href=${`?stream=${encodeURIComponent(name)}`}>
        <span class=${`thumbnail ${state === 'live' ? '' : 'old'}`}>${url === null ? html`<span>No picture</span>` : html`<img src=${url} alt="" />`}</span>
        <span class="caption"
          ><span class="name split-name" title=${name}><span>${head}</span><span>${tail}</span></span><span class="state"><span class=${`dot ${tone}`}></span>${label}</span></span
        >
        <span class="caption detail">
          ${problem === '' ? `${rate}${plural(clients.length, 'client')}` : html`<span class="problem" title=${problem}>${capitalize(problem)}</span>`}
        </span>
      </a>
    </li>`;
  }
}

function needsAttention({ tone }: Health): boolean {
  return tone === 'stale' || tone === 'bad';
}
