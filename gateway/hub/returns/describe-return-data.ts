import type { Value } from '../../../shared/protocol.ts';
import type { StickyData } from './returns.ts';
import { readJpegHeader } from '../../codecs/jpeg-header.ts';

/** Longest JSON that the API repeats in its list of clients. */
const MAX_SHOWN = 4096;

/**
 * Return data for the API: the value as JSON where JSON can hold it, else as Python writes it; arrays and pictures as a
 * description, whose `version` is another whenever the data is.
 */
export function describeReturnData(data: StickyData | null): unknown {
  if (data === null) return null;
  switch (data.kind) {
    case 'value':
      if (data.json.length > MAX_SHOWN) return `${data.json.slice(0, MAX_SHOWN)}…`;
      // Parsed, it would be another number.
      if (holdsLongInteger(data.value)) return data.json;
      try {
        return JSON.parse(data.json) as unknown;
      } catch {
        // NaN and infinities: Python's JSON has them, JSON does not.
        return data.json;
      }
    case 'array':
      return { dtype: data.array.dtype, shape: data.array.shape, bytes: data.array.data.byteLength, version: data.version };
    case 'jpeg':
      return { jpeg: true, ...jpegSize(data.data), bytes: data.data.byteLength, version: data.version };
    default:
      return data satisfies never;
  }
}

function holdsLongInteger(value: Value): boolean {
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint';
  return Object.values(value).some(holdsLongInteger);
}

function jpegSize(jpeg: Uint8Array): { width: number; height: number } {
  const { width, height } = readJpegHeader(jpeg); // checked when it came
  return { width, height };
}
