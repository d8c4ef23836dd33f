import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { LinkDirection, type LinkShape, PERFECT_LINK } from './link-direction.ts';

/** A link between two hosts. `up` carries data from the connecting side, `down` data to it. */
export interface Link {
  readonly up: Partial<LinkShape>;
  readonly down: Partial<LinkShape>;
}

/** A link with the same properties in both directions. */
export function symmetricLink(shape: Partial<LinkShape>): Link {
  return { up: shape, down: shape };
}

/**
 * A TCP relay that behaves like a network link: bandwidth, delay, jitter and stalls in each direction, which may change
 * while it runs, shared by all connections. It loses no data, and shapes only TCP's payload: handshakes, slow start and
 * acknowledgements of TCP itself are not delayed.
 */
export class ShapedRelay implements AsyncDisposable {
  /** Port of the near end. */
  readonly port: number;
  readonly up: LinkDirection;
  readonly down: LinkDirection;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>, up: LinkDirection, down: LinkDirection) {
    this.#server = server;
    this.#sockets = sockets;
    this.up = up;
    this.down = down;
    this.port = (server.address() as AddressInfo).port;
  }

  /** @param targetPort of a server on this machine. */
  static async start(targetPort: number, link: Link, seed = 1): Promise<ShapedRelay> {
    const up = new LinkDirection({ ...PERFECT_LINK, ...link.up }, seed);
    const down = new LinkDirection({ ...PERFECT_LINK, ...link.down }, seed + 1);
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
      const far = connect({ port: targetPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
      join(near, far, up);
      join(far, near, down);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ShapedRelay(server, sockets, up, down);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Changes only the given properties of the given directions. */
  shape({ up, down }: Partial<Link>): void {
    if (up !== undefined) this.up.shape(up);
    if (down !== undefined) this.down.shape(down);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.up.close();
    this.down.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

const END = Buffer.alloc(0);

/** Carries data from one socket to the other. A reset overtakes data in transit; an end does not. */
function join(from: Socket, to: Socket, direction: LinkDirection): void {
  const flow = direction.open({
    deliver: (bytes) => {
      if (bytes === END) to.end();
      else to.write(bytes);
    },
    hold: (isHeld) => void (isHeld ? from.pause() : from.resume()),
  });
  from.on('data', (bytes) => flow.write(bytes));
  from.on('end', () => flow.write(END));
  from.on('error', () => to.destroy());
  from.on('close', (hadError) => hadError && flow.close());
  // A socket that closed without an error has ended normally, and its data may still be in transit.
  to.on('error', () => {
    flow.close();
    from.destroy();
  });
}
