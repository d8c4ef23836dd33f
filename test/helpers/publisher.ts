import { once } from 'node:events';
import { expect } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import {
  decodePublisherAnswer,
  encodeMessage,
  encodePublishedHead,
  type Hello,
  PROTOCOL,
  type PublishedFrame,
  type PublisherAnswer,
  type Taken,
  type Welcome,
} from '../../shared/protocol.ts';

/** The client side of a publisher's WebSocket. */
export class Publisher implements AsyncDisposable {
  readonly socket: WebSocket;
  /** Code and reason with which the socket ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #unread: PublisherAnswer[] = [];
  #waiting: (() => void) | null = null;
  #hasEnded = false;
  #sequence = 0;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      const message = decodePublisherAnswer(data);
      if (message !== undefined) this.#unread.push(message);
      this.#waiting?.();
    });
    socket.on('close', () => {
      this.#hasEnded = true;
      this.#waiting?.();
    });
    this.closed = once(socket, 'close').then(([code, reason]) => ({ code: code as number, reason: String(reason) }));
  }

  /** Connects over TCP. @param url `http://127.0.0.1:PORT`. */
  static async connect(
    url: string,
    { stream = 'main', ...options }: { stream?: string } & ClientOptions = {},
  ): Promise<Publisher> {
    const publisher = new Publisher(
      new WebSocket(`${url.replace(/^http/, 'ws').replace(/\/$/, '')}/streams/${stream}/publish`, PROTOCOL, {
        perMessageDeflate: false,
        ...options,
      }),
    );
    await once(publisher.socket, 'open');
    return publisher;
  }

  /** The next message, which must be of this type. */
  async next<T extends PublisherAnswer['type']>(type: T): Promise<Extract<PublisherAnswer, { type: T }>> {
    for (;;) {
      const message = this.#unread.shift();
      if (message !== undefined) {
        expect(message.type).toBe(type);
        return message as Extract<PublisherAnswer, { type: T }>;
      }
      if (this.#hasEnded) throw new Error(`the socket has ended, expected ${type}`);
      await new Promise<void>((resolve) => (this.#waiting = resolve));
    }
  }

  sendHello(fields: Omit<Hello, 'type'> = {}): void {
    this.socket.send(encodeMessage({ type: 'hello', ...fields }));
  }

  async hello(fields: Omit<Hello, 'type'> = {}): Promise<Welcome> {
    this.sendHello(fields);
    return this.next('welcome');
  }

  /** Sends a frame, with the next number by default. */
  sendFrame({
    sequence = this.#sequence + 1,
    encoding = { kind: 'jpeg' },
    message = null,
    capturedAtUs = null,
    payload,
  }: Partial<PublishedFrame> & Pick<PublishedFrame, 'payload'>): void {
    this.#sequence = sequence;
    this.socket.send(Buffer.concat([encodePublishedHead({ sequence, encoding, message, capturedAtUs }), payload]));
  }

  /** Sends a frame and waits for its answer. */
  async publish(frame: Partial<PublishedFrame> & Pick<PublishedFrame, 'payload'>): Promise<Taken> {
    this.sendFrame(frame);
    return this.next('taken');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}
