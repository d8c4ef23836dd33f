import { type Event, Subscriber } from 'zeromq';
import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { KEEP_ALIVE } from '../../netgear/keep-alive.ts';
import { receiveAll, UNBOUNDED_QUEUE } from '../../netgear/receive-all.ts';
import { createServerSocket } from '../../netgear/create-server-socket.ts';
import { followEvents } from '../../netgear/socket-events.ts';

/**
 * imagezmq's modes. `request-reply`: the hub binds and answers each picture. `publish-subscribe`: the hub connects to
 * senders.
 */
export type HubPattern = 'request-reply' | 'publish-subscribe';

/** Default reply of `ImageHub.send_reply`. */
const OK = 'OK';

/** How long to wait for a reply to be transmitted when the hub closes: a sender without a reply waits forever. */
const ANSWER_LINGER_MS = 200;

/** SO_RCVBUF for senders. Small, because frames buffered there add latency that the gateway cannot detect. */
const RECEIVE_BUFFER_BYTES = 256 << 10;

/** Interval before reconnecting after a failed handshake. */
const RECONNECT_MS = 1000;

/** Callbacks of a {@link HubSocket}. */
interface HubSocketEvents {
  /** Called when the number of connected senders has changed. */
  peers(count: number): void;
  /** Called when a connection or a message was refused; `reason` is a sentence without a full stop. */
  refused(reason: string): void;
  /** Called when the socket no longer works; it must then be closed. */
  failed(error: unknown): void;
}

/** Socket of an imagezmq ImageHub. Iterate over it for messages, and {@link answer} each before taking the next. */
export interface HubSocket extends AsyncIterable<Uint8Array[]> {
  /** Sends the reply for which the sender waits. */
  answer(): Promise<void>;
  /** Counts the last message as malformed; a sender of too many is disconnected. */
  malformed(): void;
  /** Idempotent. Resolves when the address is free again. */
  close(): Promise<void>;
}

/**
 * Opens a hub socket.
 *
 * @param endpoints addresses to bind, or senders to connect to.
 * @throws if an address is in use or invalid.
 */
export async function openHubSocket(
  pattern: HubPattern,
  endpoints: readonly string[],
  events: HubSocketEvents,
): Promise<HubSocket> {
  return pattern === 'request-reply' ? listen(endpoints, events) : subscribe(endpoints, events);
}

async function listen(endpoints: readonly string[], events: HubSocketEvents): Promise<HubSocket> {
  // The same REP socket as for NetGear servers.
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
    // Enabled only if needed: host names may have both IPv4 and IPv6 addresses.
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
      // libzmq does not reconnect after a failed handshake.
      events.refused('the peer is not an imagezmq sender of pattern publish-subscribe');
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
    // libzmq no longer has this address.
  }
  try {
    socket.connect(address);
  } catch (error) {
    events.failed(error);
  }
}
