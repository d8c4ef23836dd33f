import { setImmediate as turn } from 'node:timers/promises';
import type { Event, Observer } from 'zeromq';
import { runInBackground } from '../../shared/background.ts';

/**
 * Number of events after which the event loop continues. zeromq.js would deliver all events of a port scan in a row,
 * blocking other work.
 */
const EVENTS_PER_TURN = 32;

/**
 * Delivers the events of a ZeroMQ socket until it is closed. Used instead of `socket.events.on()`, whose loop in
 * zeromq.js has no failure handler.
 *
 * @param onFailure called if events stop although the socket is open.
 */
export function followEvents(
  observer: Observer,
  onEvent: (event: Event) => void,
  onFailure: (error: unknown) => void,
): void {
  runInBackground(follow(observer, onEvent), (error) => {
    if (!observer.closed) onFailure(error);
  });
}

async function follow(observer: Observer, onEvent: (event: Event) => void): Promise<void> {
  for (let count = 1; !observer.closed; count += 1) {
    // Resolves with undefined if the observer is closed in the meantime.
    const event = (await observer.receive()) as Event | undefined;
    if (event === undefined) return;
    onEvent(event);
    if (count % EVENTS_PER_TURN === 0) await turn();
  }
}
