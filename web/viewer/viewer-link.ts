import { errorText } from '../../shared/errors.ts';
import type { ReturnBody } from '../../shared/protocol.ts';
import { ReturnRefusedError } from '../connection/return-body.ts';
import { openSession, type SessionHandle } from './session-host.ts';
import type { Box, SessionCommand, SessionEvent, SessionOptions, Snapshot, SnapshotForm } from './session-messages.ts';

/** What a session says that is no answer to a question. */
export type LinkEvent = Exclude<SessionEvent, { kind: 'snapshot' }>;

/** The element's end of one session: what is asked before the session is open waits, and each question gets one answer. */
export class ViewerLink {
  readonly #emit: (event: LinkEvent) => void;
  #session: SessionHandle | null = null;
  #waiting: SessionCommand[] = [];
  #closed = false;
  #nextId = 1;
  readonly #returns = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #snapshots = new Map<number, (snapshot: Snapshot | null) => void>();

  /** @param canvas fresh: no context yet, and not transferred. */
  constructor(options: SessionOptions, canvas: HTMLCanvasElement, place: 'worker' | 'main', emit: (event: LinkEvent) => void) {
    this.#emit = emit;
    openSession(options, canvas, (event) => this.#heard(event), place).then(
      (session) => this.#opened(session),
      // Only the main thread's code is loaded late.
      (error: unknown) => this.#heard({ kind: 'state', state: 'refused', reason: `the viewer's code could not be loaded: ${errorText(error)}` }),
    );
  }

  /** Where decoding and drawing happen; null while that is being found out. */
  get place(): 'worker' | 'main' | null {
    return this.#session?.place ?? null;
  }

  pause(paused: boolean): void {
    this.#command({ kind: 'paused', paused });
  }

  /** How large the picture is shown. */
  show(box: Box): void {
    this.#command({ kind: 'box', box });
  }

  /** Makes a pending attempt to connect at once. */
  retry(): void {
    this.#command({ kind: 'retry' });
  }

  /** @throws {ReturnRefusedError} */
  send(body: ReturnBody, ttlMs: number | null): Promise<void> {
    return this.#ask((id) => ({ kind: 'send', id, body, ttlMs }));
  }

  /** @throws {ReturnRefusedError} */
  setReturnData(body: ReturnBody | null, ttlMs: number | null): Promise<void> {
    return this.#ask((id) => ({ kind: 'return-data', id, body, ttlMs }));
  }

  snapshot(form: SnapshotForm): Promise<Snapshot | null> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve) => {
      this.#snapshots.set(id, resolve);
      this.#command({ kind: 'snapshot', id, form });
    });
  }

  /** Ends the session. What is still asked is answered with `closed`; nothing is emitted afterwards. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#session?.command({ kind: 'close' });
    for (const { reject } of this.#returns.values()) reject(new ReturnRefusedError('closed', 'the viewer was closed'));
    for (const resolve of this.#snapshots.values()) resolve(null);
  }

  #opened(session: SessionHandle): void {
    if (this.#closed) {
      session.command({ kind: 'close' });
      return;
    }
    this.#session = session;
    for (const command of this.#waiting.splice(0)) session.command(command);
  }

  #ask(command: (id: number) => SessionCommand): Promise<void> {
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#returns.set(id, { resolve, reject });
      this.#command(command(id));
    });
  }

  #command(command: SessionCommand): void {
    if (this.#session !== null) this.#session.command(command);
    else this.#waiting.push(command);
  }

  #heard(event: SessionEvent): void {
    if (this.#closed) return;
    if (event.kind === 'snapshot') {
      this.#snapshots.get(event.id)?.(event.snapshot);
      this.#snapshots.delete(event.id);
      return;
    }
    if (event.kind === 'returned' && event.id !== null) {
      const question = this.#returns.get(event.id);
      this.#returns.delete(event.id);
      if (event.accepted) question?.resolve();
      else question?.reject(new ReturnRefusedError(event.code, event.reason));
      return;
    }
    this.#emit(event);
  }
}
