import { GearwayError } from '../../shared/errors.ts';
import type { Hello, Return } from '../../shared/protocol.ts';
import type { EventKind, StreamState } from '../../shared/status.ts';
import type { Admission, Place, ViewerEnd, Wants } from '../clients/place.ts';
import type { Rendition } from '../clients/renditions.ts';
import type { ReturnData } from '../hub/returns.ts';
import type { ToMain, ToWorker } from './messages.ts';
import type { MirroredStream, MirrorViewer } from './mirrored-stream.ts';

/** Most bytes of a viewer's return data that the main process has not answered. Further ones are refused. */
const MAX_UNANSWERED_BYTES = 32 << 20;

export interface RemotePlaceOptions {
  /** The viewer's id in the gateway. */
  readonly id: string;
  readonly stream: MirroredStream;
  readonly send: (message: ToMain) => void;
  /** Called when a program that looks at the viewer's figures should see a change soon. */
  readonly onWants: () => void;
}

interface Unanswered {
  readonly bytes: number;
  readonly accept: () => void;
  readonly refuse: (error: GearwayError) => void;
}

/** A viewer's place in a stream of the main process, where its `LocalPlace` is. */
export class RemotePlace implements Place<Rendition> {
  readonly #options: RemotePlaceOptions;
  readonly #unanswered = new Map<number, Unanswered>();
  #unansweredBytes = 0;
  #lastId = 0;
  #viewer: MirrorViewer | null = null;
  #admit: (admission: Admission) => void = () => undefined;
  #left = false;

  constructor(options: RemotePlaceOptions) {
    this.#options = options;
  }

  get stream(): string {
    return this.#options.stream.name;
  }

  get state(): StreamState {
    return this.#options.stream.state;
  }

  get reason(): string {
    return this.#options.stream.reason;
  }

  get latestSequence(): number | null {
    return this.#options.stream.latestSequence;
  }

  latest(wantsRaw: boolean): Rendition | null {
    return this.#options.stream.latest(wantsRaw ? 'raw' : 'jpeg');
  }

  frameTimeMs(): number | undefined {
    return this.#options.stream.frameTimeMs;
  }

  rendition(frame: Rendition): Rendition {
    return frame;
  }

  /** What comes here is encoded already. */
  reject(): void {}

  async enter(end: ViewerEnd<Rendition>, hello: Hello): Promise<Admission> {
    const { id, stream, send } = this.#options;
    const answer = new Promise<Admission>((resolve) => (this.#admit = resolve));
    send({ type: 'hello', viewer: id, hello });
    const admission = await answer;
    if (admission.admitted && !this.#left) {
      this.#viewer = { end, wants: { paused: false, raw: false }, offered: 0 };
      stream.add(this.#viewer);
    }
    return admission;
  }

  wants(wants: Wants): void {
    if (this.#viewer === null) return;
    this.#viewer.wants = wants;
    this.#options.stream.wantsChanged();
    this.#options.onWants();
  }

  give(data: ReturnData, mode: Return['mode'], ttlMs: number | undefined): Promise<void> {
    const bytes = sizeOf(data);
    if (this.#unansweredBytes + bytes > MAX_UNANSWERED_BYTES) {
      throw new GearwayError('too-many', `${this.#unanswered.size} values of this viewer are still on their way; send slower`);
    }
    const id = (this.#lastId += 1);
    const answer = new Promise<void>((resolve, reject) => this.#unanswered.set(id, { bytes, accept: resolve, refuse: reject }));
    this.#unansweredBytes += bytes;
    this.#options.send({ type: 'return', viewer: this.#options.id, id, mode, ttlMs, data });
    return answer;
  }

  countRejected(): void {
    this.#options.send({ type: 'rejected', viewer: this.#options.id });
  }

  leave(kind: EventKind, reason: string): void {
    if (this.#left) return;
    this.#left = true;
    const { id, stream, send } = this.#options;
    if (this.#viewer !== null) stream.delete(this.#viewer);
    send({ type: 'left', viewer: id, kind, reason });
  }

  /** What the main process answers. */
  admitted({ admission }: Extract<ToWorker, { type: 'admission' }>): void {
    this.#admit(admission);
  }

  returned({ id, refusal }: Extract<ToWorker, { type: 'returned' }>): void {
    const unanswered = this.#unanswered.get(id);
    if (unanswered === undefined) return;
    this.#unanswered.delete(id);
    this.#unansweredBytes -= unanswered.bytes;
    if (refusal === null) unanswered.accept();
    else unanswered.refuse(new GearwayError(refusal.code, refusal.message));
  }
}

function sizeOf(data: ReturnData): number {
  switch (data.kind) {
    case 'value':
      return data.json.length;
    case 'array':
      return data.array.data.byteLength;
    case 'jpeg':
      return data.data.byteLength;
    default:
      return data satisfies never;
  }
}
