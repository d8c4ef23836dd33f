import { isPictureShape } from '../../../shared/ndarray.ts';

/** Return data as the API describes it. `version` changes with the data. */
export type Returned =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'value'; readonly text: string }
  /** `text` says what it is; `isPicture`: it can be looked at. */
  | { readonly kind: 'array'; readonly text: string; readonly version: number; readonly isPicture: boolean };

/** Reads `returnData` of a client's status. */
export function readReturned(data: unknown): Returned {
  if (data === null || data === undefined) return { kind: 'nothing' };
  if (typeof data === 'object' && 'version' in data && typeof data.version === 'number') {
    const { version } = data;
    if ('jpeg' in data && 'width' in data && 'height' in data) return { kind: 'array', text: `JPEG, ${String(data.width)}×${String(data.height)}`, version, isPicture: true };
    if ('dtype' in data && 'shape' in data && isShape(data.shape)) return { kind: 'array', text: `${String(data.dtype)} [${data.shape.join(', ')}]`, version, isPicture: isPictureShape(data.shape) };
  }
  return { kind: 'value', text: JSON.stringify(data) };
}

function isShape(shape: unknown): shape is number[] {
  return Array.isArray(shape) && shape.every((size) => typeof size === 'number');
}
