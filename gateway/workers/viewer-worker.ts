import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { GearwayError, errorText } from '../../shared/errors.ts';
import type { LocalPlace } from '../clients/local-place.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { WebClientLimits } from '../clients/web-client.ts';
import type { ReturnData } from '../hub/returns.ts';
import type { Stream } from '../hub/stream.ts';
import { FRAMES_FD } from './frame-pipe.ts';
import type { HandshakeHeaders, ToMain, ToWorker } from './messages.ts';
import { RemoteViewer } from './remote-viewer.ts';
import { StreamFeed } from './stream-feed.ts';

export interface ViewerWorkerOptions {
  readonly streams: readonly { readonly stream: Stream; readonly renditions: Renditions }[];
  readonly limits: WebClientLimits;
}

/** A request to upgrade that nobody has answered. */
export interface Upgrade {
  readonly socket: Socket;
  readonly headers: HandshakeHeaders;
  /** What has come behind the request. */
  readonly head: Uint8Array;
}

/** How long a worker may take to end. Its viewers have a second to close their sockets. */
const STOP_LIMIT_MS = 1200;

const LOST = 'the process that served this viewer has ended; it connects again by itself';

/** Beside this file, compiled or not. */
const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url));

/** One worker, as the main process sees it. */
export class ViewerWorker {
  /** Settles with what the process ended of. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #feeds: ReadonlyMap<string, StreamFeed>;
  readonly #viewers = new Map<string, RemoteViewer>();
  /** Those that are still to be handed over: Node does it one at a time. */
  readonly #waiting = new Set<Socket>();

  constructor({ streams, limits }: ViewerWorkerOptions) {
    this.#child = fork(ENTRY, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'] });
    const pipe = this.#child.stdio[FRAMES_FD];
    if (!(pipe instanceof Writable)) throw new TypeError('the worker has no pipe for frames');
    // Both end with the process, which is what we wait for.
    pipe.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
      this.#child.on('error', (error) => {
        // One that could not be started has no number; else it was a message that came too late.
        if (this.#child.pid === undefined) resolve(errorText(error));
      });
    });
    this.#child.on('message', (message: ToMain) => this.#received(message));
    this.#send({ type: 'start', streams: streams.map(({ stream: { name, state, reason } }) => ({ name, state, reason })), limits });
    this.#feeds = new Map(streams.map(({ stream, renditions }) => [stream.name, new StreamFeed(stream, renditions, pipe)]));
    void this.ended.then(() => this.#hasEnded());
  }

  /** How many viewers it serves. */
  get load(): number {
    return this.#viewers.size;
  }

  /** Takes the socket over. Its viewer has no place before it says hello. */
  serve({ socket, headers, head }: Upgrade, place: LocalPlace): RemoteViewer {
    const viewer = new RemoteViewer(place, (message) => this.#send(message));
    this.#viewers.set(viewer.id, viewer);
    this.#waiting.add(socket);
    // Else Node counts it as its server's until the worker's end says otherwise, and a server whose workers have all ended
    // never closes.
    Object.assign(socket, { server: null });
    const message: ToWorker = { type: 'socket', viewer: viewer.id };
    this.#child.send(message, socket, () => {
      this.#waiting.delete(socket);
      // The connection is the worker's; this is what is left of it here.
      socket.destroy();
    });
    // Node sends nothing behind a socket before it knows that it has arrived, and has closed its own end then.
    this.#send({ type: 'viewer', viewer: viewer.id, stream: place.stream, headers, head });
    return viewer;
  }

  /** Has the worker close its viewers and end, or ends it. */
  async stop(): Promise<void> {
    this.#send({ type: 'stop' });
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.ended;
    clearTimeout(killer);
  }

  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message);
  }

  #received(message: ToMain): void {
    switch (message.type) {
      case 'figures':
        for (const [id, figures] of message.viewers) this.#viewers.get(id)?.update(figures);
        return;
      case 'wants':
        this.#feeds.get(message.stream)?.want(message.wants);
        return;
      default:
    }
    const viewer = this.#viewers.get(message.viewer);
    if (viewer === undefined) return;
    switch (message.type) {
      case 'hello':
        this.#send({ type: 'admission', viewer: viewer.id, admission: viewer.place.enter(viewer, message.hello) });
        return;
      case 'return':
        this.#send({ type: 'returned', viewer: viewer.id, id: message.id, refusal: give(viewer.place, message) });
        return;
      case 'rejected':
        viewer.place.countRejected();
        return;
      case 'left':
        viewer.place.leave(message.kind, message.reason);
        return;
      case 'gone':
        this.#viewers.delete(viewer.id);
        viewer.gone('the viewer left');
        return;
      default:
        message satisfies never;
    }
  }

  #hasEnded(): void {
    for (const feed of this.#feeds.values()) feed.close();
    for (const viewer of this.#viewers.values()) viewer.gone(LOST);
    this.#viewers.clear();
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting.clear();
  }
}

function give(place: LocalPlace, { data, mode, ttlMs }: Extract<ToMain, { type: 'return' }>): Extract<ToWorker, { type: 'returned' }>['refusal'] {
  try {
    place.give(owned(data), mode, ttlMs);
    return null;
  } catch (error) {
    return { code: error instanceof GearwayError ? error.code : 'value-invalid', message: errorText(error) };
  }
}

/** Bytes that come over the channel are a view of all that came with them, which would be pinned. */
function owned(data: ReturnData): ReturnData {
  switch (data.kind) {
    case 'value':
      return data;
    case 'array':
      return { ...data, array: { ...data.array, data: Uint8Array.from(data.array.data) } };
    case 'jpeg':
      return { ...data, data: Uint8Array.from(data.data) };
    default:
      return data satisfies never;
  }
}
