/**
 * The least a Node process can do to deliver frames: it writes one ready-made piece of memory to every socket, and another
 * time for each acknowledgement that it reads. No stream, no pacing, no parsing.
 */
import { createServer, type Socket } from 'node:net';
import { answerParent, listen } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';
import { ACK_BYTES, createFrameBytes, handshakeResponse, HELLO } from './wire.ts';

const meter = new UsageMeter();
const frame = createFrameBytes();

function serve(socket: Socket, framesInFlight: number): void {
  let request: string | null = '';
  let unread = -HELLO.length;
  socket.setNoDelay(true);
  // Viewers leave by closing, with frames under way.
  socket.on('error', () => undefined);
  socket.on('data', (bytes) => {
    if (request !== null) {
      // Nothing follows a handshake before its answer.
      request += bytes.toString('latin1');
      if (!request.endsWith('\r\n\r\n')) return;
      socket.write(handshakeResponse(request));
      request = null;
      for (let i = 0; i < framesInFlight; i += 1) socket.write(frame);
      return;
    }
    unread += bytes.length;
    for (; unread >= ACK_BYTES; unread -= ACK_BYTES) socket.write(frame);
  });
}

const handlers = {
  /** @param framesInFlight to each viewer, always. */
  async listen(framesInFlight: number): Promise<number> {
    return listen(createServer((socket) => serve(socket, framesInFlight)));
  },
  start: (): void => meter.start(),
  stop: (): Usage => meter.stop(),
};

export type RawServer = typeof handlers;

answerParent(handlers);
