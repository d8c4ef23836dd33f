import { GearwayError } from '../../shared/errors.ts';

/** An access unit of H.264. */
export interface AccessUnit {
  /** Time stamp that was passed to the encoder with the picture, in milliseconds. */
  readonly timeMs: number;
  /** Whether decoding can begin with this access unit. */
  readonly isKey: boolean;
  /** NAL units, each with its length in four bytes before it (ISO 14496-15). */
  readonly data: Uint8Array;
}

interface FlvEvents {
  /** The decoder's configuration (`avcC`, ISO 14496-15), before the first access unit. */
  configured(description: Uint8Array): void;
  unit(unit: AccessUnit): void;
}

/** Size of the file header and of the first "previous tag size", which is 0. */
const HEADER_BYTES = 9 + 4;
const TAG_HEADER_BYTES = 11;
/** Size of the "previous tag size" field after each tag. */
const TRAILER_BYTES = 4;

/** Maximum size of a tag, larger than any access unit. */
const MAX_TAG_BYTES = 8 << 20;

const VIDEO_TAG = 9;
/** Size of the header of video data: frame type and codec, packet type, three bytes of composition time. */
const VIDEO_HEADER_BYTES = 5;
const KEY_FRAME = 1;
const AVC = 7;
const SEQUENCE_HEADER = 0;
const NALUS = 1;

/**
 * Reads H.264 from FLV (Adobe Flash Video File Format 10.1), which FFmpeg writes access unit by access unit, with time
 * stamps.
 */
export class FlvReader {
  readonly #events: FlvEvents;
  #pending: Buffer = Buffer.alloc(0);
  #hasHeader = false;

  constructor(events: FlvEvents) {
    this.#events = events;
  }

  /** @throws {GearwayError} `flv-invalid`. */
  read(chunk: Buffer): void {
    let data = this.#pending.byteLength === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    if (!this.#hasHeader) {
      if (data.byteLength < HEADER_BYTES) {
        this.#pending = data;
        return;
      }
      if (data.toString('latin1', 0, 3) !== 'FLV')
        throw new GearwayError('flv-invalid', 'the output of the encoder is not FLV');
      this.#hasHeader = true;
      data = data.subarray(HEADER_BYTES);
    }
    while (data.byteLength >= TAG_HEADER_BYTES) {
      const bytes = data.readUIntBE(1, 3);
      if (bytes > MAX_TAG_BYTES)
        throw new GearwayError('flv-invalid', `a tag is ${bytes} bytes, expected at most ${MAX_TAG_BYTES}`);
      const end = TAG_HEADER_BYTES + bytes + TRAILER_BYTES;
      if (data.byteLength < end) break;
      if (data[0] === VIDEO_TAG)
        this.#video(
          data.subarray(TAG_HEADER_BYTES, TAG_HEADER_BYTES + bytes),
          data.readUIntBE(4, 3) + (data[7] ?? 0) * 2 ** 24,
        );
      data = data.subarray(end);
    }
    this.#pending = data;
  }

  #video(body: Buffer, timeMs: number): void {
    const [first = 0, kind] = body;
    if ((first & 0x0f) !== AVC || body.byteLength < VIDEO_HEADER_BYTES) return;
    // Copied, because the chunk has several tags, and clients keep a reference to the data that they send.
    const data = Uint8Array.from(body.subarray(VIDEO_HEADER_BYTES));
    if (kind === SEQUENCE_HEADER) this.#events.configured(data);
    else if (kind === NALUS) this.#events.unit({ timeMs, isKey: first >> 4 === KEY_FRAME, data });
  }
}
