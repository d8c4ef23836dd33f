import type { SessionCommand, SessionEvent, SessionOptions } from './session-messages.ts';
import { WorkerHost } from '../connection/worker-host.ts';

/** A session as the element holds it, wherever it runs. */
export interface SessionHandle {
  readonly place: 'worker' | 'main';
  command(command: SessionCommand): void;
}

/** What a session in the worker begins with. */
export interface SessionOpening {
  readonly options: SessionOptions;
  readonly canvas: OffscreenCanvas;
}

let shared: Promise<WorkerHost<SessionOpening, SessionCommand, SessionEvent> | null> | null = null;

/** Starts the page's one worker. null where there can be none: a policy forbids it, or the browser lacks OffscreenCanvas. */
async function startWorker(): Promise<WorkerHost<SessionOpening, SessionCommand, SessionEvent> | null> {
  if (!('transferControlToOffscreen' in HTMLCanvasElement.prototype)) return null;
  return WorkerHost.start(new URL(/* @vite-ignore */ './gearway-worker.js', import.meta.url), 'gearway');
}

/**
 * Opens a session, in the page's worker where there can be one, else on the main thread, whose code is loaded only then.
 *
 * @param canvas fresh: no context yet, and not transferred.
 */
export async function openSession(options: SessionOptions, canvas: HTMLCanvasElement, emit: (event: SessionEvent) => void, place: 'worker' | 'main'): Promise<SessionHandle> {
  const host = place === 'worker' ? await (shared ??= startWorker()) : null;
  if (host !== null) {
    const offscreen = canvas.transferControlToOffscreen();
    return { place: 'worker', command: host.open({ options, canvas: offscreen }, [offscreen], emit) };
  }
  const { ViewerSession } = await import('./session.ts');
  const session = new ViewerSession(options, canvas, emit);
  return { place: 'main', command: (command) => session.command(command) };
}
