/** A process of discarding viewers. */
import { Crowd } from './crowd.ts';
import { DiscardingViewer } from './discarding-viewer.ts';
import { answerParent } from './processes.ts';

const crowd = new Crowd();

const handlers = {
  /** Settles when every viewer has received a frame. */
  connect: (port: number, count: number) => crowd.connect(count, () => new DiscardingViewer(port)),
  start: () => crowd.start(),
  stop: () => crowd.stop(),
  disconnect: () => crowd.disconnect(),
};

export type Viewers = typeof handlers;

answerParent(handlers);
