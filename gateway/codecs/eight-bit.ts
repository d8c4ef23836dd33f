import { setImmediate as nextTurn } from 'node:timers/promises';
import { GearwayError } from '../../shared/errors.ts';
import type { FrameHeader } from '../../shared/frame.ts';
import type { Pixels } from './jpeg.ts';

/** Samples that are converted in one turn of the event loop: about half a millisecond. */
const SAMPLES_A_TURN = 1 << 17;

type Samples = Uint8Array | Uint16Array | Float32Array | Float64Array;

/**
 * A raw frame's samples with 8 bits each, as the viewer shows them: 8-bit ones as they are (and where they are, uncopied),
 * 16-bit linearly from 0 to 65535, floats from 0 to 1, false and true as 0 and 255. Two channels are gray by the first,
 * more than four BGR by the first three. What takes longer is done in turns, so that frames of others are not kept waiting.
 *
 * @throws {GearwayError} `dtype-unsupported`; `frame-encoded` for a JPEG, which a caller must not decode this way.
 */
export async function toEightBit({ encoding, payload, width, height }: Pick<FrameHeader, 'encoding' | 'width' | 'height'> & { readonly payload: Uint8Array }): Promise<Pixels> {
  if (encoding.kind === 'jpeg') throw new GearwayError('frame-encoded', 'the frame is a JPEG, expected samples');
  const { values, scale } = readSamples(payload, encoding.dtype);
  const step = encoding.shape[2] ?? 1;
  const channels = step === 3 || step === 4 ? step : step > 4 ? 3 : 1;
  if (scale === 1 && step === channels) return { data: payload, width, height, channels };
  // Clamps, and rounds halves to even, as a browser's ImageData does.
  const data = new Uint8ClampedArray(width * height * channels);
  const pixelsATurn = Math.max(1, Math.floor(SAMPLES_A_TURN / channels));
  for (let pixel = 0; pixel < width * height; pixel += pixelsATurn) {
    if (pixel > 0) await nextTurn();
    convert(values, data, { from: pixel, to: Math.min(pixel + pixelsATurn, width * height), step, channels, scale });
  }
  return { data: new Uint8Array(data.buffer), width, height, channels };
}

/** Pixels `from` (included) `to` (excluded). */
function convert(values: Samples, data: Uint8ClampedArray, { from, to, step, channels, scale }: { from: number; to: number; step: number; channels: number; scale: number }): void {
  if (step === channels) {
    for (let at = from * channels; at < to * channels; at += 1) data[at] = (values[at] ?? 0) * scale;
    return;
  }
  for (let pixel = from; pixel < to; pixel += 1) {
    for (let channel = 0; channel < channels; channel += 1) data[pixel * channels + channel] = (values[pixel * step + channel] ?? 0) * scale;
  }
}

/** Samples as numbers, in place where the memory is aligned for them: NetGear's parts and program's arrays may lie anywhere. */
export function alignedSamples<T extends Uint16Array | Float32Array | Float64Array>(
  { buffer, byteOffset, byteLength }: Uint8Array,
  type: { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): T },
): T {
  const bytes = type.BYTES_PER_ELEMENT;
  return byteOffset % bytes === 0 ? new type(buffer, byteOffset, byteLength / bytes) : new type(buffer.slice(byteOffset, byteOffset + byteLength));
}

function readSamples(payload: Uint8Array, dtype: string): { values: Samples; scale: number } {
  switch (dtype) {
    case 'uint8':
      return { values: payload, scale: 1 };
    case 'bool':
      return { values: payload, scale: 255 };
    case 'uint16':
      return { values: alignedSamples(payload, Uint16Array), scale: 1 / 257 };
    case 'float32':
      return { values: alignedSamples(payload, Float32Array), scale: 255 };
    case 'float64':
      return { values: alignedSamples(payload, Float64Array), scale: 255 };
    default:
      throw new GearwayError('dtype-unsupported', `cannot show samples of dtype ${dtype} yet, expected uint8, uint16, float32, float64 or bool`);
  }
}
