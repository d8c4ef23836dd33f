import { errorText, GearwayError } from '../../shared/errors.ts';
import { checkNDArray } from '../../shared/ndarray.ts';
import { parsePythonJson } from '../codecs/python-json.ts';
import { NOTHING, type ReturnData } from '../hub/returns/return-data.ts';
import { checkControlItems, type ControlItem } from './control-wire.ts';

/** A change of a port's return data, to be sent to the owner of the stream. */
export type ReturnItem =
  | { readonly kind: 'join' | 'leave' | 'discard'; readonly port: number }
  | { readonly kind: 'extend'; readonly port: number; readonly ttlMs?: number }
  | { readonly kind: 'set' | 'once'; readonly port: number; readonly data: ReturnData; readonly ttlMs?: number };

/** Message of a gateway to the owner of a stream; in order and acknowledged. */
export interface Batch {
  /** Whether the gateway needs the pictures of the frames, and not only their heads. */
  readonly needsPictures: boolean;
  /** Sequence of the newest frame, or head, that the gateway has received from this owner. */
  readonly newestFrame: number;
  /** Whether the session ends. */
  readonly isLast: boolean;
  /** For a stream with exclusive control; processed before the return data. */
  readonly control: readonly ControlItem[];
  readonly items: readonly ReturnItem[];
}

/** The JSON of an item; binary data follows all items, in order. */
interface ItemHead {
  readonly kind: ReturnItem['kind'];
  readonly port: number;
  readonly ttlMs?: number;
  readonly data?:
    | { readonly kind: 'value'; readonly json: string }
    | { readonly kind: 'array'; readonly dtype: string; readonly shape: readonly number[]; readonly bytes: number }
    | { readonly kind: 'jpeg'; readonly colorspace: string; readonly bytes: number };
}

const LENGTH_BYTES = 4;

/** Maximum number of items of a batch. A gateway needs fewer: it has at most 65,535 clients per stream. */
const MAX_ITEMS = 1 << 18;

/** Maximum time to live, as in the protocol of viewers. */
const MAX_TTL_MS = 86_400_000;

export function encodeBatch({ items, ...batch }: Batch): Uint8Array {
  const binary: Uint8Array[] = [];
  const heads = items.map((item): ItemHead => {
    if (!('data' in item)) return item;
    const { data, ...rest } = item;
    if (data.kind === 'value') return { ...rest, data: { kind: 'value', json: data.json } };
    const bytes = data.kind === 'jpeg' ? data.data : data.array.data;
    binary.push(bytes);
    if (data.kind === 'jpeg')
      return { ...rest, data: { kind: 'jpeg', colorspace: data.colorspace, bytes: bytes.byteLength } };
    return {
      ...rest,
      data: { kind: 'array', dtype: data.array.dtype, shape: data.array.shape, bytes: bytes.byteLength },
    };
  });
  const json = Buffer.from(JSON.stringify({ ...batch, items: heads }));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(json.byteLength);
  return Buffer.concat([length, json, ...binary]);
}

/** @throws {GearwayError} `batch-invalid`. */
export function decodeBatch(bytes: Uint8Array): Batch {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const end = LENGTH_BYTES + buffer.readUInt32BE();
    const { items, ...batch } = JSON.parse(buffer.toString('utf8', LENGTH_BYTES, end)) as Omit<Batch, 'items'> & {
      readonly items: readonly ItemHead[];
    };
    if (typeof batch.needsPictures !== 'boolean') throw new TypeError('needsPictures is not a boolean');
    if (!Number.isInteger(batch.newestFrame)) throw new TypeError('the number of the newest frame is missing');
    if (!Array.isArray(items) || items.length > MAX_ITEMS)
      throw new TypeError(`the items are not a list of at most ${MAX_ITEMS}`);
    let at = end;
    const take = (length: number): Uint8Array => {
      if (!Number.isInteger(length) || length < 0 || at + length > buffer.byteLength)
        throw new RangeError(`${length} bytes are announced, ${buffer.byteLength - at} are left`);
      at += length;
      // Copied, because the values are kept and the batch is not.
      return Uint8Array.from(buffer.subarray(at - length, at));
    };
    const decoded = items.map((head) => decodeItem(head, take));
    if (at !== buffer.byteLength) throw new RangeError(`${buffer.byteLength - at} bytes are left over`);
    return { ...batch, control: checkControlItems(batch.control), items: decoded };
  } catch (error) {
    throw new GearwayError('batch-invalid', `return data from another gateway is malformed: ${errorText(error)}`, {
      cause: error,
    });
  }
}

function decodeItem({ data, ...rest }: ItemHead, take: (length: number) => Uint8Array): ReturnItem {
  const { kind, port, ttlMs = 0 } = rest;
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new RangeError(`port is ${port}, expected 1 to 65535`);
  if (typeof ttlMs !== 'number' || !(ttlMs >= 0 && ttlMs <= MAX_TTL_MS))
    throw new RangeError(`ttlMs is ${ttlMs}, expected 0 to ${MAX_TTL_MS}`);
  switch (kind) {
    case 'join':
    case 'leave':
    case 'discard':
      return { kind, port };
    case 'extend':
      return { ...rest, kind };
    case 'set':
    case 'once':
      return { ...rest, kind, data: decodeData(data, take) };
    default:
      throw new TypeError(`an item has the unknown kind ${String(kind satisfies never)}`);
  }
}

function decodeData(data: ItemHead['data'], take: (length: number) => Uint8Array): ReturnData {
  if (data === undefined) return NOTHING;
  switch (data.kind) {
    case 'value':
      return { kind: 'value', json: data.json, value: parsePythonJson(data.json) };
    case 'array': {
      const array = { dtype: data.dtype, shape: data.shape, data: take(data.bytes) };
      checkNDArray(array);
      return { kind: 'array', array };
    }
    case 'jpeg':
      if (typeof data.colorspace !== 'string') throw new TypeError('the colour space is missing');
      return { kind: 'jpeg', colorspace: data.colorspace, data: take(data.bytes) };
    default:
      throw new TypeError(
        `data has the unknown kind ${String((data satisfies never as { readonly kind: unknown }).kind)}`,
      );
  }
}
