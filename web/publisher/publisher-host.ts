import { WorkerHost } from '../connection/worker-host.ts';
import type { PublisherCommand, PublisherEvent, PublisherOptions } from './publisher-messages.ts';

/** A session as the element holds it, wherever it runs. */
export interface PublisherHandle {
  readonly place: 'worker' | 'main';
  /** @throws DataCloneError where something cannot be handed over. */
  command(command: PublisherCommand, transfer?: Transferable[]): void;
}

let shared: Promise<WorkerHost<PublisherOptions, PublisherCommand, PublisherEvent> | null> | null = null;

/** Opens a session, in the page's worker for publishers where there can be one, else on the main thread, whose code is loaded only then. */
export async function openPublisher(options: PublisherOptions, emit: (event: PublisherEvent) => void, place: 'worker' | 'main'): Promise<PublisherHandle> {
  const host = place === 'worker' ? await (shared ??= WorkerHost.start(new URL(/* @vite-ignore */ './gearway-publisher-worker.js', import.meta.url), 'gearway-publisher')) : null;
  if (host !== null) return { place: 'worker', command: host.open(options, [], emit) };
  const { PublisherSession } = await import('./publisher-session.ts');
  const session = new PublisherSession(options, emit);
  return { place: 'main', command: (command) => session.command(command) };
}
