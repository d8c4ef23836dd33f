import { GearwayError } from '../../../shared/errors.ts';
import { NO_PUBLISHER, Publishing } from './publishing.ts';
import { readCheck, readFlag, type SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';

/** How publishers are treated. */
export interface PushOptions {
  /** The newest publisher always takes over; default: it is refused while another is there. */
  readonly takeOver: boolean;
  /** JPEGs are verified before a NetGear client gets them; default true. */
  readonly isChecked: boolean;
}

/**
 * Reads `push:?takeOver=true&check=false`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parsePush({ place, options }: SourceUrl): PushOptions {
  if (place !== '') throw new GearwayError('source-invalid', `push: is followed by ${JSON.stringify(place)}, expected nothing or ?takeOver=true`);
  return { takeOver: readFlag(options, 'takeOver'), isChecked: readCheck(options) };
}

/** Frames that are given to the gateway: by requests, over a WebSocket, or by the program that embeds it. */
export class PushSource implements Source {
  readonly kind = 'push';
  readonly address = 'whoever publishes';
  readonly waitingReason = NO_PUBLISHER;
  readonly takesReturns = false;
  readonly verifiesJpegs: boolean;
  readonly seats = null;
  /** Who publishes may be silent. */
  readonly stallMs = null;
  readonly publishing: Publishing;

  constructor({ takeOver, isChecked }: PushOptions) {
    this.verifiesJpegs = isChecked;
    this.publishing = new Publishing({ newestWins: takeOver, isTrusted: !isChecked });
  }

  state(): string {
    return this.publishing.state();
  }

  async open(sink: SourceSink): Promise<void> {
    this.publishing.open(sink);
  }

  async close(): Promise<void> {
    this.publishing.close();
  }
}
