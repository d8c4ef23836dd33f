import { once } from 'node:events';
import WebSocket from 'ws';
import {
  type Ack,
  decodeGatewayMessage,
  encodeMessage,
  type FrameMessage,
  type Hello,
  PROTOCOL,
} from '../../shared/protocol.ts';

/** A viewer of the stream `main` in a benchmark, which passes the frames to its subclass. */
export abstract class FrameViewer {
  /** Settles with the first frame. */
  readonly ready: Promise<void>;
  readonly #socket: WebSocket;

  protected constructor(port: number, hello: Omit<Hello, 'type' | 'name'> = {}) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/streams/main/ws`, PROTOCOL);
    this.#socket.on('open', () => this.#socket.send(encodeMessage({ type: 'hello', name: 'bench', ...hello })));
    this.ready = new Promise((resolve, reject) => {
      this.#socket.on('message', (data: Buffer) => {
        const message = decodeGatewayMessage(data);
        if (message?.type !== 'frame') return;
        resolve();
        this.take(message);
      });
      this.#socket.on('error', reject);
      this.#socket.on('close', (code, reason) => reject(new Error(`closed with ${code}: ${String(reason)}`)));
    });
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.terminate();
    await once(this.#socket, 'close');
  }

  protected acknowledge(ack: Omit<Ack, 'type' | 'failed'>): void {
    this.#socket.send(encodeMessage({ type: 'ack', failed: 0, ...ack }));
  }

  protected abstract take(frame: FrameMessage): void;
}
