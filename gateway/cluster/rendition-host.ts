import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Stream } from '../hub/stream.ts';
import { parseStep } from '../renditions/ladder.ts';
import type { LocalRenditions } from '../renditions/rendition.ts';
import {
  JpegExporter,
  type RenditionExporter,
  type RenditionExporterOptions,
  VideoExporter,
} from './rendition-exporters.ts';
import { RareWarnings } from './rare-warnings.ts';
import { decodeRenditionRequest, type RenditionAnswer, type RenditionRequest } from './rendition-wire.ts';

/** A gateway that has not repeated its request for this long no longer needs the rendition. */
const INTEREST_TIMEOUT_MS = 1500;

const CHECK_INTERVAL_MS = 250;

/** Maximum number of gateways that may request one rendition. */
const MAX_WANTED = 1024;

/** Maximum number of renditions of all streams that are made for other gateways. */
const MAX_EXPORTS = 64;

/** A stream whose source this gateway may own. */
interface ExportedStream {
  readonly stream: Stream;
  readonly origin: string;
  readonly isOwner: () => boolean;
}

interface RenditionHostOptions {
  /** Connection for requests. */
  readonly control: NatsConnection;
  /** Connection for frames. */
  readonly frames: NatsConnection;
  readonly maxPayload: () => number;
  readonly subject: string;
  readonly frameSubject: (stream: string, step: string) => string;
  readonly streams: ReadonlyMap<string, ExportedStream>;
  /** @returns null if this gateway makes no renditions of the stream. */
  readonly renditionsOf: (stream: Stream) => LocalRenditions | null;
  readonly log: Logger;
}

interface Export {
  readonly exporter: RenditionExporter;
  readonly isOwner: () => boolean;
  /** Requests, by the ids of the gateways that need the rendition. */
  readonly wanted: Map<string, { keys: number; heardAtMs: number }>;
}

/**
 * Makes the renditions that other gateways request, each once for all gateways that request it and for the viewers of
 * this gateway, for as long as any of them needs it.
 */
export class RenditionHost {
  readonly #options: RenditionHostOptions;
  readonly #exports = new Map<string, Export>();
  readonly #warnings: RareWarnings;
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;

  constructor(options: RenditionHostOptions) {
    this.#options = options;
    this.#warnings = new RareWarnings(options.log);
    this.#subscription = options.control.subscribe(options.subject, {
      callback: (error, message) => {
        // The NATS user of this gateway lacks the right to subscribe. There is no message in this case.
        if (error === null) this.#received(message);
        else options.log.error({}, `this gateway cannot make renditions for the others: ${errorText(error)}`);
      },
    });
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  /** Number of renditions that are being made for other gateways. */
  get size(): number {
    return this.#exports.size;
  }

  /** Ends the renditions of a stream that is closed. */
  endStream(stream: Stream): void {
    for (const [key, { exporter }] of this.#exports) if (exporter.stream === stream) this.#end(key);
  }

  /** Called when the connection for frames was lost and restored. */
  reconnected(): void {
    for (const { exporter } of this.#exports.values()) exporter.reconnected();
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
    this.#subscription.unsubscribe();
    for (const key of this.#exports.keys()) this.#end(key);
  }

  #check(): void {
    const now = performance.now();
    for (const [key, { wanted, isOwner }] of this.#exports) {
      for (const [from, { heardAtMs }] of wanted) if (now - heardAtMs > INTEREST_TIMEOUT_MS) wanted.delete(from);
      if (wanted.size === 0 || !isOwner()) this.#end(key);
    }
  }

  #end(key: string): void {
    this.#exports.get(key)?.exporter.close();
    this.#exports.delete(key);
  }

  #received(message: Msg): void {
    // An error must not reach the NATS library, which would stop reading from the connection.
    try {
      const answer = this.#accept(decodeRenditionRequest(message.data));
      if (message.reply !== undefined && message.reply !== '') message.respond(JSON.stringify(answer));
    } catch (error) {
      this.#warnings.warn(errorText(error));
    }
  }

  #accept({ stream, step, from, keys, isLast }: RenditionRequest): RenditionAnswer {
    const hosted = this.#options.streams.get(stream);
    if (hosted === undefined || !hosted.isOwner()) return { ok: false, reason: 'not-owner' };
    const key = `${stream} ${step}`;
    let known = this.#exports.get(key);
    if (isLast) {
      known?.wanted.delete(from);
      if (known?.wanted.size === 0) this.#end(key);
      return { ok: true };
    }
    if (known?.exporter.isAvailable() === false) {
      this.#end(key);
      known = undefined;
    }
    if (known === undefined) {
      const exporter = this.#create(hosted, step);
      if (exporter === null) return { ok: false, reason: 'unavailable' };
      known = { exporter, isOwner: hosted.isOwner, wanted: new Map() };
      this.#exports.set(key, known);
    } else if (keys > (known.wanted.get(from)?.keys ?? 0)) {
      known.exporter.requestKey();
    }
    if (!known.wanted.has(from) && known.wanted.size >= MAX_WANTED) return { ok: false, reason: 'unavailable' };
    known.wanted.set(from, { keys, heardAtMs: performance.now() });
    return { ok: true };
  }

  #create({ stream, origin }: ExportedStream, name: string): RenditionExporter | null {
    const { frames, maxPayload, frameSubject, renditionsOf } = this.#options;
    const step = parseStep(name);
    const renditions = renditionsOf(stream);
    if (step === null || renditions === null || this.#exports.size >= MAX_EXPORTS) return null;
    const subject = frameSubject(stream.name, name);
    const options: RenditionExporterOptions = { stream, origin, renditions, connection: frames, maxPayload, subject };
    if (step.kind === 'jpeg') return new JpegExporter(step, options);
    const encoding = renditions.video(step);
    return encoding === null ? null : new VideoExporter(step, encoding, options);
  }
}
