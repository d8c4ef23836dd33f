/** A process of discarding viewers. */
import { answerParent } from './processes.ts';
import { DiscardingViewer } from './discarding-viewer.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';

const meter = new UsageMeter();
let viewers: DiscardingViewer[] = [];
let framesBefore = 0;

function countFrames(): number {
  return viewers.reduce((sum, { frames }) => sum + frames, 0);
}

const handlers = {
  /** Settles when every viewer has had a frame. */
  async connect(port: number, count: number): Promise<void> {
    viewers = Array.from({ length: count }, () => new DiscardingViewer(port));
    await Promise.all(viewers.map(({ ready }) => ready));
  },
  start(): void {
    framesBefore = countFrames();
    meter.start();
  },
  stop(): Usage & { readonly frames: number } {
    const usage = meter.stop();
    for (const viewer of viewers) viewer.check();
    return { ...usage, frames: countFrames() - framesBefore };
  },
  async disconnect(): Promise<void> {
    await Promise.all(viewers.map((viewer) => viewer.close()));
    viewers = [];
  },
};

export type Viewers = typeof handlers;

answerParent(handlers);
