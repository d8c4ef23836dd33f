import type { NatsConnection } from '@nats-io/transport-node';
import { runInBackground } from '../../shared/background.ts';
import { HEAD, PART, type WireFrame } from './frame-wire.ts';

interface FramePublisherOptions {
  readonly connection: NatsConnection;
  /** Subject without its last token. */
  readonly subject: string;
  /** Called when a frame has reached the NATS server, or the connection is restored. */
  readonly onFree: () => void;
}

/** Publishes frames, and counts those in flight to the NATS server. */
export class FramePublisher {
  readonly #options: FramePublisherOptions;
  #inFlight = 0;
  /** Increases when the connection is restored: frames that were in flight then no longer count. */
  #epoch = 0;

  constructor(options: FramePublisherOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  send({ head, parts, partName }: WireFrame): void {
    const { connection, subject, onFree } = this.#options;
    connection.publish(`${subject}.${HEAD}`, head);
    for (const [index, part] of parts.entries()) {
      connection.publish(`${subject}.${PART}`, part, { reply: partName(index) });
      // The server's answers to these pings show that the connection is alive, regardless of how long a large frame
      // takes.
      if (index < parts.length - 1) runInBackground(connection.flush(), () => undefined);
    }
    this.#inFlight += 1;
    const epoch = this.#epoch;
    const landed = (): void => {
      if (epoch !== this.#epoch) return;
      this.#inFlight -= 1;
      onFree();
    };
    // Fails when the connection is lost; `reconnected` is called when it is restored.
    runInBackground(connection.flush().then(landed), () => undefined);
  }

  reconnected(): void {
    this.#epoch += 1;
    this.#inFlight = 0;
    this.#options.onFree();
  }
}
