import { ackTemplate } from './wire.ts';

/** What a measured server process tells and is told, over Node's IPC. */
export type ToServer = { readonly kind: 'start' } | { readonly kind: 'stop' };
export type FromServer = { readonly kind: 'listening'; readonly port: number } | { readonly kind: 'cpu'; readonly cpuUs: number; readonly ms: number };

/** Tells the parent where we listen, then how much processor time each measured spell took. */
export function serve(port: number): void {
  let cpu = process.cpuUsage();
  let startMs = performance.now();
  process.on('message', ({ kind }: ToServer) => {
    if (kind === 'start') {
      cpu = process.cpuUsage();
      startMs = performance.now();
      return;
    }
    const { user, system } = process.cpuUsage(cpu);
    tell({ kind: 'cpu', cpuUs: user + system, ms: performance.now() - startMs });
  });
  process.on('disconnect', () => process.exit(0));
  tell({ kind: 'listening', port });
}

function tell(message: FromServer): void {
  process.send?.(message);
}

/**
 * Offers a new frame as soon as the viewers have room: each has two in flight at most, and one and a half on the average
 * keep all of them busy without spinning. Counted by sequence number, so that a frame that was dropped counts as done.
 */
export class Pump {
  readonly #viewers: number;
  readonly #push: () => void;
  #pushed = 0;
  #acknowledged = 0;
  #isDue = false;

  constructor(viewers: number, push: () => void) {
    this.#viewers = viewers;
    this.#push = push;
  }

  /** Reads one viewer's acknowledgements; `onAck` is called for each. */
  reader(onAck: () => void = () => undefined): (chunk: Buffer) => void {
    const { message, sequenceAt } = ackTemplate();
    let rest: Buffer = Buffer.alloc(0);
    let sequence = 0;
    return (chunk) => {
      const bytes = rest.byteLength === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (; at + message.byteLength <= bytes.byteLength; at += message.byteLength) {
        const next = bytes.readUInt32BE(at + sequenceAt);
        this.#acknowledged += next - sequence;
        sequence = next;
        onAck();
      }
      rest = Buffer.from(bytes.subarray(at));
      this.#schedule();
    };
  }

  /** Starts the flow. */
  run(): void {
    this.#isDue = false;
    if (this.#pushed * this.#viewers - this.#acknowledged >= 1.5 * this.#viewers) return;
    this.#pushed += 1;
    this.#push();
    this.#schedule();
  }

  /** Once a turn of the event loop, behind whoever else reads the acknowledgements. */
  #schedule(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => this.run());
  }
}
