import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { WebSocketServer } from 'ws';
import { closeCode } from '../../shared/protocol.ts';
import { WebClient, type WebClientLimits } from '../clients/web-client.ts';
import { transportOf, webSocketOptions } from '../clients/web-socket.ts';
import { RecordReader } from './frame-pipe.ts';
import type { PipeRecord, ToMain, ToWorker } from './messages.ts';
import { MirroredStream } from './mirrored-stream.ts';
import type { Rendition } from '../clients/renditions.ts';
import { RemotePlace } from './remote-place.ts';

/** So often the main process is told how the viewers are doing. */
const FIGURES_INTERVAL_MS = 500;

/** How soon it is told when a viewer wants something else. */
const SOON_MS = 20;

interface Served {
  readonly place: RemotePlace;
  readonly client: WebClient<Rendition>;
}

/** The worker's end: finishes the WebSocket handshakes of the sockets that the main process hands over, and serves them. */
export class ViewerServer {
  readonly #send: (message: ToMain) => void;
  readonly #streams = new Map<string, MirroredStream>();
  readonly #viewers = new Map<string, Served>();
  /** By their viewers' ids: those that must not be answered yet. */
  readonly #sockets = new Map<string, Socket>();
  readonly #reader = new RecordReader((record, body) => this.#recorded(record, body));
  readonly #timer: NodeJS.Timeout;
  #soon: NodeJS.Timeout | null = null;
  #start: { readonly sockets: WebSocketServer; readonly limits: WebClientLimits } | null = null;

  constructor(frames: Readable, send: (message: ToMain) => void) {
    this.#send = send;
    frames.on('data', (chunk: Buffer) => this.#reader.read(chunk));
    this.#timer = setInterval(() => this.#reportFigures(), FIGURES_INTERVAL_MS);
  }

  /** @param socket comes with the message `socket`; undefined where its other end has gone meanwhile. */
  received(message: ToWorker, socket: Socket | undefined): void {
    switch (message.type) {
      case 'start': {
        const { streams, limits } = message;
        this.#start = { sockets: new WebSocketServer({ noServer: true, clientTracking: false, ...webSocketOptions(limits) }), limits };
        for (const summary of streams) this.#streams.set(summary.name, new MirroredStream(summary, (wants) => this.#send({ type: 'wants', stream: summary.name, wants })));
        return;
      }
      case 'socket':
        // An error is followed by 'close'; an unhandled 'error' event would end the process.
        socket?.on('error', () => undefined);
        if (socket !== undefined) this.#sockets.set(message.viewer, socket);
        return;
      case 'viewer':
        this.#serve(message);
        return;
      case 'admission':
        this.#viewers.get(message.viewer)?.place.admitted(message);
        return;
      case 'returned':
        this.#viewers.get(message.viewer)?.place.returned(message);
        return;
      case 'close':
        this.#viewers.get(message.viewer)?.client.close(message.code, message.reason);
        return;
      case 'stop':
        return;
      default:
        message satisfies never;
    }
  }

  /** Settles when all viewers have gone, within about a second. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#soon !== null) clearTimeout(this.#soon);
    const all = [...this.#viewers.values()];
    for (const { client } of all) client.close(closeCode.goingAway, 'the gateway stops');
    await Promise.all(all.map(({ client }) => client.closed));
  }

  #serve({ viewer, stream: name, headers, head }: Extract<ToWorker, { type: 'viewer' }>): void {
    const socket = this.#sockets.get(viewer);
    this.#sockets.delete(viewer);
    const stream = this.#streams.get(name);
    const start = this.#start;
    const neverCame = (): void => {
      this.#send({ type: 'left', viewer, kind: 'disconnect', reason: 'the viewer left before it said anything' });
      this.#send({ type: 'gone', viewer });
    };
    if (socket === undefined || socket.destroyed || stream === undefined || start === null) {
      socket?.destroy();
      neverCame();
      return;
    }
    const request = new IncomingMessage(socket);
    request.method = 'GET';
    Object.assign(request.headers, headers);
    // A handshake that ws refuses ends with the socket.
    socket.once('close', neverCame);
    start.sockets.handleUpgrade(request, socket, Buffer.from(head), (webSocket) => {
      socket.off('close', neverCame);
      const place = new RemotePlace({ id: viewer, stream, send: this.#send, onWants: () => this.#reportSoon() });
      const client = new WebClient<Rendition>(webSocket, { place, transport: transportOf(webSocket), limits: start.limits });
      this.#viewers.set(viewer, { place, client });
      void client.closed.then(() => {
        this.#viewers.delete(viewer);
        this.#send({ type: 'gone', viewer });
      });
    });
  }

  #recorded(record: PipeRecord, body: Buffer): void {
    const stream = this.#streams.get(record.stream);
    if (stream === undefined) return;
    switch (record.type) {
      case 'state':
        stream.changed(record.state, record.reason);
        return;
      case 'frame': {
        const { sequence, beginBytes } = record;
        stream.frame(record.form, { sequence, begin: body.subarray(0, beginBytes), payload: body.subarray(beginBytes) }, record.frameTimeMs);
        return;
      }
      default:
        record satisfies never;
    }
  }

  #reportSoon(): void {
    this.#soon ??= setTimeout(() => this.#reportFigures(), SOON_MS);
  }

  #reportFigures(): void {
    if (this.#soon !== null) clearTimeout(this.#soon);
    this.#soon = null;
    if (this.#viewers.size === 0) return;
    this.#send({ type: 'figures', viewers: [...this.#viewers].map(([viewer, { client }]) => [viewer, client.figures()]) });
  }
}
