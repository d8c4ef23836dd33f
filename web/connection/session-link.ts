import { errorText } from '../../shared/errors.ts';
import type { ConnectionReport } from './gateway-connection.ts';
import type { CommonCommand, SessionHandle, SessionHost, SessionThread } from './session-host.ts';

/** Receives the events of a session. */
interface SessionListener<Event> {
  /** Called when the session is open, and the queued commands have been sent. */
  opened(): void;
  event(event: Event | ConnectionReport): void;
}

/** An element's connection to its session. Commands are queued until the session is open. */
export class SessionLink<Opening, Command extends { readonly kind: string }, Event> {
  readonly #listener: SessionListener<Event>;
  #session: SessionHandle<Command | CommonCommand> | null = null;
  #queue: (Command | CommonCommand)[] = [];
  #isClosed = false;

  constructor(
    host: SessionHost<Opening, Command | CommonCommand, Event>,
    opening: Opening,
    thread: SessionThread,
    listener: SessionListener<Event>,
  ) {
    this.#listener = listener;
    const emit = (event: Event | ConnectionReport): void => {
      if (!this.#isClosed) listener.event(event);
    };
    host.open(opening, thread, emit).then(
      (session) => this.#opened(session),
      // Only the code for the main thread is loaded on demand.
      (error: unknown) => {
        const reason = `the code of the element could not be loaded, reload the page: ${errorText(error)}`;
        emit({ kind: 'state', state: 'refused', reason });
      },
    );
  }

  /** Thread on which the session runs; null before it is known. */
  get thread(): SessionThread | null {
    return this.#session?.thread ?? null;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @throws DataCloneError if the browser cannot transfer an object to the worker. */
  command(command: Command, transfer?: Transferable[]): void {
    this.#send(command, transfer);
  }

  /** Makes a pending attempt to connect immediately. */
  retry(): void {
    this.#send({ kind: 'retry' });
  }

  /** Ends the session. Idempotent; the listener is not called afterwards. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#session?.command({ kind: 'close' });
  }

  #opened(session: SessionHandle<Command | CommonCommand>): void {
    if (this.#isClosed) {
      session.command({ kind: 'close' });
      return;
    }
    this.#session = session;
    for (const command of this.#queue.splice(0)) session.command(command);
    this.#listener.opened();
  }

  #send(command: Command | CommonCommand, transfer?: Transferable[]): void {
    if (this.#session === null) this.#queue.push(command);
    else this.#session.command(command, transfer);
  }
}
