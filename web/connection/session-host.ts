/** Thread that a session runs on: the worker shared by all elements of its kind, or the main thread. */
export type SessionThread = 'worker' | 'main';

/** A viewer's or publisher's session. The command of kind `close` ends it. */
export interface Session<Command> {
  command(command: Command): void;
}

/** Opens a session. `emit` receives its events, with the objects to transfer to the page. */
type OpenSession<Opening, Command, Event> = (
  opening: Opening,
  emit: (event: Event, transfer?: Transferable[]) => void,
) => Session<Command>;

/** Interface of a session for its element, regardless of the thread. */
export interface SessionHandle<Command> {
  readonly thread: SessionThread;
  /** @throws DataCloneError if the browser cannot transfer an object to the worker. */
  command(command: Command, transfer?: Transferable[]): void;
}

/** Commands that every session accepts. */
export type CommonCommand =
  /** Makes a pending attempt to connect immediately, because the network has returned, or the page is visible again. */
  { readonly kind: 'retry' } | { readonly kind: 'close' };

interface CommandLike {
  readonly kind: string;
}

/** Message to the worker. `session` is the page's id of the session. */
type WorkerRequest<Opening, Command> =
  | { readonly kind: 'open'; readonly session: number; readonly opening: Opening }
  | { readonly kind: 'command'; readonly session: number; readonly command: Command };

/** Message from the worker. `event` is null once, when the worker has started. */
interface WorkerResponse<Event> {
  readonly session: number;
  readonly event: Event | null;
}

const START_TIMEOUT_MS = 3000;

/** How sessions of one kind are opened. */
export interface SessionHostOptions<Opening, Command, Event> {
  readonly workerScript: URL;
  readonly workerName: string;
  /** Whether this browser can run such sessions in a worker. */
  readonly canUseWorker: () => boolean;
  /** Converts an opening for the worker, with the objects to transfer. */
  readonly toWorker: (opening: Opening) => { readonly opening: Opening; readonly transfer: Transferable[] };
  /** Loads the code of the main thread. */
  readonly loadSession: () => Promise<OpenSession<Opening, Command, Event>>;
}

/**
 * Opens the sessions of all elements of one kind on a page: in one worker, or on the main thread if there can be no
 * worker. The code for the main thread is loaded on demand.
 */
export class SessionHost<Opening, Command extends CommandLike, Event> {
  readonly #options: SessionHostOptions<Opening, Command, Event>;
  #worker: Promise<WorkerHost<Opening, Command, Event> | null> | null = null;

  constructor(options: SessionHostOptions<Opening, Command, Event>) {
    this.#options = options;
  }

  /** Rejects when the code for the main thread cannot be loaded. */
  async open(opening: Opening, thread: SessionThread, emit: (event: Event) => void): Promise<SessionHandle<Command>> {
    const worker = thread === 'worker' ? await (this.#worker ??= this.#startWorker()) : null;
    if (worker !== null) {
      const { opening: converted, transfer } = this.#options.toWorker(opening);
      return { thread: 'worker', command: worker.open(converted, transfer, emit) };
    }
    const openSession = await this.#options.loadSession();
    const session = openSession(opening, emit);
    return { thread: 'main', command: (command) => session.command(command) };
  }

  async #startWorker(): Promise<WorkerHost<Opening, Command, Event> | null> {
    const { workerScript, workerName, canUseWorker } = this.#options;
    return canUseWorker() ? WorkerHost.start(workerScript, workerName) : null;
  }
}

/** The page's side of a worker. */
class WorkerHost<Opening, Command extends CommandLike, Event> {
  readonly #worker: Worker;
  readonly #listeners = new Map<number, (event: Event) => void>();
  #next = 1;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<WorkerResponse<Event>>) => {
      if (data.event !== null) this.#listeners.get(data.session)?.(data.event);
    });
  }

  /** Starts a worker. @returns null if a policy forbids workers. */
  static start<Opening, Command extends CommandLike, Event>(
    script: URL,
    name: string,
  ): Promise<WorkerHost<Opening, Command, Event> | null> {
    return new Promise((resolve) => {
      let worker: Worker;
      let blob: string | null = null;
      try {
        // The script of a worker must have the page's own origin; its imports may have another one.
        if (script.origin !== location.origin) {
          blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(script.href)};`], { type: 'text/javascript' }));
        }
        worker = new Worker(blob ?? script, { type: 'module', name });
      } catch {
        // Some browsers throw on a policy violation, others fire an error event.
        resolve(null);
        return;
      }
      const settle = (host: WorkerHost<Opening, Command, Event> | null): void => {
        clearTimeout(timer);
        if (blob !== null) URL.revokeObjectURL(blob);
        if (host === null) worker.terminate();
        resolve(host);
      };
      const timer = setTimeout(() => settle(null), START_TIMEOUT_MS);
      worker.addEventListener('message', () => settle(new WorkerHost(worker)), { once: true });
      worker.addEventListener('error', () => settle(null), { once: true });
    });
  }

  /** Opens a session in the worker. @returns the function that sends its commands. */
  open(opening: Opening, transfer: Transferable[], emit: (event: Event) => void): SessionHandle<Command>['command'] {
    const session = this.#next;
    this.#next += 1;
    this.#listeners.set(session, emit);
    this.#post({ kind: 'open', session, opening }, transfer);
    return (command, transferred = []) => {
      this.#post({ kind: 'command', session, command }, transferred);
      if (command.kind === 'close') this.#listeners.delete(session);
    };
  }

  #post(request: WorkerRequest<Opening, Command>, transfer: Transferable[]): void {
    this.#worker.postMessage(request, transfer);
  }
}

/** The worker's side: opens sessions on request, and forwards their commands and events. */
export function serveSessions<Opening, Command extends CommandLike, Event>(
  openSession: OpenSession<Opening, Command, Event>,
): void {
  const sessions = new Map<number, Session<Command>>();
  const post = (response: WorkerResponse<Event>, transfer: Transferable[] = []): void =>
    self.postMessage(response, { transfer });
  self.addEventListener('message', ({ data }: MessageEvent<WorkerRequest<Opening, Command>>) => {
    const { session: id } = data;
    if (data.kind === 'open') {
      sessions.set(
        id,
        openSession(data.opening, (event, transfer) => post({ session: id, event }, transfer)),
      );
      return;
    }
    sessions.get(id)?.command(data.command);
    if (data.command.kind === 'close') sessions.delete(id);
  });
  post({ session: 0, event: null });
}
