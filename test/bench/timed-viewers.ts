/** A process of viewers that take a given time per frame, like a browser's decoder, and record the times. */
import { once } from 'node:events';
import WebSocket from 'ws';
import { decodeGatewayMessage, encodeMessage, type FrameMessage, PROTOCOL } from '../../shared/protocol.ts';
import type { Drawn } from './drawn.ts';
import { answerParent } from './processes.ts';

/** Frames of one viewer since `start`. */
export interface Seen {
  readonly drawn: readonly Drawn[];
}

class TimedViewer {
  /** Settles with the first frame. */
  readonly ready: Promise<void>;
  /** By this process's clock. */
  drawn: Drawn[] = [];
  readonly #socket: WebSocket;
  readonly #workMs: number;
  #isDecoding = false;
  #waiting: FrameMessage | null = null;
  #painted = 0;
  #skipped = 0;

  /** @param workMs processing time per frame; 0 for none. */
  constructor(port: number, workMs: number) {
    this.#workMs = workMs;
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/streams/main/ws`, PROTOCOL);
    this.#socket.on('open', () => this.#socket.send(encodeMessage({ type: 'hello', name: 'bench' })));
    this.ready = new Promise((resolve, reject) => {
      this.#socket.on('message', (data: Buffer) => {
        const message = decodeGatewayMessage(data);
        if (message?.type !== 'frame') return;
        resolve();
        this.#take(message);
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

  /** Like the element: one frame is being decoded, one waits, and a newer one replaces it. */
  #take(frame: FrameMessage): void {
    if (this.#isDecoding) {
      if (this.#waiting !== null) this.#skipped += 1;
      this.#waiting = frame;
      return;
    }
    this.#socket.send(
      encodeMessage({
        type: 'ack',
        sequence: frame.sequence,
        painted: this.#painted,
        skipped: this.#skipped,
        failed: 0,
        decodeMs: this.#workMs,
      }),
    );
    if (this.#workMs === 0) {
      this.#draw(frame);
      return;
    }
    this.#isDecoding = true;
    setTimeout(() => {
      this.#isDecoding = false;
      this.#draw(frame);
      const waiting = this.#waiting;
      this.#waiting = null;
      if (waiting !== null) this.#take(waiting);
    }, this.#workMs);
  }

  #draw({ receivedAtUs }: FrameMessage): void {
    const atMs = performance.now();
    this.#painted += 1;
    // The gateway's clock is this machine's.
    this.drawn.push({ atMs, delayMs: performance.timeOrigin + atMs - receivedAtUs / 1000 });
  }
}

let viewers: TimedViewer[] = [];
let startedAtMs = 0;

const handlers = {
  /** Adds one viewer per processing time (ms per frame). Settles when each has received a frame. */
  async connect(port: number, worksMs: readonly number[]): Promise<void> {
    const added = worksMs.map((workMs) => new TimedViewer(port, workMs));
    viewers.push(...added);
    await Promise.all(added.map(({ ready }) => ready));
  },
  start(): void {
    startedAtMs = performance.now();
    for (const viewer of viewers) viewer.drawn = [];
  },
  /** In the order in which they connected. */
  stop(): Seen[] {
    return viewers.map(({ drawn }) => ({
      drawn: drawn.map(({ atMs, delayMs }) => ({ atMs: atMs - startedAtMs, delayMs })),
    }));
  },
  async disconnect(): Promise<void> {
    await Promise.all(viewers.map((viewer) => viewer.close()));
    viewers = [];
  },
};

export type TimedViewers = typeof handlers;

answerParent(handlers);
