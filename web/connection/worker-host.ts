/** What a worker is told. `session` is the page's number for it. */
export type WorkerRequest<Opening, Command> =
  | { readonly kind: 'open'; readonly session: number; readonly opening: Opening }
  | { readonly kind: 'command'; readonly session: number; readonly command: Command };

/** What a worker says. `event` is null once, when it has started. */
export interface WorkerResponse<Event> {
  readonly session: number;
  readonly event: Event | null;
}

const START_TIMEOUT_MS = 3000;

/** A worker that all elements of a page share, and who listens to it. */
export class WorkerHost<Opening, Command extends { readonly kind: string }, Event> {
  readonly #worker: Worker;
  readonly #listeners = new Map<number, (event: Event) => void>();
  #next = 1;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<WorkerResponse<Event>>) => {
      if (data.event !== null) this.#listeners.get(data.session)?.(data.event);
    });
  }

  /** Starts a worker. null where there can be none, as a policy forbids it. */
  static start<Opening, Command extends { readonly kind: string }, Event>(script: URL, name: string): Promise<WorkerHost<Opening, Command, Event> | null> {
    return new Promise((resolve) => {
      let worker: Worker;
      let blob: string | null = null;
      try {
        // A worker's script must be of the page's own origin; what it imports need not.
        if (script.origin !== location.origin) blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(script.href)};`], { type: 'text/javascript' }));
        worker = new Worker(blob ?? script, { type: 'module', name });
      } catch {
        // The policy says so at once in some browsers, by an error event in others.
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

  /** Opens a session there. @returns what gives it its commands; the one of kind `close` ends it. */
  open(opening: Opening, transfer: Transferable[], emit: (event: Event) => void): (command: Command, transfer?: Transferable[]) => void {
    const session = this.#next;
    this.#next += 1;
    this.#listeners.set(session, emit);
    this.#post({ kind: 'open', session, opening }, transfer);
    return (command, moved = []) => {
      this.#post({ kind: 'command', session, command }, moved);
      if (command.kind === 'close') this.#listeners.delete(session);
    };
  }

  #post(request: WorkerRequest<Opening, Command>, transfer: Transferable[]): void {
    this.#worker.postMessage(request, transfer);
  }
}
