import { GearwayError } from '../../../shared/errors.ts';
import { NO_PUBLISHER, Publishing } from './publishing.ts';
import { readCheck, readFlag, type SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';

interface PushOptions {
  /** Whether a new publisher always takes over. If false, it is refused while another one is active. */
  readonly takeOver: boolean;
  /** Whether JPEGs are verified before a NetGear client gets them. */
  readonly isChecked: boolean;
}

/**
 * Parses `push:?takeOver=true&check=false`.
 *
 * @throws {GearwayError} `source-invalid`.
 */
export function parsePush({ target, options }: SourceUrl): PushOptions {
  if (target !== '')
    throw new GearwayError(
      'source-invalid',
      `push: is followed by ${JSON.stringify(target)}, expected nothing or ?takeOver=true`,
    );
  return { takeOver: readFlag(options, 'takeOver'), isChecked: readCheck(options) };
}

/** Frames pushed to the gateway: by HTTP requests, over a WebSocket, or by the embedding program. */
export class PushSource implements Source {
  readonly kind = 'push';
  readonly address = 'any publisher';
  readonly waitingReason = NO_PUBLISHER;
  readonly takesReturns = false;
  readonly verifiesJpegs: boolean;
  readonly serverPorts = null;
  /** No timeout: publishers may pause. */
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
