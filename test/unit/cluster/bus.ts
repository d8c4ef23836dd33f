import type { Msg, NatsConnection } from '@nats-io/transport-node';

interface Subscribed {
  readonly subject: string;
  readonly callback: (error: Error | null, message: Msg) => void;
}

/** A NATS server in memory, for connections in one test. Messages arrive in the next microtask. */
export class Bus {
  readonly #subscriptions = new Set<Subscribed>();
  /** Subjects of all messages, in order. */
  readonly published: string[] = [];
  /** Messages are lost if their subjects return true here. */
  loses: (subject: string) => boolean = () => false;
  /** While set, flushes wait. */
  isStuck = false;
  #flushes: (() => void)[] = [];

  /** Settles the waiting flushes. */
  release(): void {
    this.isStuck = false;
    for (const settle of this.#flushes.splice(0)) settle();
  }

  connect(): NatsConnection {
    return {
      isClosed: () => false,
      subscribe: (subject: string, { callback }: Pick<Subscribed, 'callback'>) => {
        const subscribed = { subject, callback };
        this.#subscriptions.add(subscribed);
        return {
          // A subscription with a maximum number of messages remains.
          unsubscribe: (max?: number) => {
            if (max === undefined) this.#subscriptions.delete(subscribed);
          },
        };
      },
      publish: (subject: string, data: Uint8Array | string, { reply = '' }: { readonly reply?: string } = {}) =>
        this.#deliver(subject, data, reply, () => undefined),
      request: (subject: string, data: string) =>
        new Promise<Msg>((resolve, reject) => {
          const count = this.#deliver(subject, data, 'reply', (answer) =>
            resolve({ data: Buffer.from(answer), json: () => JSON.parse(String(answer)) as unknown } as unknown as Msg),
          );
          if (count === 0) reject(new Error('no responders'));
        }),
      flush: () =>
        new Promise<void>((resolve) => {
          if (this.isStuck) this.#flushes.push(resolve);
          else queueMicrotask(resolve);
        }),
    } as unknown as NatsConnection;
  }

  /** @returns the number of receivers. */
  #deliver(
    subject: string,
    data: Uint8Array | string,
    reply: string,
    respond: (answer: Uint8Array | string) => void,
  ): number {
    this.published.push(subject);
    if (this.loses(subject)) return 0;
    const receivers = [...this.#subscriptions].filter((one) => matches(one.subject, subject));
    for (const { callback } of receivers) {
      const message = { subject, data: Buffer.from(data), reply, respond } as unknown as Msg;
      queueMicrotask(() => callback(null, message));
    }
    return receivers.length;
  }
}

function matches(pattern: string, subject: string): boolean {
  return pattern.endsWith('.*')
    ? subject.slice(0, subject.lastIndexOf('.')) === pattern.slice(0, -2)
    : pattern === subject;
}
