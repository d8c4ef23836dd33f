import type { WorkerRequest, WorkerResponse } from './worker-host.ts';

/** In a worker: opens sessions as the page's `WorkerHost` asks, and gives them their commands. */
export function serveSessions<Opening, Command extends { readonly kind: string }, Event>(open: (opening: Opening, emit: (event: Event) => void) => { command(command: Command): void }): void {
  const sessions = new Map<number, { command(command: Command): void }>();
  const post = (response: WorkerResponse<Event>): void => self.postMessage(response);
  self.addEventListener('message', ({ data }: MessageEvent<WorkerRequest<Opening, Command>>) => {
    const { session: id } = data;
    if (data.kind === 'open') {
      sessions.set(id, open(data.opening, (event) => post({ session: id, event })));
      return;
    }
    sessions.get(id)?.command(data.command);
    if (data.command.kind === 'close') sessions.delete(id);
  });
  post({ session: 0, event: null });
}
