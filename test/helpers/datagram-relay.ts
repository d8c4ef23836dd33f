import { once } from 'node:events';
import { createSocket, type Socket } from 'node:dgram';
import type { LinkDirection } from './link-direction.ts';
import type { ShapedRelay } from './shaped-relay.ts';

type Flow = ReturnType<LinkDirection['open']>;

interface Peer {
  readonly far: Socket;
  readonly up: Flow;
  readonly down: Flow;
}

/**
 * UDP over the link of a TCP relay, from the same port number. The bandwidth and the queue are shared with the relay's
 * connections. Datagrams that find the queue full are lost, as in a router. They must fit into a packet of the link.
 */
export class DatagramRelay implements AsyncDisposable {
  readonly #relay: ShapedRelay;
  readonly #near: Socket;
  readonly #targetPort: number;
  readonly #peers = new Map<string, Peer>();
  #lost = 0;

  private constructor(relay: ShapedRelay, near: Socket, targetPort: number) {
    this.#relay = relay;
    this.#near = near;
    this.#targetPort = targetPort;
    near.on('message', (bytes, { address, port }) => this.#send(this.#peer(address, port).up, relay.up, bytes));
  }

  /** @param targetPort of a server on this machine. */
  static async start(relay: ShapedRelay, targetPort: number): Promise<DatagramRelay> {
    const near = createSocket('udp4');
    near.bind(relay.port, '127.0.0.1');
    await once(near, 'listening');
    return new DatagramRelay(relay, near, targetPort);
  }

  /** Number of lost datagrams of both directions. */
  get lost(): number {
    return this.#lost;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sockets = [this.#near, ...[...this.#peers.values()].map(({ far }) => far)];
    for (const { up, down } of this.#peers.values()) {
      up.close();
      down.close();
    }
    this.#peers.clear();
    const closed = Promise.all(sockets.map((socket) => once(socket, 'close')));
    for (const socket of sockets) socket.close();
    await closed;
  }

  /** Returns the socket with which the relay represents a sender to the server, and the sender's flows. */
  #peer(address: string, port: number): Peer {
    const name = `${address}:${port}`;
    const known = this.#peers.get(name);
    if (known !== undefined) return known;
    const far = createSocket('udp4');
    const hold = (): void => undefined;
    const up = this.#relay.up.open({ deliver: (bytes) => far.send(bytes, this.#targetPort, '127.0.0.1'), hold });
    const down = this.#relay.down.open({ deliver: (bytes) => this.#near.send(bytes, port, address), hold });
    far.on('message', (bytes) => this.#send(down, this.#relay.down, bytes));
    const peer = { far, up, down };
    this.#peers.set(name, peer);
    return peer;
  }

  #send(flow: Flow, direction: LinkDirection, bytes: Buffer): void {
    if (direction.isFull()) this.#lost += 1;
    else flow.write(bytes);
  }
}
