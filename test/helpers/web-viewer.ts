import { once } from 'node:events';
import WebSocket from 'ws';
import {
  type ControlAction,
  decodeGatewayMessage,
  encodeMessage,
  encodeReturn,
  type FrameMessage,
  type Hello,
  PROTOCOL,
  type ReturnBody,
  type Returned,
  type Value,
  type Welcome,
} from '../../shared/protocol.ts';

/** A web viewer without a browser: it acknowledges every frame immediately, and records only its message. */
export class WebViewer implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #returned = new Map<number, (message: Returned) => void>();
  readonly messages: Value[] = [];
  /** Message of the latest frame. */
  capturedAtUs: number | null = null;
  readonly welcome: Promise<Welcome>;
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    this.welcome = new Promise((resolve, reject) => {
      socket.on('message', (data: Buffer) => {
        const message = decodeGatewayMessage(data);
        if (message?.type === 'welcome') resolve(message);
        else if (message?.type === 'frame') this.#take(message);
        else if (message?.type === 'returned') this.#returned.get(message.id)?.(message);
      });
      socket.on('close', (code, reason) => reject(new Error(`closed with ${code}: ${String(reason)}`)));
    });
  }

  /** @param url `http://127.0.0.1:PORT/streams/NAME`. */
  static async open(
    url: string,
    hello: Omit<Hello, 'type'> = {},
    headers: Readonly<Record<string, string>> = {},
  ): Promise<WebViewer> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`, PROTOCOL, { headers });
    const viewer = new WebViewer(socket);
    await once(socket, 'open');
    socket.send(encodeMessage({ type: 'hello', ...hello }));
    await viewer.welcome;
    return viewer;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Resolves when the gateway has accepted the value. @throws the refusal. */
  async return(body: ReturnBody, mode: 'sticky' | 'once' = 'sticky'): Promise<void> {
    const id = (this.#id += 1);
    const { head, payload } = encodeReturn({ type: 'return', id, mode, body });
    const answer = new Promise<Returned>((resolve) => this.#returned.set(id, resolve));
    this.#socket.send(Buffer.concat([head, payload]));
    const { accepted, code, reason } = await answer;
    if (!accepted) throw new Error(`${code}: ${reason}`);
  }

  /** Resolves when the gateway has accepted the value. @throws the refusal. */
  async control(action: ControlAction, port?: number): Promise<void> {
    const id = (this.#id += 1);
    const answer = new Promise<Returned>((resolve) => this.#returned.set(id, resolve));
    this.#socket.send(encodeMessage({ type: 'control', id, action, ...(port === undefined ? {} : { port }) }));
    const { accepted, code, reason } = await answer;
    if (!accepted) throw new Error(`${code}: ${reason}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #take({ sequence, message, capturedAtUs, receivedAtUs }: FrameMessage): void {
    this.capturedAtUs = capturedAtUs ?? null;
    this.messages.push(message);
    this.#socket.send(
      encodeMessage({
        type: 'ack',
        sequence,
        painted: sequence,
        skipped: 0,
        failed: 0,
        decodeMs: 0,
        delayMs: Math.max(0, Date.now() - receivedAtUs / 1000),
      }),
    );
  }
}
