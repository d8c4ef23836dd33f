/** A process with links. It is separate, so that carrying data does not delay the measured processes. */
import { DatagramRelay } from '../helpers/datagram-relay.ts';
import { type Link, ShapedRelay } from '../helpers/shaped-relay.ts';
import { answerParent } from './processes.ts';

const relays = new Map<number, ShapedRelay>();
const datagrams = new Map<number, DatagramRelay>();

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
  /** Carries UDP over a link too, from the port of its near end to another port of this machine. */
  async openDatagrams(port: number, target: number): Promise<void> {
    datagrams.set(port, await DatagramRelay.start(relayOf(port), target));
  },
  /** Datagrams that found the queue of a link full. */
  lost: (port: number): number => datagrams.get(port)?.lost ?? 0,
  /** Changes a link. @returns when, by the machine's clock. */
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
