/** A route as the gateway's router knows it. */
export interface Route {
  readonly method: string;
  /** Path of the URL, with parameters as `:name`. */
  readonly path: string;
}

/** A port of the gateway on which ZeroMQ peers connect. */
export interface ZmqPort {
  readonly port: number;
  /** Socket type of the gateway. */
  readonly socket: 'REP' | 'PAIR' | 'SUB' | 'PULL';
  /** Format of its frames. */
  readonly codec: 'netgear' | 'imagezmq' | 'async';
  /**
   * Whether peers may send frames. Without secure mode, anyone who reaches a NetGear port may send frames, which would be
   * mixed with those of a real server.
   */
  readonly isFramesAllowed: boolean;
}

/** A port on which the fuzzer listens and the gateway connects. */
export interface FakePort {
  readonly port: number;
  /** Socket type of the fuzzer. */
  readonly socket: 'REP' | 'PAIR' | 'SUB' | 'PUB';
}

/**
 * Description of the gateway under test, for the fuzzers. Plain data, so that it can be sent to another process and
 * stored with an input.
 */
export interface World {
  readonly httpPort: number;
  readonly tokens: {
    readonly administer: string;
    readonly view: string;
    readonly publish: string;
    readonly port: string;
  };
  readonly reservedPort: number;
  /** Streams with return data. */
  readonly viewed: readonly string[];
  /** Streams whose source is `push:`. */
  readonly pushed: readonly string[];
  readonly routes: readonly Route[];
  readonly zmq: readonly ZmqPort[];
  readonly fakes: readonly FakePort[];
  /** Clients that belong to the harness and must not be disconnected. */
  readonly innocents: readonly string[];
  /** Whether inputs of hundreds of megabytes may be sent. */
  readonly heavy: boolean;
}
