import type { NDArray } from '../shared/ndarray.ts';
import type { ReturnBody, Value } from '../shared/protocol.ts';

/** What can be returned: what Python's JSON holds, an array with dtype and shape, or a Blob of a JPEG. */
export type Returnable = Value | NDArray | Blob;

/** Turns a value into what the protocol carries. Arrays are copied, since the caller may go on writing to them. */
export async function toReturnBody(value: Returnable): Promise<ReturnBody> {
  if (value instanceof Blob) return { kind: 'jpeg', data: new Uint8Array(await value.arrayBuffer()) };
  if (isArray(value)) {
    const { buffer, byteOffset, byteLength } = value.data;
    return { kind: 'array', array: { dtype: value.dtype, shape: [...value.shape], data: new Uint8Array(buffer, byteOffset, byteLength).slice() } };
  }
  return { kind: 'value', value };
}

function isArray(value: Value | NDArray): value is NDArray {
  return typeof value === 'object' && value !== null && 'data' in value && ArrayBuffer.isView(value.data);
}
