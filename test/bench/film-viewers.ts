/** A process of viewers like the element, without a decoder: they show renditions, H.264 included, and record frames. */
import { once } from 'node:events';
import WebSocket from 'ws';
import {
  decodeGatewayMessage,
  encodeMessage,
  feature,
  type FrameMessage,
  PROTOCOL,
  type WantFields,
} from '../../shared/protocol.ts';
import { answerParent } from './processes.ts';
import type { Shown } from './shown-delays.ts';

/** Frames that one viewer has received completely since `start`. */
export interface Received {
  readonly frames: readonly Shown[];
  /** Number of frames of each rendition; `source` for the source's own. */
  readonly renditions: Readonly<Record<string, number>>;
}

class FilmViewer {
  /** Settles with the first frame. */
  readonly ready: Promise<void>;
  readonly #socket: WebSocket;
  #frames: Shown[] = [];
  #renditions: Record<string, number> = {};

  constructor(port: number, want: WantFields) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/streams/main/ws`, PROTOCOL);
    this.#socket.on('open', () =>
      this.#socket.send(
        encodeMessage({ type: 'hello', name: 'bench', spectate: true, features: [feature.renditions], want }),
      ),
    );
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

  start(): void {
    this.#frames = [];
    this.#renditions = {};
  }

  stop(): Received {
    return { frames: this.#frames, renditions: this.#renditions };
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.terminate();
    await once(this.#socket, 'close');
  }

  #take({ sequence, message, rendition }: FrameMessage): void {
    const atMs = performance.timeOrigin + performance.now();
    this.#socket.send(
      encodeMessage({ type: 'ack', sequence, painted: sequence, skipped: 0, failed: 0, decodeMs: 5, waitMs: 0 }),
    );
    const name = rendition?.rendition ?? 'source';
    this.#renditions[name] = (this.#renditions[name] ?? 0) + 1;
    if (typeof message === 'object' && message !== null && 'number' in message)
      this.#frames.push({ number: Number(message.number), atMs });
  }
}

const groups = new Map<string, FilmViewer[]>();

const handlers = {
  /** Adds a group with one viewer per port. Settles when each has received a frame. */
  async connect(group: string, ports: readonly number[], want: WantFields): Promise<void> {
    const viewers = ports.map((port) => new FilmViewer(port, want));
    groups.set(group, viewers);
    await Promise.all(viewers.map(({ ready }) => ready));
  },
  start(): void {
    for (const viewers of groups.values()) for (const viewer of viewers) viewer.start();
  },
  stop: (group: string): Received[] => (groups.get(group) ?? []).map((viewer) => viewer.stop()),
  async disconnect(group: string): Promise<void> {
    await Promise.all((groups.get(group) ?? []).map((viewer) => viewer.close()));
    groups.delete(group);
  },
};

export type FilmViewers = typeof handlers;

answerParent(handlers);
