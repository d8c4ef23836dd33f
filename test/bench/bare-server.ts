/**
 * A hand-written page with its server, on ws. /fast sends one JPEG repeatedly, with a few in flight; /live sends a
 * film: each frame gets its number, is encoded, and is sent to all clients. /mjpeg is the same film over HTTP, for
 * programs that fetch it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import { BARE_PAGE, BARE_WORKER } from './bare-page.ts';
import { Pace } from './pace.ts';
import { burnNumber } from './picture-number.ts';
import { answerParent, listen } from './processes.ts';
import { makePicture, type PictureSize } from './python.ts';
import type { HandedOver } from './shown-delays.ts';

/** Maximum number of frames in flight: two being decoded, and one in transit. */
const FRAMES_IN_FLIGHT = 3;

let jpeg: Buffer = Buffer.alloc(0);
const watching = new Set<(jpeg: Buffer) => void>();

function serve({ url }: IncomingMessage, response: ServerResponse): void {
  if (url === '/mjpeg') {
    response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=frame' });
    const write = (frame: Buffer): void => {
      response.cork();
      response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${frame.length}\r\n\r\n`);
      response.write(frame);
      response.write('\r\n');
      response.uncork();
    };
    watching.add(write);
    response.on('close', () => watching.delete(write));
  } else if (url === '/worker.js') {
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(BARE_WORKER);
  } else {
    response.writeHead(200, { 'content-type': 'text/html' }).end(BARE_PAGE);
  }
}

function connect(socket: WebSocket, { url }: IncomingMessage): void {
  const send = (frame: Buffer): void => socket.send(frame);
  // Viewers may disconnect with frames in flight.
  socket.on('error', () => undefined);
  if (url === '/fast') {
    for (let i = 0; i < FRAMES_IN_FLIGHT; i += 1) send(jpeg);
    socket.on('message', () => send(jpeg));
  } else {
    watching.add(send);
    socket.on('close', () => watching.delete(send));
  }
}

let stopFilming: (() => Promise<HandedOver[]>) | null = null;

/** Sends a film to all clients. @returns a function that ends the film. */
function film(samples: Buffer, { width, height }: PictureSize, fps: number): () => Promise<HandedOver[]> {
  const handedOver: HandedOver[] = [];
  const pace = new Pace(fps);
  let isRunning = true;
  const running = (async (): Promise<HandedOver[]> => {
    for (let number = 1; ; number += 1) {
      await new Promise((resolve) => setTimeout(resolve, pace.waitMs()));
      if (!isRunning) return handedOver;
      burnNumber(samples, width, height, number);
      handedOver.push({ number, atMs: performance.timeOrigin + performance.now() });
      const frame = await encodeJpeg({ data: samples, width, height, channels: 3 });
      for (const send of watching) send(frame);
    }
  })();
  return () => {
    isRunning = false;
    return running;
  };
}

const handlers = {
  listen(): Promise<number> {
    const server = createServer(serve);
    new WebSocketServer({ server, perMessageDeflate: false }).on('connection', connect);
    return listen(server);
  },
  /** Sets the JPEG of /fast. */
  show(base64: string): void {
    jpeg = Buffer.from(base64, 'base64');
  },
  async startFilming(size: PictureSize, fps: number): Promise<void> {
    stopFilming = film(await makePicture(size, 'samples'), size, fps);
  },
  async stopFilming(): Promise<HandedOver[]> {
    return (await stopFilming?.()) ?? [];
  },
};

export type BareServer = typeof handlers;

answerParent(handlers);
