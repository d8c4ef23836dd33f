/**
 * A minimal server with ws: it sends each viewer a ready-made message in one write. It has no stream, no pacing, and no
 * parsing.
 */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { PROTOCOL } from '../../shared/protocol.ts';
import { Broadcast, BroadcastViewer } from './broadcast.ts';
import { answerParent, listen } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';
import { createMessage } from './wire.ts';

const meter = new UsageMeter();
const message = createMessage();

const handlers = {
  async listen(): Promise<number> {
    const broadcast = new Broadcast();
    const server = createServer();
    const sockets = new WebSocketServer({ server, perMessageDeflate: false, handleProtocols: () => PROTOCOL });
    sockets.on('connection', (socket) => {
      const viewer = new BroadcastViewer(() => socket.send(message));
      // Viewers disconnect by closing, with frames in flight.
      socket.on('error', () => undefined);
      socket.on('close', () => broadcast.leave(viewer));
      // The first message is hello.
      socket.once('message', () => {
        broadcast.join(viewer);
        socket.on('message', () => broadcast.acknowledged(viewer));
      });
    });
    return listen(server);
  },
  start: (): void => meter.start(),
  stop: (): Usage => meter.stop(),
};

export type WsServer = typeof handlers;

answerParent(handlers);
