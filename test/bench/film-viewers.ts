/**
 * A process of viewers that behave like the element, but without a decoder: they accept renditions, including H.264,
 * and record frames.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { feature, type FrameMessage, type WantFields } from '../../shared/protocol.ts';
import { FrameViewer } from './frame-viewer.ts';
import { answerParent } from './processes.ts';
import type { Shown } from './shown-delays.ts';

/** Frames that one viewer has received completely since `start`. */
export interface Received {
  readonly frames: readonly Shown[];
  /** Number of frames of each rendition; `source` for the source's own. */
  readonly renditions: Readonly<Record<string, number>>;
}

/** Timeout for a rendition. */
const RENDITION_TIMEOUT_MS = 20_000;

class FilmViewer extends FrameViewer {
  /** The rendition of the latest frame; `source` for the source's own. */
  latest = '';
  #frames: Shown[] = [];
  #renditions: Record<string, number> = {};

  constructor(port: number, want: WantFields) {
    super(port, { spectate: true, features: [feature.renditions], want });
  }

  start(): void {
    this.#frames = [];
    this.#renditions = {};
  }

  stop(): Received {
    return { frames: this.#frames, renditions: this.#renditions };
  }

  protected take({ sequence, message, rendition }: FrameMessage): void {
    const atMs = performance.timeOrigin + performance.now();
    this.acknowledge({ sequence, painted: sequence, skipped: 0, decodeMs: 5, waitMs: 0 });
    const name = rendition?.rendition ?? 'source';
    this.latest = name;
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
  /** Settles when the first viewer of a group gets a rendition. */
  async gets(group: string, rendition: string): Promise<void> {
    for (const deadline = performance.now() + RENDITION_TIMEOUT_MS; ; await delay(20)) {
      const latest = groups.get(group)?.[0]?.latest;
      if (latest === rendition) return;
      if (performance.now() > deadline) throw new Error(`a viewer got ${latest}, expected ${rendition}`);
    }
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
