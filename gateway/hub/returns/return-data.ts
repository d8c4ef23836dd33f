import type { NDArray } from '../../../shared/ndarray.ts';
import type { Value } from '../../../shared/protocol.ts';

/** Return data as the hub stores it. `json` is the value as the sender's Python JSON. The hub owns the binary data. */
export type ReturnData =
  | { readonly kind: 'value'; readonly value: Value; readonly json: string }
  | { readonly kind: 'array'; readonly array: NDArray }
  /** `colorspace` is the channel order to which a NetGear server decodes it. */
  | { readonly kind: 'jpeg'; readonly data: Uint8Array; readonly colorspace: string };

/** Python's None: the data of a port that has returned nothing. */
export const NOTHING: ReturnData = { kind: 'value', value: null, json: 'null' };

/**
 * Number of bytes that a value counts for in a memory budget: at least its length in a reply, as {@link
 * encodePorts} writes it. Binary data counts as its base64 text; a value is also kept parsed, which takes several
 * times its text.
 */
export function budgetBytes(data: ReturnData): number {
  switch (data.kind) {
    case 'value':
      return Buffer.byteLength(data.json) * PARSED_FACTOR;
    case 'array':
      return base64Bytes(data.array.data.byteLength) + NDARRAY_BYTES;
    case 'jpeg':
      return base64Bytes(data.data.byteLength) + NDARRAY_BYTES;
    default:
      return data satisfies never;
  }
}

/**
 * Ratio of a parsed value's memory to that of its text, for values that are mostly small numbers, strings and dicts.
 */
const PARSED_FACTOR = 4;

/** Maximum number of bytes around an array's base64 text: keys, dtype, and up to eight dimensions. */
const NDARRAY_BYTES = 256;

function base64Bytes(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** Whether two values are equal in everything that a reader can observe. */
export function isSameReturnData(a: ReturnData, b: ReturnData): boolean {
  if (a.kind === 'value') return b.kind === 'value' && a.json === b.json;
  if (a.kind === 'jpeg')
    return b.kind === 'jpeg' && a.colorspace === b.colorspace && Buffer.compare(a.data, b.data) === 0;
  return (
    b.kind === 'array' &&
    a.array.dtype === b.array.dtype &&
    a.array.shape.join() === b.array.shape.join() &&
    Buffer.compare(a.array.data, b.array.data) === 0
  );
}
