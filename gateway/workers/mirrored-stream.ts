import type { StreamState } from '../../shared/status.ts';
import type { ViewerEnd, Wants } from '../clients/place.ts';
import type { Rendition } from '../clients/renditions.ts';
import type { Form, FormsWanted, StreamSummary } from './messages.ts';

const FORMS: readonly Form[] = ['jpeg', 'raw'];

/** A viewer of this worker that was admitted. */
export interface MirrorViewer {
  readonly end: ViewerEnd<Rendition>;
  wants: Wants;
  /** The newest frame that came for it. */
  offered: number;
}

/** A stream of the main process as a worker sees it: what the pipe brings, for the viewers that take it. */
export class MirroredStream {
  readonly name: string;
  state: StreamState;
  reason: string;
  /** As the source's frames come to the main process, whatever of them comes here. */
  frameTimeMs: number | undefined;
  readonly #viewers = new Set<MirrorViewer>();
  readonly #onWanted: (wanted: FormsWanted) => void;
  readonly #latest: Record<Form, Rendition | null> = { jpeg: null, raw: null };
  #latestSequence: number | null = null;
  #wanted: FormsWanted = { jpeg: false, raw: false };

  /** @param onWanted called when other forms are wanted than before. */
  constructor({ name, state, reason }: StreamSummary, onWanted: (wanted: FormsWanted) => void) {
    this.name = name;
    this.state = state;
    this.reason = reason;
    this.#onWanted = onWanted;
  }

  /** Of the newest frame that was here, also when it was forgotten since because nobody wanted any. */
  get latestSequence(): number | null {
    return this.#latestSequence;
  }

  latest(form: Form): Rendition | null {
    return this.#latest[form];
  }

  add(viewer: MirrorViewer): void {
    this.#viewers.add(viewer);
    this.wantsChanged();
  }

  delete(viewer: MirrorViewer): void {
    if (this.#viewers.delete(viewer)) this.wantsChanged();
  }

  wantsChanged(): void {
    const wanted = { jpeg: false, raw: false };
    for (const { wants } of this.#viewers) if (!wants.paused) wanted[formOf(wants)] = true;
    if (wanted.jpeg === this.#wanted.jpeg && wanted.raw === this.#wanted.raw) return;
    this.#wanted = wanted;
    this.#forgetUnwanted();
    this.#onWanted(wanted);
  }

  changed(state: StreamState, reason: string): void {
    this.state = state;
    this.reason = reason;
    for (const { end } of this.#viewers) end.streamChanged(state, reason);
  }

  /** @param form null for all of them. */
  frame(form: Form | null, rendition: Rendition, frameTimeMs: number | undefined): void {
    this.frameTimeMs = frameTimeMs;
    this.#latestSequence = Math.max(this.#latestSequence ?? 0, rendition.sequence);
    for (const covered of FORMS) {
      if (form !== null && form !== covered) continue;
      // The main process sends the latest when a form comes to be wanted; as the other form it may be here already.
      if ((this.#latest[covered]?.sequence ?? 0) >= rendition.sequence) continue;
      this.#latest[covered] = rendition;
      for (const viewer of this.#viewers) if (formOf(viewer.wants) === covered) offer(viewer, rendition);
    }
    // Also what came after it was not wanted any more.
    this.#forgetUnwanted();
  }

  /** A frame that nothing newer will replace would be shown to the next viewer as the latest. */
  #forgetUnwanted(): void {
    for (const form of FORMS) if (!this.#wanted[form]) this.#latest[form] = null;
  }
}

/** A form that takes longer to make comes later: who changes to it is not sent what it had as the other. */
function offer(viewer: MirrorViewer, rendition: Rendition): void {
  if (rendition.sequence <= viewer.offered) return;
  viewer.offered = rendition.sequence;
  viewer.end.offer(rendition);
}

function formOf({ raw }: Wants): Form {
  return raw ? 'raw' : 'jpeg';
}
