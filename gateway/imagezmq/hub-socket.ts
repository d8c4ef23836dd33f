import { Subscriber } from 'zeromq';
import { DEFAULT_FRAME_LIMITS } from '../netgear/frame-codec.ts';
import { ServerSocket } from '../netgear/server-socket.ts';

/** How imagezmq's ends find each other: `request-reply`, the hub binds and answers each picture; `publish-subscribe`, it connects to senders. */
export type HubPattern = 'request-reply' | 'publish-subscribe';

/** What `ImageHub.send_reply` says by default. */
const OK = 'OK';

/** A kernel buffer for a sender that is faster than we read: more is delay that nobody sees. */
const RECEIVE_BUFFER_BYTES = 256 << 10;

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
 * @param onPeers how many senders are connected; never called where it connects to them, since they come and go unseen.
 * @throws when an address is in use, or none.
 */
export async function openHubSocket(pattern: HubPattern, endpoints: readonly string[], onPeers: (count: number) => void): Promise<HubSocket> {
  return pattern === 'request-reply' ? listen(endpoints, onPeers) : subscribe(endpoints);
}

async function listen(endpoints: readonly string[], onPeers: (count: number) => void): Promise<HubSocket> {
  // The same REP as for a NetGear server that connects.
  const socket = new ServerSocket('request-reply', null, { peers: onPeers, refused: () => undefined });
  try {
    for (const endpoint of endpoints) await socket.bind(endpoint);
  } catch (error) {
    await socket.close();
    throw error;
  }
  return {
    [Symbol.asyncIterator]: () => socket[Symbol.asyncIterator](),
    answer: () => socket.reply([OK]),
    close: () => socket.close(),
  };
}

function subscribe(endpoints: readonly string[]): HubSocket {
  const socket = new Subscriber({
    linger: 0,
    heartbeatInterval: 500,
    heartbeatTimeout: 1500,
    reconnectMaxInterval: 1000,
    maxMessageSize: DEFAULT_FRAME_LIMITS.payloadBytes,
    receiveHighWaterMark: 8,
    receiveBufferSize: RECEIVE_BUFFER_BYTES,
  });
  socket.subscribe();
  for (const endpoint of endpoints) socket.connect(endpoint);
  return {
    [Symbol.asyncIterator]: () => socket[Symbol.asyncIterator](),
    answer: () => Promise.resolve(),
    close: async () => socket.close(),
  };
}
