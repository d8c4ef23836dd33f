/** The whole gateway as a program embeds it, and a source that is as fast as its viewers. */
import { subscribe } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { createGateway, type GatewayStream } from '../../gateway/create-gateway.ts';
import { answerParent } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';
import { ACK_BYTES, createPayload } from './wire.ts';

const meter = new UsageMeter();
let payload = createPayload();

/** One frame in so many is pushed although not every viewer has asked for it, so that a window that grows is filled. */
const SPARE_EVERY = 16;

/** A frame comes this often in any case: one that a slow viewer's mailbox dropped is never asked for again. */
const LEAST_EVERY_MS = 50;

/**
 * Pushes a frame for each acknowledgement that its viewers send on average, at the end of the event loop's turn: the
 * process sleeps when the viewers are slower than it is, as with a source of just their speed.
 */
function pushAsFastAsTaken(stream: GatewayStream): void {
  let sockets = 0;
  let taken = 0;
  let pushed = 0;
  let isScheduled = false;
  const push = (): void => {
    isScheduled = false;
    for (; sockets > 0 && taken >= sockets; taken -= sockets) {
      stream.push(payload);
      pushed += 1;
      if (pushed % SPARE_EVERY === 0) stream.push(payload);
    }
  };
  // The gateway shows no acknowledgements, so they are counted by length where they arrive.
  subscribe('net.server.socket', (event) => {
    const { socket } = event as { socket: unknown };
    if (!(socket instanceof Socket)) return;
    let isViewer = false;
    socket.once('close', () => {
      if (isViewer) sockets -= 1;
      taken = 0;
    });
    // Not by `socket.on`, which would make it flow and take it from the HTTP parser.
    EventEmitter.prototype.on.call(socket, 'data', (bytes: Buffer) => {
      // The first is `hello`: what is HTTP goes to the parser and not by here, so that a browser's other sockets do not count.
      if (!isViewer) {
        isViewer = true;
        sockets += 1;
        return;
      }
      taken += Math.ceil(bytes.length / ACK_BYTES);
      if (isScheduled || taken < sockets) return;
      isScheduled = true;
      setImmediate(push);
    });
  });
  setInterval(() => stream.push(payload), LEAST_EVERY_MS);
}

let stream: GatewayStream | null = null;

const handlers = {
  async listen(): Promise<number> {
    // A port is held for a while after its viewer has left: enough of them for many rounds.
    const gateway = await createGateway({ port: 0, source: 'push:', virtualPorts: '10000-14095' });
    stream = gateway.stream;
    pushAsFastAsTaken(stream);
    const { port } = await gateway.listen();
    return port;
  },
  /** Pushes this JPEG from now on. */
  show(base64: string): void {
    payload = Buffer.from(base64, 'base64');
  },
  start: (): void => meter.start(),
  /** With the mean over the viewers of the time from sending a frame to its acknowledgement. */
  stop(): Usage & { readonly roundTripMs: number } {
    const usage = meter.stop();
    const roundTrips = stream?.clients.map(({ roundTripMs }) => roundTripMs ?? 0) ?? [];
    return { ...usage, roundTripMs: roundTrips.reduce((sum, ms) => sum + ms, 0) / roundTrips.length };
  },
};

export type GatewayServer = typeof handlers;

answerParent(handlers);
