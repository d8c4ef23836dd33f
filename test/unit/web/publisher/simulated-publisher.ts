import type { EncodingSettings } from '../../../../web/capture/capture-types.ts';
import type { EncodedPicture } from '../../../../web/capture/jpeg-encoder.ts';
import { PictureFlow } from '../../../../web/capture/picture-flow.ts';
import { Uplink } from '../../../../web/publisher/capture/uplink.ts';
import { createRandom } from '../../../helpers/jpeg-builder.ts';
import { Bottleneck, DelayLine, type SimulatedLink } from '../../../helpers/simulated-link.ts';
import { zeros } from '../../../helpers/zeros.ts';

/** The requested settings. */
const WANTED: EncodingSettings = { fps: 15, quality: 80, shortSide: 720 };

const PING_INTERVAL_MS = 2000;
const TICK_INTERVAL_MS = 500;

/** A link, and the program at its end. */
export interface SimulatedUplink extends SimulatedLink {
  /** Whether the page's worker does not run at present. */
  readonly isPageStalled?: boolean;
}

/** A picture that the gateway has received. */
export interface PublishedPicture {
  readonly atMs: number;
  readonly latencyMs: number;
  readonly settings: EncodingSettings;
}

interface CameraPicture {
  readonly atMs: number;
  close(): void;
}

interface Encoded extends EncodedPicture {
  readonly settings: EncodingSettings;
}

/** A frame, or a ping. */
interface Sent {
  bytes: number;
  readonly arrived: (nowMs: number) => void;
  readonly answered: () => void;
}

/** Bytes of a camera's JPEG with these settings. */
const bytesOf = ({ shortSide, quality }: EncodingSettings): number =>
  Math.round(1500 + 78_500 * (shortSide / 720) ** 1.8 * (quality / 80) ** 0.9);

/** The sending side of a publisher, and a gateway that acknowledges each frame, in steps of a millisecond. */
export class SimulatedPublisher {
  readonly published: PublishedPicture[] = [];
  nowMs = 0;
  readonly #uplink: Uplink;
  readonly #flow: PictureFlow<CameraPicture, Encoded>;
  #fps = WANTED.fps;
  #pictureDueMs = 0;
  readonly #queue = new Bottleneck<Sent>();
  readonly #up: DelayLine<Sent>;
  readonly #down: DelayLine<Sent>;
  /** Events that the page's worker has not processed yet. */
  readonly #events: (() => void)[] = [];

  /** @param roundTripMs of the greeting. */
  constructor(roundTripMs: number, seed = 1) {
    const random = createRandom(seed);
    this.#up = new DelayLine(random);
    this.#down = new DelayLine(random);
    this.#uplink = new Uplink({ ...WANTED, maxBitsPerSecond: null, isFixed: false }, (fps) => (this.#fps = fps));
    this.#flow = new PictureFlow<CameraPicture, Encoded>({
      encode: (picture) => this.#encode(picture),
      send: (sequence, encoded) => this.#send(sequence, encoded),
      failed: (error) => {
        throw error;
      },
    });
    this.#uplink.connected(roundTripMs, 0);
    this.#flow.connected();
  }

  /** @param link of each millisecond, since the beginning. */
  async run(forMs: number, link: (nowMs: number) => SimulatedUplink): Promise<readonly PublishedPicture[]> {
    const from = this.published.length;
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; this.nowMs += 1) {
      const current = link(this.nowMs);
      for (const sent of this.#queue.carry(current.bitsPerSecond)) this.#up.push(sent, this.nowMs, current);
      if (current.isStalled !== true) this.#deliver(current);
      if (this.nowMs % PING_INTERVAL_MS === 0) this.#events.push(() => this.#ping());
      if (this.nowMs % TICK_INTERVAL_MS === 0) this.#events.push(() => this.#uplink.update(this.nowMs));
      if (this.nowMs >= this.#pictureDueMs) this.#capture();
      if (current.isPageStalled === true) continue;
      for (const event of this.#events.splice(0)) event();
      // Encoding is a promise.
      for (let turn = 0; turn < 6; turn += 1) await Promise.resolve();
    }
    return this.published.slice(from);
  }

  #capture(): void {
    const atMs = this.nowMs;
    this.#pictureDueMs = Math.max(this.#pictureDueMs + 1000 / this.#fps, atMs);
    this.#events.push(() => this.#flow.offer({ atMs, close: () => undefined }));
  }

  async #encode({ atMs }: CameraPicture): Promise<Encoded> {
    let used = WANTED;
    const encoded = await this.#uplink.encode(this.nowMs, (settings) => {
      used = settings;
      const jpeg = zeros(bytesOf(settings));
      return Promise.resolve({ jpeg, width: 0, height: 0, capturedAtMs: atMs });
    });
    return { ...encoded, settings: used };
  }

  #send(sequence: number, { jpeg, capturedAtMs, settings }: Encoded): void {
    this.#uplink.sent(sequence, jpeg.byteLength, this.nowMs);
    this.#queue.push({
      bytes: jpeg.byteLength,
      arrived: (atMs) => this.published.push({ atMs, latencyMs: atMs - (capturedAtMs ?? atMs), settings }),
      answered: () => {
        this.#uplink.taken(sequence, this.nowMs);
        this.#flow.taken(sequence);
      },
    });
  }

  #ping(): void {
    const fromMs = this.nowMs;
    this.#queue.push({
      bytes: 20,
      arrived: () => undefined,
      answered: () => this.#uplink.roundTrip(this.nowMs - fromMs, this.nowMs),
    });
  }

  #deliver(link: SimulatedUplink): void {
    for (const sent of this.#up.arrived(this.nowMs)) {
      sent.arrived(this.nowMs);
      this.#down.push(sent, this.nowMs, link);
    }
    this.#events.push(...[...this.#down.arrived(this.nowMs)].map(({ answered }) => answered));
  }
}
