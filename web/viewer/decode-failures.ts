import { GearwayError } from '../../shared/errors.ts';
import { unusualJpegKind } from '../../shared/jpeg-kind.ts';
import type { FrameMessage } from '../../shared/protocol.ts';

/** Number of consecutive failures that indicate more than a damaged frame. */
const MAX_FAILURES = 2;

/**
 * Time without a picture after a single failure that also indicates more than a damaged frame, for streams with few
 * frames.
 */
const FAILING_AFTER_MS = 1000;

/** Error for a decode that took too long. */
export class DecodeTimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(`decoding takes longer than ${timeoutMs / 1000} s`);
  }
}

interface DecodeFailuresEvents {
  /**
   * Called once per connection when baseline JPEG must be requested, because this browser may not support the kind of
   * the JPEGs.
   */
  needsBaseline(): void;
  /** Called when no frame can be decoded. `reason` is a sentence. */
  failing(reason: string): void;
  /** Called when a frame was decoded after `failing`. */
  recovered(): void;
}

/**
 * Detects that no frame of a stream can be decoded. JPEGs of a kind that this browser does not support are first
 * requested as baseline.
 */
export class DecodeFailures {
  readonly #events: DecodeFailuresEvents;
  #count = 0;
  #hasRequested = false;
  #reason: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(events: DecodeFailuresEvents) {
    this.#events = events;
  }

  decoded(): void {
    this.#count = 0;
    clearTimeout(this.#timer);
    if (this.#reason === null) return;
    this.#reason = null;
    this.#events.recovered();
  }

  failed(frame: FrameMessage, error: unknown): void {
    this.#count += 1;
    clearTimeout(this.#timer);
    // The samples cannot be shown, and the next frame will have samples of the same type.
    if (this.#count >= MAX_FAILURES || error instanceof GearwayError) this.#conclude(frame, error);
    else this.#timer = setTimeout(() => this.#conclude(frame, error), FAILING_AFTER_MS);
  }

  /** Called for a new connection. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#count = 0;
    this.#hasRequested = false;
    this.#reason = null;
  }

  #conclude(frame: FrameMessage, error: unknown): void {
    if (frame.encoding.kind === 'jpeg' && !this.#hasRequested && !(error instanceof DecodeTimeoutError)) {
      this.#hasRequested = true;
      this.#count = 0;
      // A gateway that does not support the request does not respond.
      this.#timer = setTimeout(() => this.#conclude(frame, error), FAILING_AFTER_MS);
      this.#events.needsBaseline();
      return;
    }
    const reason = describe(frame, error);
    if (reason === this.#reason) return;
    this.#reason = reason;
    this.#events.failing(reason);
  }
}

function describe({ encoding, payload }: FrameMessage, error: unknown): string {
  if (error instanceof DecodeTimeoutError || encoding.kind !== 'jpeg')
    return error instanceof Error ? error.message : String(error);
  const kind = unusualJpegKind(payload);
  return kind === null
    ? 'the JPEGs that arrive are damaged: this browser can decode none of them'
    : `the frames are ${kind}, which neither this browser nor the gateway can decode`;
}
