import { setImmediate as nextTurn } from 'node:timers/promises';
import { checkShowable, converterOf } from '../../shared/eight-bit.ts';
import type { FrameHeader } from '../../shared/frame.ts';
import type { Pixels } from './jpeg.ts';

/** Samples that are converted in one turn of the event loop: about half a millisecond. */
const SAMPLES_PER_TURN = 1 << 17;

/**
 * A raw frame with 8 bits per sample, as the viewer shows it. 8-bit samples are not copied. Conversion yields to the
 * event loop, so that it does not delay other frames.
 *
 * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`; `frame-encoded` for a JPEG.
 */
export async function toEightBit({ encoding, payload, width, height }: Pick<FrameHeader, 'encoding' | 'width' | 'height'> & { readonly payload: Uint8Array }): Promise<Pixels> {
  const channels = checkShowable(encoding);
  if (encoding.kind === 'jpeg' || encoding.dtype === 'uint8') return { data: payload, width, height, channels };
  const converter = converterOf(encoding.dtype);
  const data = new Uint8ClampedArray(width * height * channels);
  for (let from = 0; from < data.length; from += SAMPLES_PER_TURN) {
    if (from > 0) await nextTurn();
    converter.convert(payload, from, Math.min(from + SAMPLES_PER_TURN, data.length), data.subarray(from));
  }
  return { data: new Uint8Array(data.buffer), width, height, channels };
}
