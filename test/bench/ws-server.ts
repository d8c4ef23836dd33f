/** What a program with ws would write itself: for each acknowledgement that it reads, it sends one frame, in one piece. No stream, no pacing, no parsing. */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { PROTOCOL } from '../../shared/protocol.ts';
import { answerParent, listen } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';
import { createMessage } from './wire.ts';

const meter = new UsageMeter();
const message = createMessage();

const handlers = {
  /** @param framesInFlight to each viewer, always. */
  async listen(framesInFlight: number): Promise<number> {
    const server = createServer();
    const sockets = new WebSocketServer({ server, perMessageDeflate: false, handleProtocols: () => PROTOCOL });
    sockets.on('connection', (socket) => {
      let greeted = false;
      // Viewers leave by closing, with frames under way.
      socket.on('error', () => undefined);
      socket.on('message', () => {
        for (let i = greeted ? 1 : framesInFlight; i > 0; i -= 1) socket.send(message);
        greeted = true;
      });
    });
    return listen(server);
  },
  start: (): void => meter.start(),
  stop: (): Usage => meter.stop(),
};

export type WsServer = typeof handlers;

answerParent(handlers);
