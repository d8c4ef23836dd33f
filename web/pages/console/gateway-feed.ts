import { runInBackground } from '../../background.ts';
import type { GatewayEvent, GatewayStatus, RightsStatus, StreamStatus } from '../../../shared/status.ts';
import { throttled } from '../shared/throttled.ts';
import type { Api } from './api.ts';

const POLL_MS = 1000;

/** Delay of the poll after an event. Several events within the delay cause only one poll. */
const EVENT_POLL_MS = 50;

const MAX_EVENTS = 64;

/** Latest response of the API. `gone`: the gateway does not respond, for this `reason` if it is known. */
export type FeedState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'ok' }
  | { readonly kind: 'token'; readonly reason: string }
  | { readonly kind: 'gone'; readonly reason: string | null };

interface FeedCallbacks {
  /** Called when something has changed. */
  readonly onChange: () => void;
  /** Called when the gateway requires a token, or refuses the one that was sent. */
  readonly onToken: (reason: string) => void;
}

/** State of the gateway for the pages: streams, rights and events. Polls while the page is visible. */
export class GatewayFeed {
  readonly api: Api;
  readonly events: GatewayEvent[] = [];
  state: FeedState = { kind: 'loading' };
  streams: readonly StreamStatus[] = [];
  /** Null before they are known. */
  rights: RightsStatus | null = null;
  /** Null before it is known. */
  gateway: GatewayStatus | null = null;
  /**
   * Whether `gateway` was requested since the last refresh, or since the gateway began to respond. In a cluster, it is
   * requested with each poll, because the connection to the cluster may change.
   */
  #isDescribed = false;
  readonly #callbacks: FeedCallbacks;
  readonly #pollSoon = throttled(() => this.#poll(), EVENT_POLL_MS);
  #timer: ReturnType<typeof setTimeout> | undefined;
  /**
   * Number of requests so far, and number of the latest one whose response is shown. Responses may arrive out of order.
   */
  #requests = 0;
  #shownRequest = 0;

  constructor(api: Api, callbacks: FeedCallbacks) {
    this.api = api;
    this.#callbacks = callbacks;
  }

  /** Runs for as long as the page exists. */
  start(): void {
    document.addEventListener('visibilitychange', () => this.#poll());
    this.#poll();
    runInBackground(
      this.api.follow((event) => {
        this.events.push(event);
        if (this.events.length > MAX_EVENTS) this.events.shift();
        // The configuration file was read again.
        if (event.kind === 'configure') this.#isDescribed = false;
        this.#pollSoon();
      }),
    );
  }

  /** Null if the gateway has no stream of this name, or has not answered yet. */
  stream(name: string): StreamStatus | null {
    return this.streams.find((stream) => stream.name === name) ?? null;
  }

  hasRight(right: string): boolean {
    return this.rights?.rights.includes(right) === true;
  }

  /** Requests everything again, with the current token. */
  async refresh(): Promise<void> {
    this.rights = null;
    // Only administrators see the configuration.
    this.#isDescribed = false;
    await this.poll();
  }

  async poll(): Promise<void> {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    this.#requests += 1;
    const request = this.#requests;
    const { revision } = this.api;
    const [response, rights] = await Promise.all([this.api.streams(), this.rights === null ? this.api.rights() : null]);
    // Another user has logged in in the meantime: the response is for the previous user.
    if (revision !== this.api.revision || request < this.#shownRequest) return;
    this.#shownRequest = request;
    if (rights !== null) this.rights = rights.kind === 'ok' ? rights.value : null;
    if (response.kind === 'ok') {
      this.streams = response.value;
      if (!this.#isDescribed || (this.gateway?.cluster ?? null) !== null) runInBackground(this.#describe());
    } else {
      // A restarted gateway may have other addresses and rights.
      this.#isDescribed = false;
      this.rights = null;
    }
    if (response.kind === 'token') this.#callbacks.onToken(response.reason);
    this.state = response.kind === 'ok' ? { kind: 'ok' } : response;
    this.#callbacks.onChange();
    this.#schedule();
  }

  async #describe(): Promise<void> {
    this.#isDescribed = true;
    this.gateway = (await this.api.gateway()) ?? this.gateway;
    this.#callbacks.onChange();
  }

  /** Polls forever; a failure does not end the polling. */
  #poll(): void {
    runInBackground(this.poll(), (error) => {
      reportError(error);
      this.#schedule();
    });
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#poll(), POLL_MS);
  }
}
