import { GearwayError } from '../../../shared/errors.ts';
import type { Logger } from '../../../shared/logger.ts';
import { type HubReceiver, ImageHub, type ImageHubOptions } from './image-hub.ts';
import type { SentPicture } from './picture-codec.ts';
import { checkHost, lowerCaseScheme } from '../../netgear/address.ts';
import { publishPicture } from '../publish-picture.ts';
import { SenderMix } from './sender-mix.ts';
import { readCheck, readWord, type SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';

/** Options of an imagezmq URL. */
interface ImagezmqOptions extends Omit<ImageHubOptions, 'log'> {
  /** Senders with a stream each; null: one stream for all senders. */
  readonly senders: readonly string[] | null;
  /** Whether JPEGs are verified before a NetGear client gets them. */
  readonly isChecked: boolean;
}

const ENDPOINT = /^(?:tcp:\/\/(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*_-]+):(\d{1,5})|ipc:\/\/\/[^?#\s,\0]{1,96})$/;

/** Maximum number of senders with their own stream. */
const MAX_SENDERS = 32;

/**
 * Parses `imagezmq:tcp://0.0.0.0:5555?senders=kitchen,porch`, or
 * `imagezmq:tcp://pi1:5555,tcp://pi2:5555?pattern=publish-subscribe`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parseImagezmq({ target, options }: SourceUrl): ImagezmqOptions {
  const pattern = readWord(options, 'pattern', ['request-reply', 'publish-subscribe']) ?? 'request-reply';
  const endpoints = target.split(',').map(lowerCaseScheme);
  for (const endpoint of endpoints) {
    const match = ENDPOINT.exec(endpoint);
    const port = Number(match?.[1] ?? '1');
    if (match === null || port < 1 || port > 65_535) {
      const expected = 'tcp://HOST:PORT or ipc:///PATH, for example tcp://0.0.0.0:5555 for senders to connect to';
      throw new GearwayError(
        'source-invalid',
        `imagezmq: address is ${JSON.stringify(endpoint)}, expected ${expected}`,
      );
    }
    checkHost(endpoint);
  }
  if (pattern === 'request-reply' && endpoints.length > 1) {
    const text = `imagezmq: has ${endpoints.length} addresses, expected 1 for all senders`;
    throw new GearwayError('source-invalid', `${text}; several require pattern=publish-subscribe`);
  }
  const senders = options.get('senders')?.split(',') ?? null;
  if (
    senders !== null &&
    (senders.length > MAX_SENDERS ||
      new Set(senders).size !== senders.length ||
      !senders.every((sender) => sender.length >= 1 && sender.length <= 64))
  ) {
    const expected = `1 to ${MAX_SENDERS} unique names of 1 to 64 characters, separated by commas`;
    throw new GearwayError(
      'source-invalid',
      `imagezmq: senders is ${JSON.stringify(options.get('senders'))}, expected ${expected}`,
    );
  }
  return { pattern, endpoints, senders, isChecked: readCheck(options) };
}

/** The name of a sender's stream: characters that are not allowed become `-`. */
export function streamOfSender(sender: string): string {
  return sender.replaceAll(/[^A-Za-z0-9_-]/g, '-');
}

/**
 * Pictures of imagezmq senders, from a hub that several streams may share. A sender's `msg` becomes the frame's
 * message.
 */
export class ImagezmqSource implements Source, HubReceiver {
  readonly kind = 'imagezmq';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns = false;
  readonly verifiesJpegs: boolean;
  readonly serverPorts = null;
  /** No timeout: senders may pause. */
  readonly stallMs = null;
  readonly sender: string | null;
  readonly #hub: ImageHub;
  readonly #log: Logger;
  #mix = new SenderMix();
  #hasWarned = false;
  #sink: SourceSink | null = null;

  /** @param sender the sender to show; null for all. */
  constructor(
    hub: ImageHub,
    { pattern, endpoints, isChecked, log }: ImageHubOptions & Pick<ImagezmqOptions, 'isChecked'>,
    sender: string | null,
  ) {
    this.#hub = hub;
    this.#log = log;
    this.verifiesJpegs = isChecked;
    this.sender = sender;
    this.address = `${sender === null ? '' : `${sender} at `}${endpoints.join(', ')}`;
    const who = sender === null ? 'an imagezmq sender' : `the imagezmq sender ${sender}`;
    this.waitingReason =
      pattern === 'request-reply'
        ? `waiting for ${who} to connect to ${endpoints.join(', ')}`
        : `waiting for a picture of ${who} at ${endpoints.join(', ')}`;
  }

  state(): string {
    const warning = this.#warning();
    if (warning !== null) return `${this.#hub.state()}; ${warning}`;
    return this.sender === null && this.#hub.peers > 1 ? `${this.#hub.state()}, all in this stream` : this.#hub.state();
  }

  async open(sink: SourceSink): Promise<void> {
    this.#sink = sink;
    this.#mix = new SenderMix();
    this.#hasWarned = false;
    await this.#hub.join(this);
  }

  async close(): Promise<void> {
    this.#sink = null;
    await this.#hub.leave(this);
  }

  received({ message, messageJson, picture }: SentPicture): void {
    if (this.#sink === null) return;
    publishPicture(this.#sink, picture, { message, messageJson }, !this.verifiesJpegs);
    if (this.sender === null && this.#mix.add(message)) this.#warn();
  }

  rejected(error: unknown): void {
    this.#sink?.reject(error);
  }

  failed(error: unknown): void {
    this.#sink?.fail(error);
  }

  #warn(): void {
    if (this.#hasWarned) return;
    const warning = this.#warning();
    if (warning === null) return;
    this.#hasWarned = true;
    this.#log.warn({}, `imagezmq: ${warning}`);
  }

  /** @returns null if there is nothing to warn about. */
  #warning(): string | null {
    const names = this.sender === null ? this.#mix.names(this.#hub.peers) : [];
    if (names.length === 0) return null;
    return `pictures of ${names.join(' and ')} alternate in this stream; use senders=${names.map(encodeURIComponent).join(',')} for one stream each`;
  }
}
