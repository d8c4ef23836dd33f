import { once } from 'node:events';
import WebSocket from 'ws';
import { decodeGatewayMessage, encodeMessage, PROTOCOL } from '../../shared/protocol.ts';
import { GapMeter } from './gaps.ts';

/** An honest viewer that acknowledges every frame immediately, and records how long it waits for the next. */
export class WatchingViewer implements AsyncDisposable {
  readonly gaps = new GapMeter();
  /** How the socket ended, as `code reason`; null while it is open. */
  ended: string | null = null;
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** @param from address in `X-Forwarded-For`. */
  static async open({
    port,
    stream,
    token,
    from,
    name,
  }: {
    readonly port: number;
    readonly stream: string;
    readonly token: string;
    readonly from: string;
    readonly name: string;
  }): Promise<WatchingViewer> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/streams/${stream}/ws`, PROTOCOL, {
      headers: { 'x-forwarded-for': from },
      perMessageDeflate: false,
    });
    const viewer = new WatchingViewer(socket);
    socket.on('error', () => undefined);
    socket.on('close', (code, reason) => (viewer.ended = `${code} ${String(reason)}`));
    await once(socket, 'open');
    const seen = new Promise<void>((resolve) => {
      socket.on('message', (data: Buffer) => {
        const message = decodeGatewayMessage(data);
        if (message?.type !== 'frame') return;
        viewer.gaps.event();
        socket.send(
          encodeMessage({
            type: 'ack',
            sequence: message.sequence,
            painted: message.sequence,
            skipped: 0,
            failed: 0,
            decodeMs: 0,
          }),
        );
        resolve();
      });
    });
    socket.send(encodeMessage({ type: 'hello', token, name, spectate: true }));
    await seen;
    return viewer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.terminate();
    await once(this.#socket, 'close');
  }
}
