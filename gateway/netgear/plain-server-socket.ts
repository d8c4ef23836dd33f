import { lstatSync, unlinkSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import type { AsyncPattern } from './pattern.ts';
import {
  PAIR_IS_TAKEN,
  type ServerMessage,
  type ServerSocket,
  type ServerSocketEvents,
  type ServerSocketOptions,
} from './server-socket.ts';
import {
  encodeGreeting,
  encodeMessage,
  encodePong,
  encodeReady,
  ZmtpDecoder,
  ZmtpError,
  type ZmtpLimits,
} from './zmtp-codec.ts';
import { socketAddress } from './zmtp-peer.ts';

/** The ZeroMQ socket types of a pattern: that of this side, and those of its peers. */
const SOCKET_TYPES: Readonly<Record<AsyncPattern, { readonly own: string; readonly peers: readonly string[] }>> = {
  pair: { own: 'PAIR', peers: ['PAIR'] },
  'request-reply': { own: 'REP', peers: ['REQ', 'DEALER', 'ROUTER'] },
  'publish-subscribe': { own: 'SUB', peers: ['PUB', 'XPUB'] },
  'push-pull': { own: 'PULL', peers: ['PUSH'] },
};

/** A SUB's subscription to all topics (RFC 29). */
const SUBSCRIPTION = encodeMessage([Buffer.of(1)]);

/**
 * Maximum number of parts before header and picture: the empty delimiter of a request, and one identifier per broker.
 */
const MAX_ENVELOPE_PARTS = 16;
const LIMITS: ZmtpLimits = {
  messageBytes: FRAME_LIMITS.payloadBytes + 2 * FRAME_LIMITS.headerBytes,
  parts: MAX_ENVELOPE_PARTS + 16,
};

/** Maximum number of bytes of an identifier in an envelope (RFC 28). */
const MAX_IDENTIFIER_BYTES = 255;

/** Limits for the peers of a socket. */
export interface PeerLimits {
  /** Maximum number of peers; a PAIR has one. */
  readonly peers: number;
  /** Maximum number of connections in their handshake. */
  readonly handshakes: number;
  /** Maximum duration of a handshake. */
  readonly handshakeMs: number;
  /** Time without a valid message after which a peer may be replaced by a new one if the maximum is reached. */
  readonly idleMs: number;
  /** Maximum rate and burst of messages per peer, far above that of cameras and of peers that wait for replies. */
  readonly messagesPerSecond: number;
  readonly burstMessages: number;
  /**
   * Maximum total size of the unfinished messages of all peers. Beyond it, the peer with the largest one is
   * disconnected.
   */
  readonly heldBytes: number;
}

export const DEFAULT_PEER_LIMITS: PeerLimits = {
  peers: 128,
  handshakes: 64,
  handshakeMs: 5000,
  idleMs: 10_000,
  messagesPerSecond: 5000,
  burstMessages: 1000,
  heldBytes: 256 << 20,
};

/** Number of messages that a malformed one counts as. */
const MALFORMED_COST = 50;

/** Half-life of the load of a peer. Peers with a lower load are served first. */
const HALF_LIFE_MS = 1000;
/**
 * Load assumed for a peer before its first message: higher than that of peers whose messages are processed quickly.
 */
const UNKNOWN_LOAD_MS = 20;

/** Maximum time for which messages are delivered before the event loop continues. */
const TURN_MS = 4;

/** Number of unread bytes above which the connection of a peer with a pending message is paused. */
const UNREAD_BYTES = 64 << 10;

/** Size up to which a message is written in one piece: copying it costs less than several buffers do. */
const MAX_JOINED_BYTES = 16 << 10;

/** Idle time after which TCP keep-alive probes start. */
const KEEP_ALIVE_MS = 1000;

/** A connection, including its handshake. */
interface Connection {
  readonly id: string;
  readonly socket: Socket;
  readonly address: string;
  readonly decoder: ZmtpDecoder;
  readonly budget: TokenBucket;
  /** Number of bytes that its decoder holds, as counted in the total. */
  heldBytes: number;
  /** Timeout of the handshake; null once it is done. */
  handshake: NodeJS.Timeout | null;
  /** Whether the connection has a pending message; nothing more is read until it is taken. */
  hasMessage: boolean;
  /** Whether this socket disconnected the peer. Messages of a peer that has left on its own are still read. */
  isRefused: boolean;
  /** Time of its last valid message; -Infinity before the first one. */
  goodAtMs: number;
  readonly connectedAtMs: number;
  /**
   * Decaying processing time of its messages, as of `atMs`: it halves every {@link HALF_LIFE_MS}. Null before the first
   * one.
   */
  load: { readonly ms: number; readonly atMs: number } | null;
  /** The parts with which its reply must begin. */
  envelope: readonly Uint8Array[];
}

/**
 * A bound ZeroMQ socket without encryption. It does not use libzmq 4.3.5, in which any peer can abort the process: by
 * claiming the identifier that the next peer is about to get, or by filling a queue, sending a PING and resetting. A
 * peer can also use up all memory with a message of many parts, and the gateway cannot disconnect it. Here, a peer has
 * at most one pending message, its connection is not read in the meantime, and it is disconnected when it exceeds a
 * limit.
 */
export class PlainServerSocket implements ServerSocket {
  readonly #pattern: AsyncPattern;
  readonly #expected: string;
  readonly #limits: PeerLimits;
  readonly #events: ServerSocketEvents;
  readonly #servers = new Set<Server>();
  readonly #connections = new Map<string, Connection>();
  /** Pending messages, at most one per connection, in order of arrival. */
  readonly #messages: (ServerMessage & { readonly connection: Connection })[] = [];
  #wake: () => void = () => undefined;
  #count = 0;
  #peers = 0;
  /** Number of bytes that the decoders of all connections hold. */
  #heldBytes = 0;
  #closing: Promise<void> | null = null;

  constructor(
    { pattern, expected }: ServerSocketOptions,
    events: ServerSocketEvents,
    limits: PeerLimits = DEFAULT_PEER_LIMITS,
  ) {
    this.#pattern = pattern;
    this.#expected = expected;
    this.#limits = pattern === 'pair' ? { ...limits, peers: 1 } : limits;
    this.#events = {
      peers: (count) => this.#closing === null && events.peers(count),
      refused: (reason) => this.#closing === null && events.refused(reason),
      failed: (error) => this.#closing === null && events.failed(error),
    };
  }

  async bind(endpoint: string): Promise<void> {
    const address = await listenAddress(endpoint);
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }, (socket) =>
      this.#accept(socket),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(address, () => {
        server.off('error', reject);
        resolve();
      });
    });
    // Not fatal: for instance, too few descriptors. The next connection may succeed.
    server.on('error', (error) => this.#events.refused(`a connection could not be accepted: ${error.message}`));
    this.#servers.add(server);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ServerMessage, void, void> {
    let turnAtMs = performance.now();
    while (this.#closing === null) {
      const message = this.#next();
      if (message === undefined) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        turnAtMs = performance.now();
        continue;
      }
      const { connection, parts, peer } = message;
      const takenAtMs = performance.now();
      connection.goodAtMs = takenAtMs;
      yield { parts, peer };
      const doneAtMs = performance.now();
      connection.load = { ms: loadOf(connection, doneAtMs, 0) + doneAtMs - takenAtMs, atMs: doneAtMs };
      connection.hasMessage = false;
      this.#readOn(connection);
      if (doneAtMs - turnAtMs > TURN_MS) {
        await turn();
        turnAtMs = performance.now();
      }
    }
  }

  /** Takes the message of the peer with the lowest load. */
  #next(): (ServerMessage & { readonly connection: Connection }) | undefined {
    if (this.#messages.length < 2) return this.#messages.pop();
    const nowMs = performance.now();
    const loads = this.#messages.map(({ connection }) => loadOf(connection, nowMs, UNKNOWN_LOAD_MS));
    return this.#messages.splice(loads.indexOf(Math.min(...loads)), 1)[0];
  }

  async reply(peer: string | null, parts: readonly (string | Uint8Array)[]): Promise<void> {
    if (this.#pattern === 'publish-subscribe' || this.#pattern === 'push-pull') return;
    const connection = this.#connections.get(peer ?? '');
    if (connection === undefined) throw new Error('the server has disconnected');
    const { socket, envelope } = connection;
    // A well-behaved peer reads each reply before it sends its next request.
    if (socket.writableNeedDrain) throw new Error('the server does not read its replies');
    write(socket, encodeMessage([...envelope, ...parts]));
  }

  malformed(peer: string | null): void {
    const connection = this.#connections.get(peer ?? '');
    if (connection === undefined) return;
    connection.goodAtMs = -Infinity;
    const nowMs = performance.now();
    connection.budget.take(nowMs, Math.min(MALFORMED_COST - 1, connection.budget.available(nowMs)));
  }

  close(lingerMs = 0): Promise<void> {
    this.#closing ??= this.#close(lingerMs);
    return this.#closing;
  }

  async #close(lingerMs: number): Promise<void> {
    // `#closing` is set only after this call returns, and suppresses the events that closing causes.
    await Promise.resolve();
    this.#wake();
    const freed = [...this.#servers].map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const { socket, handshake } of this.#connections.values()) {
      if (handshake !== null) clearTimeout(handshake);
      if (lingerMs === 0 || socket.writableLength === 0) socket.destroySoon();
      else socket.end();
    }
    const timer = setTimeout(() => this.#destroyAll(), lingerMs);
    await Promise.all(freed);
    clearTimeout(timer);
  }

  #destroyAll(): void {
    for (const { socket } of this.#connections.values()) socket.destroy();
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined); // followed by 'close'
    if (this.#closing !== null) {
      socket.destroy();
      return;
    }
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    if (this.#connections.size - this.#peers >= this.#limits.handshakes) {
      const reason = `${this.#limits.handshakes} other handshakes are in progress`;
      const [crowding] = this.#connectionsOfCrowd(address, ({ handshake }) => handshake !== null);
      if (crowding === undefined) {
        socket.destroy();
        this.#events.refused(`a connection was refused: ${reason}`);
        return;
      }
      this.#refuse(crowding, `${describe(crowding)} was disconnected: ${reason}, most of them from this address`);
    }
    const connection: Connection = {
      id: String((this.#count += 1)),
      socket,
      address,
      decoder: new ZmtpDecoder(LIMITS),
      budget: new TokenBucket(this.#limits.messagesPerSecond, this.#limits.burstMessages),
      heldBytes: 0,
      handshake: setTimeout(
        () => this.#refuse(connection, 'a handshake timed out: a port scan, or a program that does not speak ZeroMQ'),
        this.#limits.handshakeMs,
      ),
      hasMessage: false,
      isRefused: false,
      goodAtMs: -Infinity,
      connectedAtMs: performance.now(),
      load: null,
      envelope: [],
    };
    this.#connections.set(connection.id, connection);
    socket.on('data', (chunk: Buffer) => {
      connection.decoder.add(chunk);
      this.#readOn(connection);
    });
    socket.on('close', () => this.#gone(connection));
    socket.write(encodeGreeting());
  }

  #gone(connection: Connection): void {
    const { handshake } = connection;
    if (!this.#remove(connection)) return;
    if (handshake === null) this.#countPeers(-1);
    else {
      clearTimeout(handshake);
      this.#events.refused('a connection was closed during the handshake: a server in secure mode, or a port scan');
    }
  }

  /** Disconnects a peer immediately and reports why. */
  #refuse(connection: Connection, reason: string): void {
    const { socket, handshake } = connection;
    connection.isRefused = true;
    if (!this.#remove(connection)) return;
    if (handshake === null) this.#countPeers(-1);
    else clearTimeout(handshake);
    socket.destroy();
    this.#events.refused(reason);
  }

  /** @returns false if the connection was removed before. */
  #remove(connection: Connection): boolean {
    if (!this.#connections.delete(connection.id)) return false;
    this.#heldBytes -= connection.heldBytes;
    return true;
  }

  #countPeers(change: number): void {
    this.#peers += change;
    this.#events.peers(this.#peers);
  }

  /** Decodes messages of a connection until one is pending, or more bytes are needed. */
  #readOn(connection: Connection): void {
    const { decoder, socket, budget } = connection;
    try {
      while (!connection.isRefused && !connection.hasMessage) {
        const event = decoder.next();
        if (event === null) break;
        if (!budget.take(performance.now())) {
          const limit = `${this.#limits.messagesPerSecond} messages per second; a malformed one counts as ${MALFORMED_COST}`;
          this.#refuse(connection, `${describe(connection)} was disconnected: it sent more than ${limit}`);
          return;
        }
        if (event.kind === 'ready') this.#admit(connection, event.socketType);
        else if (event.kind === 'message') this.#receive(connection, event.parts);
        else if (event.kind === 'ping') write(socket, [encodePong(event.context)]);
      }
    } catch (error) {
      if (!(error instanceof ZmtpError)) throw error;
      this.#refuse(connection, explain(error, connection));
      return;
    }
    if (!this.#connections.has(connection.id)) return;
    const { heldBytes } = decoder;
    if (!connection.hasMessage) socket.resume();
    else if (heldBytes > UNREAD_BYTES) socket.pause();
    this.#heldBytes += heldBytes - connection.heldBytes;
    connection.heldBytes = heldBytes;
    if (this.#heldBytes > this.#limits.heldBytes) this.#refuseLargest();
  }

  #admit(connection: Connection, socketType: string): void {
    const { own, peers } = SOCKET_TYPES[this.#pattern];
    if (!peers.includes(socketType)) {
      this.#refuse(connection, `${describe(connection)} was refused: its socket type is not that of ${this.#expected}`);
      return;
    }
    const { peers: maxPeers } = this.#limits;
    if (this.#peers >= maxPeers && !this.#makeRoom(connection.address)) {
      const reason = `${describe(connection)} was refused: ${maxPeers} ZeroMQ peers are already connected`;
      this.#refuse(connection, this.#pattern === 'pair' ? PAIR_IS_TAKEN : reason);
      return;
    }
    if (connection.handshake !== null) clearTimeout(connection.handshake);
    connection.handshake = null;
    write(connection.socket, [encodeReady(own)]);
    if (this.#pattern === 'publish-subscribe') write(connection.socket, SUBSCRIPTION);
    this.#countPeers(1);
  }

  /**
   * The connections of the address that has the most, oldest first: one address must not keep others out.
   *
   * @param address address of the connection that needs a slot.
   * @returns an empty list if this address would then have the most connections itself.
   */
  #connectionsOfCrowd(address: string, counts: (connection: Connection) => boolean): readonly Connection[] {
    const byAddress = new Map<string, Connection[]>();
    for (const connection of this.#connections.values()) {
      if (!counts(connection)) continue;
      const list = byAddress.get(connection.address);
      if (list === undefined) byAddress.set(connection.address, [connection]);
      else list.push(connection);
    }
    const own = byAddress.get(address)?.length ?? 0;
    const [most = []] = [...byAddress.values()].sort((a, b) => b.length - a.length);
    return most.length > own + 1 ? most : [];
  }

  /**
   * Disconnects an idle peer, or a peer of an address with many connections. @returns whether there was such a peer.
   */
  #makeRoom(address: string): boolean {
    const nowMs = performance.now();
    const isIdle = ({ handshake, goodAtMs, connectedAtMs }: Connection): boolean =>
      handshake === null &&
      nowMs - connectedAtMs > this.#limits.idleMs &&
      (this.#pattern === 'pair' ? goodAtMs === -Infinity : nowMs - goodAtMs > this.#limits.idleMs);
    const [idle] = [...this.#connections.values()].filter(isIdle).sort((a, b) => a.goodAtMs - b.goodAtMs);
    if (idle !== undefined) {
      this.#refuse(idle, `${describe(idle)} was disconnected: it was idle, and a new peer needed its slot`);
      return true;
    }
    const crowd = this.#connectionsOfCrowd(address, ({ handshake }) => handshake === null);
    const [crowding] = crowd.toSorted((a, b) => a.goodAtMs - b.goodAtMs);
    if (crowding === undefined) return false;
    const reason = `${crowd.length} peers have its address, and a new peer of another one needed a slot`;
    this.#refuse(crowding, `${describe(crowding)} was disconnected: ${reason}`);
    return true;
  }

  #receive(connection: Connection, all: Uint8Array[]): void {
    let parts = all;
    if (this.#pattern === 'request-reply') {
      const delimiter = parts.findIndex(({ byteLength }) => byteLength === 0);
      const isRequest = delimiter >= 0 && delimiter <= MAX_ENVELOPE_PARTS && delimiter + 1 < parts.length;
      if (!isRequest || parts.slice(0, delimiter).some(({ byteLength }) => byteLength > MAX_IDENTIFIER_BYTES)) {
        this.malformed(connection.id);
        const count = `${parts.length} ${parts.length === 1 ? 'part' : 'parts'}`;
        this.#events.refused(`a ZeroMQ peer sent a message of ${count} that is not a request of ${this.#expected}`);
        return;
      }
      connection.envelope = parts.slice(0, delimiter + 1).map((part) => new Uint8Array(part));
      parts = parts.slice(delimiter + 1);
    }
    connection.hasMessage = true;
    this.#messages.push({ connection, parts, peer: connection.id });
    this.#wake();
  }

  /** Disconnects the peer whose decoder holds most. */
  #refuseLargest(): void {
    let [most] = this.#connections.values();
    for (const connection of this.#connections.values())
      if (most === undefined || connection.heldBytes > most.heldBytes) most = connection;
    if (most === undefined) return;
    const limit = `${Math.round(this.#limits.heldBytes / (1 << 20))} MiB`;
    this.#refuse(
      most,
      `${describe(most)} was disconnected: unfinished messages exceed ${limit}, and its own is the largest`,
    );
  }
}

function loadOf({ load }: Connection, nowMs: number, unknownMs: number): number {
  return load === null ? unknownMs : load.ms * 0.5 ** ((nowMs - load.atMs) / HALF_LIFE_MS);
}

function describe({ address }: Connection): string {
  return address === '' ? 'a ZeroMQ peer' : `the ZeroMQ peer ${address}`;
}

function explain({ code, message }: ZmtpError, connection: Connection): string {
  switch (code) {
    case 'foreign':
      return 'a connection was refused: it speaks HTTP, TLS or another protocol instead of ZeroMQ (ZMTP 3), as browsers and port scans do';
    case 'mechanism':
      return 'a server was refused: it uses secure mode; add secure=1 or secure=2 to the address';
    case 'handshake':
      return `a ZeroMQ peer was refused: invalid handshake (${message})`;
    case 'frame':
    case 'too-large':
      return `${describe(connection)} was disconnected: ${message}`;
    default:
      return code satisfies never;
  }
}

function write(socket: Socket, buffers: readonly Uint8Array[]): void {
  if (buffers.reduce((sum, { byteLength }) => sum + byteLength, 0) <= MAX_JOINED_BYTES) {
    socket.write(Buffer.concat(buffers));
    return;
  }
  socket.cork();
  for (const bytes of buffers) socket.write(bytes);
  socket.uncork();
}

/**
 * Converts a ZeroMQ endpoint to Node's listen options: `*` means every IPv4 address, and a host may be the name of an
 * interface. Removes the socket file that a killed program left behind, as libzmq does when it binds.
 */
export async function listenAddress(endpoint: string): Promise<ListenOptions> {
  const address = socketAddress(endpoint);
  if ('path' in address) {
    if (lstatSync(address.path, { throwIfNoEntry: false })?.isSocket() === true) unlinkSync(address.path);
    return address;
  }
  const { host, port } = address;
  const own = networkInterfaces()[host]?.find(({ family }) => family === 'IPv4')?.address;
  if (host === '*') return { host: '0.0.0.0', port };
  return { host: own ?? (host.includes(':') ? host : (await lookup(host, { family: 4 })).address), port };
}
