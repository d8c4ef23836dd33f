/** A process of viewers that are paused, or that do not read. */
import { answerParent } from './processes.ts';
import { DiscardingViewer, type DiscardingViewerOptions } from './discarding-viewer.ts';

/** Maximum number of concurrent connects: a thousand exceed the backlog of a listener. */
const GROUP = 50;

let viewers: DiscardingViewer[] = [];

const handlers = {
  /** Adds `count` viewers. Settles when each has received the frame that was the latest when it connected. */
  async connect(port: number, count: number, options: DiscardingViewerOptions): Promise<void> {
    for (let left = count; left > 0; left -= GROUP) {
      const group = Array.from({ length: Math.min(GROUP, left) }, () => new DiscardingViewer(port, options));
      await Promise.all(group.map(({ ready }) => ready));
      viewers.push(...group);
    }
  },
  /** Makes all viewers stop reading. */
  stall(): void {
    for (const viewer of viewers) viewer.stall();
  },
  /** @throws if a viewer was disconnected earlier. */
  async disconnect(): Promise<void> {
    for (const viewer of viewers) viewer.check();
    await Promise.all(viewers.map((viewer) => viewer.close()));
    viewers = [];
  },
};

export type StillViewers = typeof handlers;

answerParent(handlers);
