import type { ReactiveController, ReactiveControllerHost } from 'lit';

type Host = ReactiveControllerHost & Element;

/** Notifies the element when the page becomes visible or hidden, and when the network returns. */
export class PageController implements ReactiveController {
  readonly #onVisibility: () => void;
  readonly #onOnline: () => void;

  constructor(host: Host, { onVisibility, onOnline }: { onVisibility: () => void; onOnline: () => void }) {
    this.#onVisibility = onVisibility;
    this.#onOnline = onOnline;
    host.addController(this);
  }

  hostConnected(): void {
    document.addEventListener('visibilitychange', this.#onVisibility);
    window.addEventListener('online', this.#onOnline);
  }

  hostDisconnected(): void {
    document.removeEventListener('visibilitychange', this.#onVisibility);
    window.removeEventListener('online', this.#onOnline);
  }
}

/** Tracks whether the element is scrolled into view, and notifies the element when this or its size changes. */
export class BoxController implements ReactiveController {
  readonly #host: Host;
  readonly #intersection: IntersectionObserver;
  readonly #size: ResizeObserver;
  #isInView = true;

  constructor(host: Host, { onInView, onSize }: { onInView: () => void; onSize: () => void }) {
    this.#host = host;
    this.#intersection = new IntersectionObserver((entries) => {
      this.#isInView = entries.at(-1)?.isIntersecting ?? true;
      onInView();
    });
    this.#size = new ResizeObserver(onSize);
    host.addController(this);
  }

  get isInView(): boolean {
    return this.#isInView;
  }

  hostConnected(): void {
    this.#intersection.observe(this.#host);
    this.#size.observe(this.#host);
  }

  hostDisconnected(): void {
    this.#intersection.disconnect();
    this.#size.disconnect();
  }
}

/** Distinguishes an element that is moved within the page, and keeps its session, from one that is removed. */
export class RemovalController implements ReactiveController {
  readonly #host: Host;
  readonly #onRemoved: () => void;
  readonly #onMoved: () => void;

  constructor(host: Host, { onRemoved, onMoved }: { onRemoved: () => void; onMoved?: () => void }) {
    this.#host = host;
    this.#onRemoved = onRemoved;
    this.#onMoved = onMoved ?? (() => undefined);
    host.addController(this);
  }

  hostDisconnected(): void {
    // A moved element has been connected again before this runs.
    queueMicrotask(() => (this.#host.isConnected ? this.#onMoved() : this.#onRemoved()));
  }
}

/** The state of an element and its reason. The state is also a custom state: `:state(live)`. */
export class StateController<State extends string> {
  readonly #host: Host;
  readonly #internals: ElementInternals;
  #state: State;
  #reason = '';

  constructor(host: Host, internals: ElementInternals, initial: State) {
    this.#host = host;
    this.#internals = internals;
    this.#state = initial;
    internals.states.add(initial);
  }

  get state(): State {
    return this.#state;
  }

  get reason(): string {
    return this.#reason;
  }

  /** Sets state and reason, and always requests an update of the element. @returns whether they have changed. */
  set(state: State, reason: string): boolean {
    this.#host.requestUpdate();
    if (state === this.#state && reason === this.#reason) return false;
    this.#internals.states.delete(this.#state);
    this.#internals.states.add(state);
    this.#state = state;
    this.#reason = reason;
    return true;
  }
}
