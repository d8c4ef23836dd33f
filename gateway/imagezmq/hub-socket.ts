import { Subscriber } from 'zeromq';
import { DEFAULT_FRAME_LIMITS } from '../netgear/frame-codec.ts';
import { ServerSocket } from '../netgear/server-socket.ts';

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
  /** Somebody came who is no sender of this pattern. */
  refused(): void;
}

/** The hub's end of imagezmq's ImageHub. Iterate over it for messages, and {@link answer} each before asking for the next. */
export interface HubSocket extends AsyncIterable<Uint8Array[]> {
  /** Tells the sender to go on: it waits for that. */
  answer(): Promise<void>;
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
  const socket = new ServerSocket('request-reply', null, events);
  try {
    for (const endpoint of endpoints) await socket.bind(endpoint);
  } catch (error) {
    await socket.close();
    throw error;
  }
  return {
    [Symbol.asyncIterator]: () => socket[Symbol.asyncIterator](),
    answer: () => socket.reply([OK]),
    close: () => socket.close(ANSWER_LINGER_MS),
  };
}

function subscribe(endpoints: readonly string[], events: HubSocketEvents): HubSocket {
  const socket = new Subscriber({
    linger: 0,
    heartbeatInterval: 500,
    heartbeatTimeout: 1500,
    reconnectMaxInterval: 1000,
    maxMessageSize: DEFAULT_FRAME_LIMITS.payloadBytes,
    receiveHighWaterMark: 8,
    receiveBufferSize: RECEIVE_BUFFER_BYTES,
    // Names may have addresses of both kinds.
    ipv6: endpoints.some((endpoint) => endpoint.startsWith('tcp://[')),
  });
  let isClosed = false;
  const connected = new Set<string>();
  socket.events.on('handshake', ({ address }) => {
    connected.add(address);
    if (!isClosed) events.peers(connected.size);
  });
  socket.events.on('disconnect', ({ address }) => {
    if (isClosed) return;
    if (connected.delete(address)) {
      events.peers(connected.size);
      return;
    }
    // Who is there hung up in the handshake. libzmq does not try again by itself then.
    events.refused();
    setTimeout(() => {
      if (!isClosed) reconnect(socket, address);
    }, RECONNECT_MS).unref();
  });
  socket.subscribe();
  try {
    for (const endpoint of endpoints) socket.connect(endpoint);
  } catch (error) {
    socket.close();
    throw error;
  }
  return {
    [Symbol.asyncIterator]: () => socket[Symbol.asyncIterator](),
    answer: () => Promise.resolve(),
    close: async () => {
      isClosed = true;
      socket.close();
    },
  };
}

function reconnect(socket: Subscriber, address: string): void {
  try {
    socket.disconnect(address);
  } catch {
    // It has forgotten the address already.
  }
  socket.connect(address);
}
