/** A process of one viewer per gateway, which compares when each frame arrives. */
import { once } from 'node:events';
import WebSocket from 'ws';
import { decodeGatewayMessage, encodeMessage, PROTOCOL } from '../../shared/protocol.ts';
import { answerParent } from './processes.ts';

/** Latencies of frames, in ms since they were pushed, by the times at which they were pushed. */
type Ages = Map<number, number>;

let sockets: WebSocket[] = [];
let ages: Ages[] = [];

const handlers = {
  /** Settles when each has received a frame. */
  async connect(ports: readonly number[]): Promise<void> {
    ages = ports.map(() => new Map());
    sockets = ports.map((port) => new WebSocket(`ws://127.0.0.1:${port}/streams/main/ws`, PROTOCOL));
    await Promise.all(
      sockets.map(async (socket, index) => {
        await once(socket, 'open');
        socket.send(encodeMessage({ type: 'hello', spectate: true }));
        socket.send(encodeMessage({ type: 'want', raw: true }));
        await new Promise<void>((resolve) => {
          socket.on('message', (data: Buffer) => {
            const message = decodeGatewayMessage(data);
            if (message?.type !== 'frame') return;
            const { pushedAtMs } = message.message as { readonly pushedAtMs: number };
            ages[index]?.set(pushedAtMs, performance.timeOrigin + performance.now() - pushedAtMs);
            socket.send(
              encodeMessage({
                type: 'ack',
                sequence: message.sequence,
                painted: 0,
                skipped: 0,
                failed: 0,
                decodeMs: 0,
              }),
            );
            resolve();
          });
        });
      }),
    );
  },
  start(): void {
    for (const map of ages) map.clear();
  },
  /** Ages of the frames at the first viewer, and how much older they were at the second one, in ms. */
  stop(): { readonly first: readonly number[]; readonly added: readonly number[] } {
    const [first = new Map<number, number>(), second = new Map<number, number>()] = ages;
    const added = [...first].flatMap(([pushedAtMs, age]) => {
      const other = second.get(pushedAtMs);
      return other === undefined ? [] : [other - age];
    });
    return { first: [...first.values()], added };
  },
  disconnect(): void {
    for (const socket of sockets) socket.terminate();
  },
};

export type PairedViewers = typeof handlers;

answerParent(handlers);
