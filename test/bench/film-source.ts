/**
 * A process that sends a film of numbered pictures, JPEGs encoded in advance so that sending takes hardly any processor
 * time: with a NetGear server, or with FFmpeg as H.264 to an RTSP server.
 */
import { NetGearSender } from '../../gateway/netgear/index.ts';
import { FILM, type FilmName, makeFilm } from './film.ts';
import { FilmPublisher } from './film-publisher.ts';
import { Pace } from './pace.ts';
import { answerParent } from './processes.ts';
import type { HandedOver } from './shown-delays.ts';

const films = new Map<FilmName, Buffer[]>();

/**
 * A value that a viewer has returned, with the time at which the server received it. The number identifies the value.
 */
export interface Arrival {
  readonly probe: number;
  /** Time by the machine's clock. */
  readonly atMs: number;
}

let arrivals: Arrival[] = [];

let stop: (() => Promise<HandedOver[]>) | null = null;

/** Return data by port, in which a probe is `{ probe: 7 }`. */
function noteReturned(byPort: unknown): void {
  if (typeof byPort !== 'object' || byPort === null) return;
  const atMs = performance.timeOrigin + performance.now();
  for (const value of Object.values(byPort) as unknown[]) {
    if (typeof value === 'object' && value !== null && 'probe' in value && typeof value.probe === 'number')
      arrivals.push({ probe: value.probe, atMs });
  }
}

/** Where the pictures of a film are sent. */
interface Sink {
  send(jpeg: Buffer, number: number): Promise<void>;
  close(): Promise<void>;
}

async function netGear(port: number): Promise<Sink> {
  const sender = new NetGearSender({
    address: '127.0.0.1',
    port,
    pattern: 1,
    bidirectional_mode: true,
    check: false,
  });
  await sender.ready();
  return {
    send: async (jpeg, number) => noteReturned(await sender.send(jpeg, { message: { number } })),
    close: () => sender.close({ terminate: false }),
  };
}

/** Sends the pictures in a loop. @returns a function that ends this. */
function film(sink: Sink, jpegs: readonly Buffer[]): () => Promise<HandedOver[]> {
  const handedOver: HandedOver[] = [];
  const pace = new Pace(FILM.fps);
  let isRunning = true;
  const running = (async (): Promise<HandedOver[]> => {
    for (let count = 0; ; count += 1) {
      await new Promise((resolve) => setTimeout(resolve, pace.waitMs()));
      if (!isRunning) break;
      const number = count % jpegs.length;
      const jpeg = jpegs[number];
      if (jpeg === undefined) throw new Error('the film has not been created yet');
      handedOver.push({ number, atMs: performance.timeOrigin + performance.now() });
      await sink.send(jpeg, number);
    }
    await sink.close();
    return handedOver;
  })();
  return () => {
    isRunning = false;
    return running;
  };
}

const handlers = {
  /** @returns the mean size of its JPEGs, in bytes. */
  async make(name: FilmName, frames: number): Promise<number> {
    const jpegs = await makeFilm(name, frames);
    films.set(name, jpegs);
    return jpegs.reduce((sum, { byteLength }) => sum + byteLength, 0) / jpegs.length;
  },
  /** @returns a JPEG of it, base64. */
  picture(name: FilmName, number: number): string {
    const jpeg = films.get(name)?.[number];
    if (jpeg === undefined) throw new Error(`the film ${name} has no picture ${number}`);
    return jpeg.toString('base64');
  },
  /** Sends it to a NetGear client on this port, in a loop. */
  async film(name: FilmName, port: number): Promise<void> {
    arrivals = [];
    stop = film(await netGear(port), films.get(name) ?? []);
  },
  /** Sends it to an RTSP server as H.264 of a bit rate, in a loop. */
  publish(name: FilmName, url: string, bitsPerSecond: number): void {
    stop = film(new FilmPublisher(url, bitsPerSecond), films.get(name) ?? []);
  },
  /** @returns the probes that viewers have returned since the film began. */
  arrivals: (): Arrival[] => arrivals,
  /** @returns the frames handed over, in order. */
  async stop(): Promise<HandedOver[]> {
    return (await stop?.()) ?? [];
  },
};

export type FilmSource = typeof handlers;

answerParent(handlers);
