import { pictureChannels } from '../../../shared/ndarray.ts';

/** Return data as the API describes it, for display. `version` changes with the data. */
export type ReturnDescription =
  | { readonly kind: 'none' }
  | { readonly kind: 'value'; readonly text: string }
  /** `isImage`: the array can be shown as an image. */
  | { readonly kind: 'array'; readonly text: string; readonly version: number; readonly isImage: boolean };

/** Describes `returnData` of a client's status. */
export function describeReturnData(data: unknown): ReturnDescription {
  if (data === null || data === undefined) return { kind: 'none' };
  if (typeof data === 'object' && 'version' in data && typeof data.version === 'number') {
    const { version } = data;
    if ('jpeg' in data && 'width' in data && 'height' in data) {
      return { kind: 'array', text: `JPEG, ${String(data.width)}×${String(data.height)}`, version, isImage: true };
    }
    if ('dtype' in data && 'shape' in data && isShape(data.shape)) {
      const text = `${String(data.dtype)} [${data.shape.join(', ')}]`;
      return { kind: 'array', text, version, isImage: pictureChannels(data.shape) !== null };
    }
  }
  return { kind: 'value', text: JSON.stringify(data) };
}

function isShape(shape: unknown): shape is number[] {
  return Array.isArray(shape) && shape.every((size) => typeof size === 'number');
}
