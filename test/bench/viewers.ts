/** A process of discarding viewers. */
import { Crowd } from './crowd.ts';
import { DiscardingViewer, type DiscardingViewerOptions } from './discarding-viewer.ts';
import { answerParent } from './processes.ts';

const crowd = new Crowd();

const handlers = {
  /** Adds viewers. Settles when each of them has received a frame. */
  connect: (port: number, count: number, options: Pick<DiscardingViewerOptions, 'spectates'> = {}) =>
    crowd.connect(count, () => new DiscardingViewer(port, options)),
  start: () => crowd.start(),
  stop: () => crowd.stop(),
  disconnect: () => crowd.disconnect(),
};

export type Viewers = typeof handlers;

answerParent(handlers);
