import type { LocalPlace } from '../clients/local-place.ts';
import type { ViewerEnd, ViewerFigures } from '../clients/place.ts';
import type { ToWorker } from './messages.ts';

const NO_FIGURES: ViewerFigures = { state: 'live', delivered: 0, dropped: 0, rejected: 0, framesPerSecond: 0, roundTripMs: null, delayMs: null };

/** A viewer's end in the main process while its socket is a worker's. */
export class RemoteViewer implements ViewerEnd {
  readonly id: string;
  readonly place: LocalPlace;
  readonly closed: Promise<void>;
  readonly #send: (message: ToWorker) => void;
  #settleClosed: () => void = () => undefined;
  #figures = NO_FIGURES;

  constructor(place: LocalPlace, send: (message: ToWorker) => void) {
    this.id = place.id;
    this.place = place;
    this.#send = send;
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve));
  }

  /** Frames come to the worker once for all its viewers, by `StreamFeed`, and so does what the stream says of itself. */
  offer(): void {}

  streamChanged(): void {}

  figures(): ViewerFigures {
    return this.#figures;
  }

  /** What the worker says of it. */
  update(figures: ViewerFigures): void {
    this.#figures = figures;
  }

  close(code: number, reason: string): void {
    this.place.leave('disconnect', reason);
    this.#send({ type: 'close', viewer: this.id, code, reason });
  }

  /** Its socket has ended, or its worker has. */
  gone(reason: string): void {
    this.place.leave('disconnect', reason);
    this.#settleClosed();
  }
}
