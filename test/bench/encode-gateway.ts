/** The whole gateway, with a program that pushes frames at a fixed rate, and a counter of encodings. */
import jpegTurbo from '@julusian/jpeg-turbo';
import { createGateway, type GatewayStream } from '../../gateway/create-gateway.ts';
import { answerParent } from './processes.ts';
import type { PictureSize } from './python.ts';
import { type Usage, UsageMeter } from './usage-meter.ts';

const meter = new UsageMeter();
let stream: GatewayStream | null = null;
let frame: Parameters<GatewayStream['push']>[0] | null = null;
let pushed = 0;
let encoded = 0;

// Counts the encodings of the gateway.
const { compress } = jpegTurbo;
jpegTurbo.compress = ((...args: Parameters<typeof compress>) => {
  encoded += 1;
  return compress(...args);
}) as typeof compress;

function pushAt(fps: number): void {
  const periodMs = 1000 / fps;
  let dueMs = performance.now();
  const push = (): void => {
    if (frame !== null) stream?.push(frame);
    pushed += 1;
    dueMs = Math.max(dueMs + periodMs, performance.now());
    setTimeout(push, dueMs - performance.now());
  };
  push();
}

const handlers = {
  /** @returns the port. */
  async listen(fps: number): Promise<number> {
    const gateway = await createGateway({ port: 0, source: 'push:', virtualPorts: '10000-14095' });
    stream = gateway.stream;
    const { port } = await gateway.listen();
    pushAt(fps);
    return port;
  },
  /** Sets the pushed frame: a JPEG, or the samples of a picture. */
  show(base64: string, form: 'jpeg' | 'samples', { width, height }: PictureSize): void {
    const data = Buffer.from(base64, 'base64');
    frame = form === 'jpeg' ? data : { dtype: 'uint8', shape: [height, width, 3], data };
  },
  start(): void {
    pushed = 0;
    encoded = 0;
    meter.start();
  },
  stop(): Usage & { readonly pushed: number; readonly encoded: number } {
    return { ...meter.stop(), pushed, encoded };
  },
};

export type EncodeGateway = typeof handlers;

answerParent(handlers);
