import type { Writable } from 'node:stream';
import type { StreamState } from '../../shared/status.ts';
import type { Rendition, Renditions } from '../clients/renditions.ts';
import type { Frame } from '../hub/frame.ts';
import { Mailbox } from '../hub/mailbox.ts';
import type { Follower, Stream } from '../hub/stream.ts';
import { writeRecord } from './frame-pipe.ts';
import type { Form, FormsWanted } from './messages.ts';

/** One form of a stream's frames on its way to a worker. */
interface Lane {
  readonly form: Form;
  readonly mailbox: Mailbox<Frame>;
  /** Whether a frame is being encoded, or written. */
  isBusy: boolean;
}

/**
 * Writes a stream's frames to a worker, once for all its viewers there, in the forms that some of them want. The next frame
 * of a form is written when the pipe has taken the last one: the newest waits, and replaces what waited before.
 */
export class StreamFeed implements Follower {
  readonly #stream: Stream;
  readonly #renditions: Renditions;
  readonly #pipe: Writable;
  readonly #jpeg: Lane = { form: 'jpeg', mailbox: new Mailbox(), isBusy: false };
  readonly #raw: Lane = { form: 'raw', mailbox: new Mailbox(), isBusy: false };
  #wanted: FormsWanted = { jpeg: false, raw: false };

  constructor(stream: Stream, renditions: Renditions, pipe: Writable) {
    this.#stream = stream;
    this.#renditions = renditions;
    this.#pipe = pipe;
    stream.follow(this);
  }

  want(wanted: FormsWanted): void {
    const before = this.#wanted;
    this.#wanted = wanted;
    for (const lane of [this.#jpeg, this.#raw]) if (!wanted[lane.form]) lane.mailbox.clear();
    const { latest } = this.#stream;
    // The worker knows the frames that it has already.
    if (latest !== null && ((wanted.jpeg && !before.jpeg) || (wanted.raw && !before.raw))) this.offer(latest);
  }

  offer(frame: Frame): void {
    const { jpeg, raw } = this.#wanted;
    const isEncoded = this.#renditions.encodes(frame);
    if (jpeg || (raw && !isEncoded)) this.#put(this.#jpeg, frame);
    if (raw && isEncoded) this.#put(this.#raw, frame);
  }

  streamChanged(state: StreamState, reason: string): void {
    writeRecord(this.#pipe, { type: 'state', stream: this.#stream.name, state, reason });
  }

  close(): void {
    this.#stream.unfollow(this);
    this.#wanted = { jpeg: false, raw: false };
    for (const { mailbox } of [this.#jpeg, this.#raw]) mailbox.clear();
  }

  #put(lane: Lane, frame: Frame): void {
    lane.mailbox.put(frame);
    this.#pump(lane);
  }

  #pump(lane: Lane): void {
    if (lane.isBusy) return;
    const frame = lane.mailbox.take();
    if (frame === undefined) return;
    const form = this.#renditions.encodes(frame) ? lane.form : null;
    const rendition = this.#renditions.get(frame, form === 'raw');
    lane.isBusy = true;
    if (!(rendition instanceof Promise)) {
      this.#write(lane, form, rendition);
      return;
    }
    rendition.then(
      (encoded) => this.#write(lane, form, encoded),
      (error: unknown) => {
        this.#stream.reject(error);
        this.#taken(lane);
      },
    );
  }

  #write(lane: Lane, form: Form | null, { sequence, begin, payload }: Rendition): void {
    const record = { type: 'frame', stream: this.#stream.name, form, sequence, frameTimeMs: this.#stream.frameTimeMs(), beginBytes: begin.byteLength } as const;
    writeRecord(this.#pipe, record, [begin, payload], () => this.#taken(lane));
  }

  #taken(lane: Lane): void {
    lane.isBusy = false;
    this.#pump(lane);
  }
}
