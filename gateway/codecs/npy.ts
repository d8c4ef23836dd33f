import { GearwayError } from '../../shared/errors.ts';
import { canonicalDtype, type NDArray, parseDtype } from '../../shared/ndarray.ts';

const MAGIC = Buffer.from('\x93NUMPY', 'latin1');

/** Maximum size of a header, as NumPy's default (`max_header_size`). */
const MAX_HEADER_BYTES = 10_000;

/** Maximum number of bytes before the samples. */
export const MAX_NPY_HEAD_BYTES = MAGIC.byteLength + 6 + MAX_HEADER_BYTES;

/**
 * `'key': value` of the header's dict: a string, a boolean, or a tuple of sizes. Structured types have a list, which is
 * not supported.
 */
const ENTRY = /\s*(['"])(\w+)\1\s*:\s*(?:(['"])([^'"\\]*)\3|(True|False)|\(([\d\s,]*)\))\s*/y;

/** Whether bytes begin like an array from `numpy.save`. */
export function isNpy(bytes: Uint8Array): boolean {
  return bytes.byteLength >= MAGIC.byteLength && MAGIC.equals(bytes.subarray(0, MAGIC.byteLength));
}

/**
 * Reads an array in the format of `numpy.save` (NumPy's NEP 1, versions 1.0 to 3.0). The samples are a view; the caller
 * has to check that their number matches dtype and shape.
 *
 * @throws {GearwayError} `npy-invalid`.
 */
export function readNpy(bytes: Uint8Array): NDArray {
  if (!isNpy(bytes)) throw invalid('does not begin with \\x93NUMPY');
  const [major = 0, minor = 0] = bytes.subarray(MAGIC.byteLength);
  if (major < 1 || major > 3 || minor !== 0) throw invalid(`has version ${major}.${minor}, expected 1.0, 2.0 or 3.0`);
  const lengthBytes = major === 1 ? 2 : 4;
  const start = MAGIC.byteLength + 2 + lengthBytes;
  if (bytes.byteLength < start) throw invalid(`is ${bytes.byteLength} bytes, too few for a header`);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = buffer.readUIntLE(MAGIC.byteLength + 2, lengthBytes);
  if (length > MAX_HEADER_BYTES) throw invalid(`has a header of ${length} bytes, expected at most ${MAX_HEADER_BYTES}`);
  const end = start + length;
  if (bytes.byteLength < end) throw invalid(`is ${bytes.byteLength} bytes, its header alone announces ${end}`);
  const { descr, shape } = parseHeader(buffer.toString('latin1', start, end));
  return { dtype: canonicalDtype(descr), shape, data: bytes.subarray(end) };
}

function parseHeader(text: string): { readonly descr: string; readonly shape: readonly number[] } {
  const refuse = (): GearwayError =>
    invalid(
      `has the header ${JSON.stringify(text.trim().slice(0, 200))}, expected {'descr': '<u2', 'fortran_order': False, 'shape': (480, 640)}`,
    );
  const fields = new Map<string, string | boolean | readonly number[]>();
  let at = text.indexOf('{') + 1;
  if (text.slice(0, at).trim() !== '{') throw refuse();
  for (;;) {
    ENTRY.lastIndex = at;
    const match = ENTRY.exec(text);
    if (match === null) break;
    const [, , key = '', , string, flag, tuple] = match;
    if (fields.has(key)) throw refuse();
    fields.set(key, string ?? (tuple === undefined ? flag === 'True' : parseTuple(tuple, refuse)));
    at = ENTRY.lastIndex;
    if (text[at] !== ',') break;
    at += 1;
  }
  const [descr, order, shape] = [fields.get('descr'), fields.get('fortran_order'), fields.get('shape')];
  if (
    text.slice(at).trim() !== '}' ||
    fields.size !== 3 ||
    typeof descr !== 'string' ||
    typeof order !== 'boolean' ||
    typeof shape !== 'object'
  )
    throw refuse();
  if (order) throw invalid('is in Fortran order, expected C order: numpy.ascontiguousarray(array) before saving it');
  return { descr, shape };
}

/** Parses the text between the parentheses of a tuple: `(480, 640)`, `(5,)`, `()`. */
function parseTuple(text: string, refuse: () => GearwayError): readonly number[] {
  if (text.trim() === '') return [];
  const items = text
    .trim()
    .replace(/,$/, '')
    .split(',')
    .map((item) => item.trim());
  // `(5)` is a number in Python, not a tuple.
  if (!text.includes(',') || !items.every((item) => /^\d{1,15}$/.test(item))) throw refuse();
  return items.map(Number);
}

function invalid(what: string): GearwayError {
  return new GearwayError('npy-invalid', `the .npy ${what}`);
}

const CODES = { bool: 'b', uint: 'u', int: 'i', float: 'f' } as const;

/** Alignment of the samples in a file, by NumPy's NEP 1. */
const ALIGNMENT = 64;

/**
 * Encodes an array in the format of `numpy.save`, version 1.0. The samples are copied.
 *
 * @throws {GearwayError} `dtype-unknown`.
 */
export function encodeNpy({ dtype, shape, data }: NDArray): Uint8Array {
  const type = parseDtype(dtype);
  if (type === undefined)
    throw new GearwayError('dtype-unknown', `dtype is ${JSON.stringify(dtype)}, expected a type of real numbers`);
  const order = type.bytes === 1 ? '|' : type.isBigEndian ? '>' : '<';
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '${order}${CODES[type.kind]}${type.bytes}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const start = MAGIC.byteLength + 4;
  const length = Math.ceil((start + header.length + 1) / ALIGNMENT) * ALIGNMENT - start;
  const file = Buffer.alloc(start + length + data.byteLength, ' ');
  MAGIC.copy(file);
  file.set([1, 0, length & 0xff, length >> 8], MAGIC.byteLength);
  file.write(header, start, 'latin1');
  file.write('\n', start + length - 1, 'latin1');
  file.set(data, start + length);
  return file;
}
