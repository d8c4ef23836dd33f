import type { Value } from '../../shared/protocol.ts';
import { encodeFrameHead } from '../../shared/protocol.ts';
import type { Frame } from '../hub/frame.ts';
import { encodeJpeg } from '../jpeg.ts';

/** A frame as web clients get it: one head and one payload, shared by all viewers. Never to be written to. */
export interface Rendition {
  readonly sequence: number;
  readonly head: Uint8Array;
  readonly payload: Uint8Array;
}

/**
 * Makes each frame's renditions, once for all viewers of a stream: `asIs` (the JPEG or the samples that came), and `jpeg`
 * for 8-bit raw frames. 16-bit and float frames are always sent as they are, since JPEG would corrupt them.
 */
export class Renditions {
  readonly #asIs = new WeakMap<Frame, Rendition>();
  readonly #jpeg = new WeakMap<Frame, Promise<Rendition>>();

  /** @returns a promise only while a raw frame is being encoded. */
  get(frame: Frame, wantsRaw: boolean): Rendition | Promise<Rendition> {
    const channels = wantsRaw ? null : jpegChannels(frame);
    if (channels === null) {
      let rendition = this.#asIs.get(frame);
      if (rendition === undefined) {
        rendition = { sequence: frame.sequence, head: encodeHead(frame, frame.message), payload: frame.payload };
        this.#asIs.set(frame, rendition);
      }
      return rendition;
    }
    let encoding = this.#jpeg.get(frame);
    if (encoding === undefined) {
      encoding = encode(frame, channels);
      this.#jpeg.set(frame, encoding);
    }
    return encoding;
  }
}

async function encode(frame: Frame, channels: 1 | 3 | 4): Promise<Rendition> {
  const payload = await encodeJpeg({ data: frame.payload, width: frame.width, height: frame.height, channels });
  return { sequence: frame.sequence, head: encodeHead({ ...frame, encoding: { kind: 'jpeg' } }, frame.message), payload };
}

function encodeHead(frame: Frame, message: Value): Uint8Array {
  return encodeFrameHead(frame, message);
}

/** How many channels a frame would be encoded with; null when it must go as it is. */
function jpegChannels({ encoding }: Frame): 1 | 3 | 4 | null {
  if (encoding.kind === 'jpeg' || encoding.dtype !== 'uint8') return null;
  const channels = encoding.shape[2] ?? 1;
  return channels === 1 || channels === 3 || channels === 4 ? channels : null;
}
