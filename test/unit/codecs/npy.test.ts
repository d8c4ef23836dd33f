import { describe, expect, it } from 'vitest';
import { encodeNpy, isNpy, MAX_NPY_HEAD_BYTES, readNpy } from '../../../gateway/codecs/npy.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** A hand-written file: magic, version, length of the header, header, samples. */
function file(
  header: string,
  data: readonly number[] = [],
  version: readonly [number, number] = [1, 0],
  announced = header.length,
): Buffer {
  const length =
    version[0] === 1
      ? [announced & 0xff, announced >> 8]
      : [announced & 0xff, (announced >> 8) & 0xff, (announced >> 16) & 0xff, announced >>> 24];
  return Buffer.concat([
    Buffer.from('934e554d5059', 'hex'),
    Buffer.from([...version, ...length]),
    Buffer.from(header, 'latin1'),
    Buffer.from(data),
  ]);
}

/** `numpy.save` of `numpy.array([[1, 2], [3, 500]], numpy.uint16)`, by NumPy 2.4. */
const BY_NUMPY = Buffer.concat([
  Buffer.from('934e554d50590100 7600'.replace(' ', ''), 'hex'),
  Buffer.from(`{'descr': '<u2', 'fortran_order': False, 'shape': (2, 2), }${' '.repeat(58)}\n`, 'latin1'),
  Buffer.from('010002000300f401', 'hex'),
]);

describe('readNpy', () => {
  it("reads NumPy's files without copying the samples", () => {
    const { dtype, shape, data } = readNpy(BY_NUMPY);
    expect({ dtype, shape, data: [...data] }).toEqual({
      dtype: 'uint16',
      shape: [2, 2],
      data: [1, 0, 2, 0, 3, 0, 0xf4, 1],
    });
    expect(BY_NUMPY.byteLength).toBe(128 + 8);
    expect(data.buffer).toBe(BY_NUMPY.buffer);
    expect(data.byteOffset).toBe(BY_NUMPY.byteOffset + 128);
  });

  it.each([[[1, 0]], [[2, 0]], [[3, 0]]] as const)('reads version %j', (version) => {
    expect(
      readNpy(file("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }\n", [7, 8], version)),
    ).toMatchObject({ dtype: 'uint8', shape: [1, 2], data: Buffer.of(7, 8) });
  });

  it.each([
    ['|b1', 'bool'],
    ['|u1', 'uint8'],
    ['|i1', 'int8'],
    ['<u2', 'uint16'],
    ['<i2', 'int16'],
    ['<f2', 'float16'],
    ['<u4', 'uint32'],
    ['<i4', 'int32'],
    ['<f4', 'float32'],
    ['<u8', 'uint64'],
    ['<i8', 'int64'],
    ['<f8', 'float64'],
    // As NetGear writes it, too; the caller checks whether it is usable.
    ['>u2', '>u2'],
    ['<c8', '<c8'],
    ['|O', '|O'],
    ['', ''],
    ['constructor', 'constructor'],
  ])('reads the type %j as %j', (descr, dtype) => {
    expect(readNpy(file(`{'descr': '${descr}', 'fortran_order': False, 'shape': (1, 1), }\n`)).dtype).toBe(dtype);
  });

  it.each([
    ['()', []],
    ['(5,)', [5]],
    ['(4, 5)', [4, 5]],
    ['( 4,5 , )', [4, 5]],
    ['(480, 640, 3)', [480, 640, 3]],
  ])('reads the shape %s', (text, shape) => {
    expect(readNpy(file(`{'descr': '|u1', 'fortran_order': False, 'shape': ${text}, }\n`)).shape).toEqual(shape);
  });

  it.each([
    "{'shape': (1, 2), 'fortran_order': False, 'descr': '|u1'}",
    '{"descr": "|u1", "fortran_order": False, "shape": (1, 2)}   \n',
    " {'descr':'|u1','fortran_order':False,'shape':(1,2),}",
  ])('reads the header %s', (header) => {
    expect(readNpy(file(header))).toMatchObject({ dtype: 'uint8', shape: [1, 2] });
  });

  it.each([
    '',
    '{}',
    'descr',
    "{'descr': '|u1', 'fortran_order': False}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), 'more': 'x'}",
    "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1, 2)}",
    "{'descr': '|u1', 'fortran_order': 'False', 'shape': (1, 2)}",
    "{'descr': '|u1', 'fortran_order': 0, 'shape': (1, 2)}",
    "{'descr': False, 'fortran_order': False, 'shape': (1, 2)}",
    "{'descr': [('r', '|u1')], 'fortran_order': False, 'shape': (1, 2)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (5)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1,, 2)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': [1, 2]}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': '1, 2'}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2)} x",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2)",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), , }",
    "{'descr': '|u1' 'fortran_order': False, 'shape': (1, 2)}",
    "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1000000000000000)}",
  ])('refuses the header %s', (header) => {
    expect(() => readNpy(file(header, [0, 0]))).toThrow(coded('npy-invalid'));
  });

  it('refuses truncated headers of every length', () => {
    for (let length = 0; length < 128; length += 1)
      expect(() => readNpy(BY_NUMPY.subarray(0, length)), `${length} bytes`).toThrow(coded('npy-invalid'));
    expect(readNpy(BY_NUMPY.subarray(0, 128)).data.byteLength).toBe(0);
  });

  it.each([[[0, 0]], [[1, 1]], [[4, 0]]] as const)('refuses version %j', (version) => {
    expect(() =>
      readNpy(file("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }\n", [7, 8], version)),
    ).toThrow(coded('npy-invalid'));
  });

  it('accepts a header of 10000 bytes, and refuses a longer one', () => {
    const padded = (length: number): Buffer =>
      file("{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2), }".padEnd(length), [7, 8], [2, 0]);
    const longest = padded(10_000);
    expect(readNpy(longest).shape).toEqual([1, 2]);
    expect(longest.byteLength).toBe(MAX_NPY_HEAD_BYTES + 2);
    expect(() => readNpy(padded(10_001))).toThrow(coded('npy-invalid'));
    expect(() => readNpy(file('', [], [3, 0], 2 ** 32 - 1))).toThrow(coded('npy-invalid'));
  });
});

describe('isNpy', () => {
  it('checks the first six bytes', () => {
    expect(isNpy(BY_NUMPY)).toBe(true);
    expect(isNpy(BY_NUMPY.subarray(0, 6))).toBe(true);
    for (const bytes of [
      Buffer.alloc(0),
      BY_NUMPY.subarray(0, 5),
      BY_NUMPY.subarray(1),
      Buffer.from('\xff\xd8\xff\xe0', 'latin1'),
    ])
      expect(isNpy(bytes)).toBe(false);
  });
});

describe('encodeNpy', () => {
  it('writes the same bytes as NumPy', () => {
    expect(Buffer.compare(encodeNpy(readNpy(BY_NUMPY)), BY_NUMPY)).toBe(0);
  });

  it.each([
    ['>f4', [1, 1], '>f4', '(1, 1)', 4],
    ['bool', [2], '|b1', '(2,)', 2],
    ['int64', [1, 1, 1], '<i8', '(1, 1, 1)', 8],
  ])('writes %s %j', (dtype, shape, descr, tuple, bytes) => {
    const npy = encodeNpy({ dtype, shape, data: new Uint8Array(bytes).fill(7) });
    expect(Buffer.from(npy).toString('latin1', 10, 128).trimEnd()).toBe(
      `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`,
    );
    expect([npy.byteLength, npy[127], ...npy.subarray(128)]).toEqual([
      128 + bytes,
      10,
      ...Array.from({ length: bytes }, () => 7),
    ]);
    expect(readNpy(npy)).toMatchObject({ dtype, shape });
  });

  it('refuses a type that NetGear does not send', () => {
    expect(() => encodeNpy({ dtype: 'complex64', shape: [1], data: new Uint8Array(8) })).toThrow(
      coded('dtype-unknown'),
    );
  });
});
