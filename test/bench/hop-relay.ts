/**
 * The minimum work of a Node process between NetGear and a viewer: it writes the frames of a ZeroMQ socket to a TCP
 * socket, and answers the sender. It has no checks, no WebSocket, and no pacing.
 */
import { createServer, type Socket } from 'node:net';
import { Reply } from 'zeromq';
import { answerParent, listen } from './processes.ts';

/** The answer of a NetGear client. */
const ANSWER = 'Data received on device: relay !';

let viewer: Socket | null = null;

async function relay(source: Reply): Promise<void> {
  for await (const [, payload] of source) {
    if (payload !== undefined) viewer?.write(payload);
    await source.send(ANSWER);
  }
}

const handlers = {
  /** @returns the port for a viewer. */
  async listen(sourcePort: number): Promise<number> {
    const source = new Reply({ linger: 0 });
    await source.bind(`tcp://127.0.0.1:${sourcePort}`);
    void relay(source);
    return listen(
      createServer((socket) => {
        socket.setNoDelay(true);
        // A viewer leaves by closing its connection.
        socket.on('error', () => undefined);
        viewer = socket;
      }),
    );
  },
};

export type HopRelay = typeof handlers;

answerParent(handlers);
