/** A worker's process: the main process starts it, hands viewers' sockets over to it, and ends it. */
import { Socket } from 'node:net';
import type { ToWorker } from './messages.ts';
import { FRAMES_FD } from './frame-pipe.ts';
import { ViewerServer } from './viewer-server.ts';

// Ctrl-C and a service manager signal all processes of the gateway. The main process closes viewers properly, and ends us.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

// However the main process ends, its end of the channel closes.
process.on('disconnect', () => process.exit(0));

const frames = new Socket({ fd: FRAMES_FD, readable: true, writable: false });
// It ends with the channel.
frames.on('error', () => undefined);

const server = new ViewerServer(frames, (message) => {
  if (process.connected) process.send?.(message);
});

process.on('message', (message: ToWorker, socket: Socket | undefined) => {
  server.received(message, socket);
  if (message.type === 'stop') void server.close().then(() => process.exit(0));
});
