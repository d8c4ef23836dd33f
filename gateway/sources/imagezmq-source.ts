import { GearwayError } from '../../shared/errors.ts';
import { type HubReceiver, ImageHub, type ImageHubOptions } from '../imagezmq/image-hub.ts';
import type { SentPicture } from '../imagezmq/picture-codec.ts';
import { publishPicture } from './publish-picture.ts';
import { readWord, type SourceUrl } from './source-options.ts';
import type { Source, SourceSink } from './source.ts';

/** What an imagezmq URL says. */
export interface ImagezmqOptions extends Omit<ImageHubOptions, 'log'> {
  /** The senders that have a stream each; null: all of them are one stream. */
  readonly senders: readonly string[] | null;
}

const ENDPOINT = /^tcp:\/\/(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*_-]+):(\d{1,5})$/;

/** Most senders that have streams of their own. */
const MAX_SENDERS = 32;

/**
 * Reads `imagezmq:tcp://0.0.0.0:5555?senders=kitchen,porch`, or `imagezmq:tcp://pi1:5555,tcp://pi2:5555?pattern=publish-subscribe`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseImagezmq({ place, options }: SourceUrl): ImagezmqOptions {
  const pattern = readWord(options, 'pattern', ['request-reply', 'publish-subscribe']) ?? 'request-reply';
  const endpoints = place.split(',');
  for (const endpoint of endpoints) {
    const port = Number(ENDPOINT.exec(endpoint)?.[1]);
    if (!(port >= 1 && port <= 65_535)) throw new GearwayError('source-invalid', `imagezmq: address is ${JSON.stringify(endpoint)}, expected tcp://HOST:PORT, such as tcp://0.0.0.0:5555 where senders connect to`);
  }
  if (pattern === 'request-reply' && endpoints.length > 1) throw new GearwayError('source-invalid', `imagezmq: has ${endpoints.length} addresses, expected 1: all senders connect to the same, unless pattern=publish-subscribe`);
  const senders = options.get('senders')?.split(',') ?? null;
  if (senders !== null && (senders.length > MAX_SENDERS || new Set(senders).size !== senders.length || !senders.every((sender) => /^[A-Za-z0-9_-]{1,64}$/.test(sender)))) {
    throw new GearwayError('source-invalid', `imagezmq: senders is ${JSON.stringify(options.get('senders'))}, expected 1 to ${MAX_SENDERS} different names of letters, digits, _ and -, with commas between them`);
  }
  return { pattern, endpoints, senders };
}

/** Names that are this many times seen each are senders that alternate, and not words that change. */
const ALTERNATING_COUNT = 10;

/** Most names that are counted. */
const MAX_NAMES = 64;

/** Pictures of imagezmq's senders, from a hub that several streams may share. A sender's `msg` is the frame's message. */
export class ImagezmqSource implements Source, HubReceiver {
  readonly kind = 'imagezmq';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly seats = null;
  /** Senders send when they like. */
  readonly stallMs = null;
  readonly sender: string | null;
  readonly #hub: ImageHub;
  readonly #counts = new Map<string, number>();
  #sink: SourceSink | null = null;

  constructor(hub: ImageHub, { pattern, endpoints }: ImagezmqOptions, sender: string | null) {
    this.#hub = hub;
    this.sender = sender;
    this.address = `${sender === null ? '' : `${sender} at `}${endpoints.join(', ')}`;
    const who = sender === null ? 'an imagezmq sender' : `the imagezmq sender ${sender}`;
    this.waitingReason = pattern === 'request-reply' ? `waiting for ${who} to connect to ${endpoints.join(', ')}` : `waiting for a picture of ${who} at ${endpoints.join(', ')}`;
  }

  state(): string {
    const names = [...this.#counts].filter(([, count]) => count >= ALTERNATING_COUNT).map(([name]) => name);
    const mixed = names.length < 2 ? '' : `; ${names.length} senders in one stream: a stream each with senders=${names.join(',')}`;
    return `${this.#hub.state()}${mixed}`;
  }

  async open(sink: SourceSink): Promise<void> {
    this.#sink = sink;
    await this.#hub.join(this);
  }

  async close(): Promise<void> {
    this.#sink = null;
    await this.#hub.leave(this);
  }

  received({ message, picture }: SentPicture): void {
    if (this.#sink === null) return;
    publishPicture(this.#sink, picture, { message });
    if (this.sender === null && typeof message === 'string') this.#count(message);
  }

  rejected(error: unknown): void {
    this.#sink?.reject(error);
  }

  /** Many senders with one hub are the rule, and one stream that shows them in turn is of no use. A `msg` that is another each time is none. */
  #count(name: string): void {
    if (this.#counts.size >= MAX_NAMES && !this.#counts.has(name)) this.#counts.clear();
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
