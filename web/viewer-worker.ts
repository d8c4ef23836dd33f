import { ViewerSession } from './session.ts';
import type { WorkerRequest, WorkerResponse } from './session-host.ts';

// The page's one worker: sockets, decoding and drawing of all its viewers.
const sessions = new Map<number, ViewerSession>();
const post = (response: WorkerResponse): void => self.postMessage(response);

self.addEventListener('message', ({ data }: MessageEvent<WorkerRequest>) => {
  const { session: id } = data;
  if (data.kind === 'open') {
    sessions.set(id, new ViewerSession(data.options, data.canvas, (event) => post({ session: id, event })));
    return;
  }
  sessions.get(id)?.command(data.command);
  if (data.command.kind === 'close') sessions.delete(id);
});

post({ session: 0, event: null });
