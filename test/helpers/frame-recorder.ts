import { createHash } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';
import { decodeGatewayMessage, encodeMessage, type FrameMessage, PROTOCOL } from '../../shared/protocol.ts';

/** A frame as received by a viewer. */
export interface RecordedFrame {
  readonly sequence: number;
  readonly encoding: FrameMessage['encoding'];
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  readonly sha1: string;
  /** Time of arrival, by performance.now(). */
  readonly atMs: number;
  /**
   * Time from the capture, by the publisher's clock, to the arrival at the gateway; null if the capture time is
   * unknown.
   */
  readonly ageMs: number | null;
}

/** A viewer that acknowledges every frame immediately, and records its content. */
export class FrameRecorder implements AsyncDisposable {
  readonly frames: RecordedFrame[] = [];
  /** The latest frame. */
  payload = Buffer.alloc(0);
  /** The stream's states and reasons, in the order of their changes. */
  readonly states: string[] = [];
  readonly #socket: WebSocket;
  #wake: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      const message = decodeGatewayMessage(data);
      if (message?.type === 'frame') this.#take(message);
      if (message?.type === 'state') this.states.push(`${message.state}: ${message.reason}`);
      this.#wake();
    });
  }

  /** @param url `http://127.0.0.1:PORT`. */
  static async open(url: string, stream = 'main'): Promise<FrameRecorder> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/streams/${stream}/ws`, PROTOCOL, {
      perMessageDeflate: false,
    });
    const recorder = new FrameRecorder(socket);
    await once(socket, 'open');
    socket.send(encodeMessage({ type: 'hello' }));
    return recorder;
  }

  /** Resolves with the frames when this number has been received. */
  async take(count: number, timeoutMs = 30_000): Promise<readonly RecordedFrame[]> {
    const deadline = performance.now() + timeoutMs;
    while (this.frames.length < count) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0)
        throw new Error(`${this.frames.length} frames received, expected ${count}; states: ${this.states.join('; ')}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.frames.slice(0, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.terminate();
    await once(this.#socket, 'close');
  }

  #take({ sequence, encoding, width, height, payload, capturedAtUs, receivedAtUs }: FrameMessage): void {
    this.payload = Buffer.from(payload);
    this.frames.push({
      sequence,
      encoding,
      width,
      height,
      bytes: payload.byteLength,
      sha1: createHash('sha1').update(payload).digest('hex'),
      atMs: performance.now(),
      ageMs: typeof capturedAtUs === 'number' ? (receivedAtUs - capturedAtUs) / 1000 : null,
    });
    this.#socket.send(encodeMessage({ type: 'ack', sequence, painted: sequence, skipped: 0, failed: 0, decodeMs: 0 }));
  }
}
