import type { Value } from '../../../shared/protocol.ts';
import type { StickyData } from './returns.ts';
import { readJpegHeader } from '../../codecs/jpeg-header.ts';

/** Maximum length of a value in the API's list of clients, in characters of JSON. */
const MAX_SHOWN = 4096;

/**
 * Return data as shown by the API: a value as JSON if JSON can represent it, otherwise as Python JSON text; arrays and
 * pictures as a description whose `version` changes whenever the data does.
 */
export function describeReturnData(data: StickyData | null): unknown {
  if (data === null) return null;
  switch (data.kind) {
    case 'value':
      if (data.json.length > MAX_SHOWN) return `${data.json.slice(0, MAX_SHOWN)}…`;
      // JSON.parse would round the integer.
      if (holdsLongInteger(data.value)) return data.json;
      try {
        return JSON.parse(data.json) as unknown;
      } catch {
        // NaN and infinities exist only in Python's JSON.
        return data.json;
      }
    case 'array':
      return {
        dtype: data.array.dtype,
        shape: data.array.shape,
        bytes: data.array.data.byteLength,
        version: data.version,
      };
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
  const { width, height } = readJpegHeader(jpeg); // Does not throw, because the value was checked on arrival.
  return { width, height };
}
