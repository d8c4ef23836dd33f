import { type Event, Subscriber } from 'zeromq';
import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { KEEP_ALIVE } from '../../netgear/keep-alive.ts';
import { receiveAll, UNBOUNDED_QUEUE } from '../../netgear/receive-all.ts';
import { createServerSocket } from '../../netgear/create-server-socket.ts';
import { followEvents } from '../../netgear/socket-events.ts';

/** How imagezmq's ends find each other: `request-reply`, the hub binds and answers each picture; `publish-subscribe`, it connects to senders. */
export type HubPattern = 'request-reply' | 'publish-subscribe';

/** What `ImageHub.send_reply` says by default. */
const OK = 'OK';

/** For how long an answer may still leave when the hub closes: who does not get it waits for ever. */
const ANSWER_LINGER_MS = 200;

/** A kernel buffer for a sender that is faster than we read: more is delay that nobody sees. */
const RECEIVE_BUFFER_BYTES = 256 << 10;

/** How long a place where somebody else listens is left alone. */
const RECONNECT_MS = 1000;

/** What happens to a {@link HubSocket}. */
export interface HubSocketEvents {
  /** How many senders are connected. */
  peers(count: number): void;
  /** A connection or a message was refused: why, a sentence without its end. */
  refused(reason: string): void;
  /** The socket no longer works: close it. */
  failed(error: unknown): void;
}

/** The hub's end of imagezmq's ImageHub. Iterate over it for messages, and {@link answer} each before asking for the next. */
export interface HubSocket extends AsyncIterable<Uint8Array[]> {
  /** Tells the sender to go on: it waits for that. */
  answer(): Promise<void>;
  /** Counts the last message as malformed: a sender of too many of them is read no more. */
  malformed(): void;
  /** Idempotent. Resolves when the address is free again. */
  close(): Promise<void>;
}

/**
 * Opens the hub's end.
 *
 * @param endpoints where it binds, or the senders that it connects to.
 * @throws when an address is in use, or none.
 */
export async function openHubSocket(pattern: HubPattern, endpoints: readonly string[], events: HubSocketEvents): Promise<HubSocket> {
  return pattern === 'request-reply' ? listen(endpoints, events) : subscribe(endpoints, events);
}

async function listen(endpoints: readonly string[], events: HubSocketEvents): Promise<HubSocket> {
  // The same REP as for a NetGear server that connects.
  const socket = createServerSocket({ pattern: 'request-reply', expected: 'an imagezmq sender' }, null, events);
  try {
    for (const endpoint of endpoints) await socket.bind(endpoint);
  } catch (error) {
    await socket.close();
    throw error;
  }
  let latest: string | null = null;
  return {
    async *[Symbol.asyncIterator]() {
      for await (const { parts, peer } of socket) {
        latest = peer;
        yield parts;
      }
    },
    answer: () => socket.reply(latest, [OK]),
    malformed: () => socket.malformed(latest),
    close: () => socket.close(ANSWER_LINGER_MS),
  };
}

function subscribe(endpoints: readonly string[], events: HubSocketEvents): HubSocket {
  const socket = new Subscriber({
    linger: 0,
    ...KEEP_ALIVE,
    ...UNBOUNDED_QUEUE,
    reconnectMaxInterval: 1000,
    maxMessageSize: FRAME_LIMITS.payloadBytes,
    receiveBufferSize: RECEIVE_BUFFER_BYTES,
    // Names may have addresses of both kinds.
    ipv6: endpoints.some((endpoint) => endpoint.startsWith('tcp://[')),
  });
  let isClosed = false;
  const connected = new Set<string>();
  const happened = (event: Event): void => {
    if (isClosed) return;
    if (event.type === 'handshake') {
      connected.add(event.address);
      events.peers(connected.size);
    } else if (event.type === 'disconnect') {
      const { address } = event;
      if (connected.delete(address)) {
        events.peers(connected.size);
        return;
      }
      // libzmq does not try again by itself after a failed handshake.
      events.refused('what listens there is not an imagezmq sender of pattern publish-subscribe');
      setTimeout(() => {
        if (!isClosed) reconnect(socket, address, events);
      }, RECONNECT_MS).unref();
    }
  };
  followEvents(socket.events, happened, (error) => {
    if (!isClosed) events.failed(error);
  });
  socket.subscribe();
  try {
    for (const endpoint of endpoints) socket.connect(endpoint);
  } catch (error) {
    socket.close();
    throw error;
  }
  return {
    [Symbol.asyncIterator]: () => receiveAll(socket),
    answer: () => Promise.resolve(),
    malformed: () => {},
    close: async () => {
      isClosed = true;
      socket.close();
    },
  };
}

function reconnect(socket: Subscriber, address: string, events: HubSocketEvents): void {
  try {
    socket.disconnect(address);
  } catch {
    // It has forgotten the address already.
  }
  try {
    socket.connect(address);
  } catch (error) {
    events.failed(error);
  }
}
