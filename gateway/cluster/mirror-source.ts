import type { NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '../../shared/logger.ts';
import type { ClusterControl } from './cluster-control.ts';
import type { SessionAnswer } from './session-wire.ts';
import type { Source, SourceSink } from '../sources/source.ts';
import { FrameImporter } from './frame-importer.ts';
import { outlineOf, type RemoteFrame, SOURCE_FRAMES } from './frame-wire.ts';
import { MirrorSession } from './mirror-session.ts';
import type { RemoteNumbers } from './remote-numbers.ts';

/** The owner of a stream, as seen by a mirror. */
export interface MirrorOwner {
  readonly id: string;
  /** For display. */
  readonly name: string;
  readonly takesReturns: boolean;
  readonly verifiesJpegs: boolean;
}

interface MirrorSourceOptions {
  readonly stream: string;
  /** Id of this gateway. */
  readonly self: string;
  readonly control: NatsConnection;
  readonly frames: NatsConnection;
  readonly maxPayload: () => number;
  readonly frameSubject: (owner: string) => string;
  readonly sessionSubject: (owner: string) => string;
  /** The owner, see {@link Ownership.lastOwnerOf}; null if there is none. */
  readonly owner: () => MirrorOwner | null;
  readonly numbers: RemoteNumbers;
  /**
   * Called before the source opens: ends the sessions of other gateways, which may not have noticed yet that the owner
   * has changed. The return data of their clients must not be sent to the owner by this gateway, too.
   */
  readonly endSessions: () => void;
  /** null if all viewers may return data. */
  readonly exclusiveControl: () => ClusterControl | null;
  readonly log: Logger;
}

/**
 * How long pictures are still received after the last client stopped needing them, because one may soon need them
 * again.
 */
const UNNEEDED_MS = 2000;

/**
 * The frames of a stream that another gateway of the cluster owns. Pictures cross the network only while a client
 * here needs them: viewers that get renditions from the owner, H.264 or smaller JPEGs, do not.
 */
export class MirrorSource implements Source {
  readonly kind = 'cluster';
  readonly serverPorts = null;
  /** No timeout: the owner has its own, and reports the state of its stream. */
  readonly stallMs = null;
  readonly #options: MirrorSourceOptions;
  #open:
    | {
        readonly owner: string;
        readonly importer: FrameImporter<RemoteFrame>;
        readonly session: MirrorSession;
        readonly sink: SourceSink;
      }
    | { readonly owner: null; readonly sink: SourceSink }
    | null = null;
  /** When a client last needed pictures. */
  #neededAtMs = -Infinity;

  constructor(options: MirrorSourceOptions) {
    this.#options = options;
  }

  get address(): string {
    const owner = this.#options.owner();
    return owner === null ? 'no gateway' : `gateway ${owner.name}`;
  }

  get waitingReason(): string {
    const owner = this.#options.owner();
    return owner === null
      ? 'no gateway of the cluster runs the source'
      : `waiting for frames from gateway ${owner.name}`;
  }

  get suspendedReason(): string {
    const owner = this.#options.owner();
    return owner === null
      ? 'no gateway of the cluster runs the source'
      : `the source runs on gateway ${owner.name}, which sends its frames when a viewer connects here`;
  }

  get takesReturns(): boolean {
    return this.#options.owner()?.takesReturns ?? false;
  }

  get verifiesJpegs(): boolean {
    return this.#options.owner()?.verifiesJpegs ?? true;
  }

  state(): string {
    if (this.#open === null) return 'closed';
    if (this.#open.owner === null) return 'waiting for a gateway';
    return this.#open.importer.lastSequence === 0 ? 'connecting' : 'receiving';
  }

  async open(sink: SourceSink): Promise<void> {
    const { stream, self, control, frames, maxPayload, frameSubject, sessionSubject, numbers, log } = this.#options;
    this.#options.endSessions();
    const owner = this.#options.owner();
    if (owner === null) {
      this.#open = { owner: null, sink };
      sink.interrupted(this.waitingReason);
      return;
    }
    numbers.begin();
    const importer = new FrameImporter(
      {
        kind: SOURCE_FRAMES,
        connection: frames,
        subject: frameSubject(owner.id),
        onFrame: (frame) => {
          const arrival = numbers.arrival(frame);
          if (arrival !== null) sink.publish({ ...frame.input, arrival });
          this.needsChanged();
        },
        onHead: (head) => {
          const { outline, ...number } = outlineOf(head);
          const arrival = numbers.arrival(number);
          if (arrival !== null) sink.announce({ ...outline, ...arrival });
          this.needsChanged();
        },
        onError: (error) => sink.reject(error),
      },
      sink.needsPictures,
    );
    let newestAtLastAnswer = 0;
    let state = '';
    const onAnswer = (answer: Extract<SessionAnswer, { ok: true }>): void => {
      // The owner has newer frames, and none has arrived since its last answer: the subscription has ended.
      if (answer.newestFrame > importer.lastSequence && importer.lastSequence === newestAtLastAnswer)
        importer.subscribe();
      newestAtLastAnswer = importer.lastSequence;
      this.needsChanged();
      const now = `${answer.state}: ${answer.reason}`;
      if (now === state) return;
      state = now;
      if (answer.state === 'ended') sink.end(answer.reason);
      else if (answer.state !== 'live') sink.interrupted(answer.reason);
    };
    const session = new MirrorSession({
      connection: control,
      maxPayload,
      subject: sessionSubject(owner.id),
      stream,
      from: self,
      returns: sink.returns,
      control: this.#options.exclusiveControl(),
      needsPictures: () => importer.needsPictures,
      newestFrame: () => importer.lastSequence,
      onAnswer,
      onFailure: (reason) => {
        state = '';
        sink.interrupted(`gateway ${owner.name}, which has the source, cannot be reached: ${reason}`);
      },
      log,
    });
    this.#neededAtMs = -Infinity;
    this.#open = { owner: owner.id, importer, session, sink };
  }

  /**
   * Starts or stops receiving pictures. Called when a client may have begun to need them, with each frame, and with
   * each answer of the owner, because a need can also expire.
   */
  needsChanged(): void {
    const open = this.#open;
    if (open === null || open.owner === null) return;
    const { importer, session, sink } = open;
    const now = performance.now();
    if (sink.needsPictures) this.#neededAtMs = now;
    const isNeeded = now - this.#neededAtMs < UNNEEDED_MS;
    if (isNeeded === importer.needsPictures) return;
    importer.needsPictures = isNeeded;
    session.hurry();
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    if (open === null || open.owner === null) return;
    open.importer.close();
    await open.session.close();
  }

  /** Called whenever members or owners have changed. */
  ownerChanged(): void {
    if (this.#open !== null && this.#open.owner !== (this.#options.owner()?.id ?? null)) this.#open.sink.reopen();
  }

  /** Called when the connection for frames was lost and restored. */
  reconnected(): void {
    if (this.#open !== null && this.#open.owner !== null) this.#open.importer.subscribe();
  }
}
