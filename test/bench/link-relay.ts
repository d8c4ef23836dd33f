/** A process that carries the data of links, so that this work does not delay the measured processes. */
import { type Link, ShapedRelay } from '../helpers/shaped-relay.ts';
import { answerParent } from './processes.ts';

const relays = new Map<number, ShapedRelay>();

function relayOf(port: number): ShapedRelay {
  const relay = relays.get(port);
  if (relay === undefined) throw new Error(`no link has the port ${port}`);
  return relay;
}

const handlers = {
  /** @returns the port of the near end of a link to another port of this machine. */
  async open(target: number, link: Link): Promise<number> {
    const relay = await ShapedRelay.start(target, link);
    relays.set(relay.port, relay);
    return relay.port;
  },
  /** Changes a link. @returns the time of the change, by the machine's clock. */
  shape(port: number, changes: Partial<Link>): number {
    relayOf(port).shape(changes);
    return Date.now();
  },
  /** Number of bytes that the link has carried in each direction. */
  carried(port: number): { up: number; down: number } {
    const { up, down } = relayOf(port);
    return { up: up.carriedBytes, down: down.carriedBytes };
  },
};

export type LinkRelay = typeof handlers;

answerParent(handlers);
