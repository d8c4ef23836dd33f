import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type ClientOptions, WebSocket } from 'ws';
import type { FrameInput } from '../../gateway/hub/frame.ts';
import {
  decodeGatewayMessage,
  encodeMessage,
  encodeReturn,
  type GatewayMessage,
  type Hello,
  PROTOCOL,
  type Return,
  type ReturnBody,
  type Returned,
  type Want,
  type Welcome,
} from '../../shared/protocol.ts';

/** A JPEG of 8 × 8 pixels, encoded by simplejpeg. */
export const JPEG = ((): Uint8Array => {
  const { replies } = JSON.parse(
    readFileSync(new URL('../vectors/client-return-ndarray-jpeg.json', import.meta.url), 'utf8'),
  ) as { replies: { parts: { base64?: string }[] }[] };
  return Uint8Array.from(Buffer.from(replies[0]?.parts[1]?.base64 ?? '', 'base64'));
})();

/** The frame of {@link JPEG}, without a message. */
export const JPEG_FRAME: FrameInput = {
  width: 8,
  height: 8,
  encoding: { kind: 'jpeg' },
  payload: JPEG,
  message: null,
  wireHeader: null,
};

/** The client side of a viewer's WebSocket. */
export class Viewer implements AsyncDisposable {
  readonly socket: WebSocket;
  /** Code and reason with which the socket ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #unread: GatewayMessage[] = [];
  #waiting: (() => void) | null = null;
  /** Code and reason with which the socket ended; null before. */
  #end: string | null = null;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      const message = decodeGatewayMessage(data);
      if (message !== undefined) this.#unread.push(message);
      this.#waiting?.();
    });
    socket.on('close', (code, reason) => {
      this.#end = `${code} ${String(reason)}`;
      this.#waiting?.();
    });
    this.closed = once(socket, 'close').then(([code, reason]) => ({ code: code as number, reason: String(reason) }));
  }

  /** Connects over TCP. @param url `http://127.0.0.1:PORT`. */
  static async connect(url: string, stream = 'main', options: ClientOptions = {}): Promise<Viewer> {
    const viewer = new Viewer(
      new WebSocket(`${url.replace(/^http/, 'ws').replace(/\/$/, '')}/streams/${stream}/ws`, PROTOCOL, {
        perMessageDeflate: false,
        ...options,
      }),
    );
    await once(viewer.socket, 'open');
    return viewer;
  }

  /** The next message, which must be of this type. */
  async next<T extends GatewayMessage['type']>(type: T): Promise<Extract<GatewayMessage, { type: T }>> {
    const message = await this.take();
    expect(message.type).toBe(type);
    return message as Extract<GatewayMessage, { type: T }>;
  }

  /** The next message of this type; others are skipped. */
  async until<T extends GatewayMessage['type']>(type: T): Promise<Extract<GatewayMessage, { type: T }>> {
    for (;;) {
      const message = await this.take();
      if (message.type === type) return message as Extract<GatewayMessage, { type: T }>;
    }
  }

  /** All messages sent so far, that is, those before the answer to a ping. */
  async settled(): Promise<GatewayMessage[]> {
    this.socket.send(encodeMessage({ type: 'ping', id: 99 }));
    const messages: GatewayMessage[] = [];
    for (;;) {
      const message = await this.take();
      if (message.type === 'pong') return messages;
      messages.push(message);
    }
  }

  /** The next message of any type. */
  async take(): Promise<GatewayMessage> {
    for (;;) {
      const message = this.#unread.shift();
      if (message !== undefined) return message;
      if (this.#end !== null) throw new Error(`the socket has ended with ${this.#end}, expected a message`);
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

  ack(sequence: number, delayMs?: number): void {
    this.socket.send(
      encodeMessage({
        type: 'ack',
        sequence,
        painted: 0,
        skipped: 0,
        failed: 0,
        decodeMs: 1,
        ...(delayMs === undefined ? {} : { delayMs }),
      }),
    );
  }

  want(fields: Omit<Want, 'type'>): void {
    this.socket.send(encodeMessage({ type: 'want', ...fields }));
  }

  /** Returns data, and waits for the answer. */
  async return(body: ReturnBody, { id = 1, mode = 'sticky' }: Partial<Return> = {}): Promise<Returned> {
    this.send({ type: 'return', id, mode, body });
    return this.next('returned');
  }

  send(message: Return): void {
    const { head, payload } = encodeReturn(message);
    this.socket.send(Buffer.concat([head, payload]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}
