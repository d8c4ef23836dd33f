/**
 * The minimum work of a Node process that delivers frames: it writes one prepared buffer to every socket, and counts
 * acknowledgements by their length. It has no stream, no pacing by the link, and no parsing.
 */
import { createServer, type Socket } from 'node:net';
import { Broadcast, BroadcastViewer } from './broadcast.ts';
import { answerParent, listen } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';
import { ACK_BYTES, createFrameBytes, handshakeResponse, HELLO } from './wire.ts';

const meter = new UsageMeter();
const frame = createFrameBytes();

function serve(broadcast: Broadcast, socket: Socket): void {
  const viewer = new BroadcastViewer(() => socket.write(frame));
  let request: string | null = '';
  let unread = -HELLO.length;
  socket.setNoDelay(true);
  // Viewers disconnect by closing, with frames in flight.
  socket.on('error', () => undefined);
  socket.on('close', () => broadcast.leave(viewer));
  socket.on('data', (bytes) => {
    if (request !== null) {
      // A client sends nothing between its handshake and the response.
      request += bytes.toString('latin1');
      if (!request.endsWith('\r\n\r\n')) return;
      socket.write(handshakeResponse(request));
      request = null;
      broadcast.join(viewer);
      return;
    }
    unread += bytes.length;
    for (; unread >= ACK_BYTES; unread -= ACK_BYTES) broadcast.acknowledged(viewer);
  });
}

const handlers = {
  async listen(): Promise<number> {
    const broadcast = new Broadcast();
    return listen(createServer((socket) => serve(broadcast, socket)));
  },
  start: (): void => meter.start(),
  stop: (): Usage => meter.stop(),
};

export type RawServer = typeof handlers;

answerParent(handlers);
