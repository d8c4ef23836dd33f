import type { SessionCommand, SessionEvent, SessionOptions } from './session-messages.ts';

/** A session as the element holds it, wherever it runs. */
export interface SessionHandle {
  readonly place: 'worker' | 'main';
  command(command: SessionCommand): void;
}

export type WorkerRequest =
  | { readonly kind: 'open'; readonly session: number; readonly options: SessionOptions; readonly canvas: OffscreenCanvas }
  | { readonly kind: 'command'; readonly session: number; readonly command: SessionCommand };

/** `event` is null once, when the worker has started. */
export type WorkerResponse = { readonly session: number; readonly event: SessionEvent | null };

const START_TIMEOUT_MS = 3000;

let shared: Promise<SharedWorkerHost | null> | null = null;

/** The page's one worker and who listens to it. */
class SharedWorkerHost {
  readonly #worker: Worker;
  readonly #listeners = new Map<number, (event: SessionEvent) => void>();
  #next = 1;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<WorkerResponse>) => {
      if (data.event !== null) this.#listeners.get(data.session)?.(data.event);
    });
  }

  open(options: SessionOptions, canvas: OffscreenCanvas, emit: (event: SessionEvent) => void): SessionHandle {
    const session = this.#next;
    this.#next += 1;
    this.#listeners.set(session, emit);
    this.#post({ kind: 'open', session, options, canvas }, [canvas]);
    return {
      place: 'worker',
      command: (command) => {
        this.#post({ kind: 'command', session, command });
        if (command.kind === 'close') this.#listeners.delete(session);
      },
    };
  }

  #post(request: WorkerRequest, transfer: Transferable[] = []): void {
    this.#worker.postMessage(request, transfer);
  }
}

/** Starts the page's worker once. null where there can be none: a policy forbids it, or the browser lacks OffscreenCanvas. */
function startWorker(): Promise<SharedWorkerHost | null> {
  return new Promise((resolve) => {
    if (!('transferControlToOffscreen' in HTMLCanvasElement.prototype)) {
      resolve(null);
      return;
    }
    let worker: Worker;
    let blob: string | null = null;
    try {
      const script = new URL(/* @vite-ignore */ './gearway-worker.js', import.meta.url);
      // A worker's script must be of the page's own origin; what it imports need not.
      if (script.origin !== location.origin) blob = URL.createObjectURL(new Blob([`import ${JSON.stringify(script.href)};`], { type: 'text/javascript' }));
      worker = new Worker(blob ?? script, { type: 'module', name: 'gearway' });
    } catch {
      // The policy says so at once in some browsers, by an error event in others.
      resolve(null);
      return;
    }
    const settle = (host: SharedWorkerHost | null): void => {
      clearTimeout(timer);
      if (blob !== null) URL.revokeObjectURL(blob);
      if (host === null) worker.terminate();
      resolve(host);
    };
    const timer = setTimeout(() => settle(null), START_TIMEOUT_MS);
    worker.addEventListener('message', () => settle(new SharedWorkerHost(worker)), { once: true });
    worker.addEventListener('error', () => settle(null), { once: true });
  });
}

/**
 * Opens a session, in the page's worker where there can be one, else on the main thread, whose code is loaded only then.
 *
 * @param canvas fresh: no context yet, and not transferred.
 */
export async function openSession(options: SessionOptions, canvas: HTMLCanvasElement, emit: (event: SessionEvent) => void, place: 'worker' | 'main'): Promise<SessionHandle> {
  const host = place === 'worker' ? await (shared ??= startWorker()) : null;
  if (host !== null) return host.open(options, canvas.transferControlToOffscreen(), emit);
  const { ViewerSession } = await import('./session.ts');
  const session = new ViewerSession(options, canvas, emit);
  return { place: 'main', command: (command) => session.command(command) };
}
