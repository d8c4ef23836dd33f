/**
 * The least that a Node process can do between NetGear and a viewer: what comes out of a ZeroMQ socket is written to a
 * TCP socket, and the sender is answered. No checks, no WebSocket, no pacing.
 */
import { createServer, type Socket } from 'node:net';
import { Reply } from 'zeromq';
import { answerParent, listen } from './processes.ts';

/** What a NetGear client answers. */
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
        // A viewer leaves by closing.
        socket.on('error', () => undefined);
        viewer = socket;
      }),
    );
  },
};

export type HopRelay = typeof handlers;

answerParent(handlers);
