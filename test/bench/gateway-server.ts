/** The gateway embedded in a program, with a source that is as fast as its viewers. */
import { subscribe } from 'node:diagnostics_channel';
import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { createGateway, type GatewayStream } from '../../gateway/create-gateway.ts';
import { AckDriver } from './ack-driver.ts';
import { answerParent } from './processes.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';
import { ACK_BYTES, createPayload } from './wire.ts';

const meter = new UsageMeter();
let payload = createPayload();

/**
 * Pushes as fast as the viewers acknowledge. The gateway has no event for acknowledgements, so they are recognized by
 * their length at the socket.
 */
function pushAsFastAsTaken(stream: GatewayStream): void {
  const driver = new AckDriver(() => void stream.push(payload));
  subscribe('net.server.socket', (event) => {
    const { socket } = event as { socket: unknown };
    if (!(socket instanceof Socket)) return;
    let isViewer = false;
    socket.once('close', () => isViewer && driver.left());
    // Not with `socket.on`, which would start the flow of data and withhold it from the HTTP parser.
    EventEmitter.prototype.on.call(socket, 'data', (bytes: Buffer) => {
      if (isViewer) {
        driver.acknowledged(Math.max(1, Math.floor(bytes.length / ACK_BYTES)));
        return;
      }
      // The first chunk is `hello`. HTTP requests go to the parser and not through this listener, so other sockets of a
      // browser do not count as viewers.
      isViewer = true;
      driver.joined();
    });
  });
}

let stream: GatewayStream | null = null;

const handlers = {
  async listen(): Promise<number> {
    // Enough ports for many rounds: a port stays reserved for a while after its viewer has left.
    const gateway = await createGateway({ port: 0, source: 'push:', virtualPorts: '10000-14095' });
    stream = gateway.stream;
    pushAsFastAsTaken(stream);
    const { port } = await gateway.listen();
    return port;
  },
  /** Sets the JPEG to push. */
  show(base64: string): void {
    payload = Buffer.from(base64, 'base64');
  },
  start: (): void => meter.start(),
  /** Includes the mean round trip of all viewers, from sending a frame to its acknowledgement. */
  stop(): Usage & { readonly roundTripMs: number } {
    const usage = meter.stop();
    const roundTrips = stream?.clients.map(({ roundTripMs }) => roundTripMs ?? 0) ?? [];
    return { ...usage, roundTripMs: roundTrips.reduce((sum, ms) => sum + ms, 0) / roundTrips.length };
  },
};

export type GatewayServer = typeof handlers;

answerParent(handlers);
