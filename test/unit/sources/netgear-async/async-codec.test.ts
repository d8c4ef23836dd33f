import { describe, expect, it } from 'vitest';
import {
  decodeAsyncMessage,
  encodeAsyncArray,
  encodeAsyncPorts,
  encodeAsyncReturn,
  encodeAsyncTerminated,
} from '../../../../gateway/sources/netgear-async/async-codec.ts';
import { encodePorts } from '../../../../gateway/sources/netgear/encode-ports.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

// Messages as written by msgpack 1.1.2 and msgpack_numpy 0.4.8.
/** `packb({"terminate": False, "bi_mode": True, "data": {"n": 1}})` */
const HEADER = hex('83 a9 7465726d696e617465 c2 a7 62695f6d6f6465 c3 a4 64617461 81 a1 6e 01');
/** `packb({"terminate": True})` */
const TERMINATION = hex('81 a9 7465726d696e617465 c3');
/** `packb(np.array([[[1, 2, 3]]], dtype=np.uint8), default=msgpack_numpy.encode)` */
const ARRAY = hex(
  '85 c4026e64 c3 c40474797065 a37c7531 c4046b696e64 c400 c4057368617065 93 01 01 03 c40464617461 c403 010203',
);

describe('decodeAsyncMessage', () => {
  it('reads a frame with its data', () => {
    expect(decodeAsyncMessage([HEADER, ARRAY])).toEqual({
      kind: 'frame',
      message: { n: 1 },
      messageJson: '{"n": 1}',
      bidirectional: true,
      array: { dtype: 'uint8', shape: [1, 1, 3], data: Buffer.of(1, 2, 3) },
    });
  });

  it('distinguishes floats from integers, and treats an empty text as no data', () => {
    const header = (data: string): Buffer =>
      hex(`83 a9 7465726d696e617465 c2 a7 62695f6d6f6465 c2 a4 64617461 ${data}`);
    // `{"x": 2.0, "n": 2, "big": 2**63}`
    const numbers = decodeAsyncMessage([
      header('83 a178 cb4000000000000000 a16e 02 a3626967 cf8000000000000000'),
      ARRAY,
    ]);
    expect(numbers).toMatchObject({
      messageJson: '{"x": 2.0, "n": 2, "big": 9223372036854775808}',
      message: { x: 2, n: 2, big: 2n ** 63n },
      bidirectional: false,
    });
    expect(decodeAsyncMessage([header('a0'), ARRAY])).toMatchObject({ message: null, messageJson: 'null' });
    expect(decodeAsyncMessage([header('c2'), ARRAY])).toMatchObject({ message: false });
    expect(decodeAsyncMessage([header('81 a9 5f5f70726f746f5f5f 01'), ARRAY])).toMatchObject({
      messageJson: '{"__proto__": 1}',
    });
  });

  it('reads a termination', () => {
    expect(decodeAsyncMessage([TERMINATION])).toEqual({ kind: 'termination' });
  });

  it('refuses a truncated message', () => {
    for (let end = 0; end < HEADER.byteLength; end += 1)
      expect(() => decodeAsyncMessage([HEADER.subarray(0, end), ARRAY]), `header, ${end} bytes`).toThrow(
        coded('header-invalid'),
      );
    for (let end = 0; end < ARRAY.byteLength; end += 1)
      expect(() => decodeAsyncMessage([HEADER, ARRAY.subarray(0, end)]), `frame, ${end} bytes`).toThrow(
        coded('array-invalid'),
      );
  });

  it.each<[string, Uint8Array[], string]>([
    ['nothing', [], 'parts-invalid'],
    ['a header without a frame', [HEADER], 'parts-invalid'],
    ['three parts', [HEADER, ARRAY, ARRAY], 'parts-invalid'],
    ['a header that is not a map', [hex('01'), ARRAY], 'header-invalid'],
    ['a header that is too long', [Buffer.alloc((1 << 20) + 1), ARRAY], 'header-invalid'],
    ['a frame that is not an array', [HEADER, HEADER], 'array-invalid'],
    ['a header without `terminate`', [hex('81 a4 64617461 a0'), ARRAY], 'header-invalid'],
    // `np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f4")])`, and one of Python objects.
    [
      'an array of records',
      [
        HEADER,
        hex(
          '85 c4026e64c3 c40474797065 92 92 a161 a33c6934 92 a162 a33c6634 c4046b696e64 c40156 c4057368617065 91 01 c40464617461 c408 0100000000000040',
        ),
      ],
      'array-invalid',
    ],
    [
      'an array of objects',
      [
        HEADER,
        hex(
          '85 c4026e64c3 c40474797065 91 92 a0 a27c4f c4046b696e64 c4014f c4057368617065 91 01 c40464617461 c4028004',
        ),
      ],
      'array-invalid',
    ],
    [
      'an array with too few samples',
      [
        HEADER,
        hex('85 c4026e64c3 c40474797065 a37c7531 c4046b696e64 c400 c4057368617065 93 01 01 03 c40464617461 c402 0102'),
      ],
      'array-misfit',
    ],
    [
      'a shape with a text',
      [
        HEADER,
        hex('85 c4026e64c3 c40474797065 a37c7531 c4046b696e64 c400 c4057368617065 91 a131 c40464617461 c401 01'),
      ],
      'shape-invalid',
    ],
    ['bytes as data', [hex('82 a9 7465726d696e617465 c2 a4 64617461 c401ff'), ARRAY], 'value-invalid'],
  ])('refuses %s', (_name, parts, code) => {
    expect(() => decodeAsyncMessage(parts)).toThrow(coded(code));
  });
});

describe('the answers', () => {
  it('can be unpacked by a server', () => {
    expect(encodeAsyncReturn('null')).toEqual([
      hex('82 ab 72657475726e5f74797065 a8 4e6f6e6554797065 ab 72657475726e5f64617461 a0'),
    ]);
    // `{"return_type": "dict", "return_data": {"6001": {"x": 2.0, "n": 2}}}`
    expect(encodeAsyncReturn('{"6001": {"x": 2.0, "n": 2}}')).toEqual([
      hex(
        '82 ab 72657475726e5f74797065 a4 64696374 ab 72657475726e5f64617461 81 a4 36303031 82 a178 cb4000000000000000 a16e 02',
      ),
    ]);
    const jpeg = Buffer.from('ffd8ffd9', 'hex');
    const all = [
      { port: 6001, data: { kind: 'value', value: null, json: '{"x": 2.0}' } },
      { port: 6002, data: { kind: 'array', array: { dtype: 'uint8', shape: [2], data: jpeg.subarray(0, 2) } } },
      { port: 6003, data: { kind: 'jpeg', data: jpeg, colorspace: 'BGR' } },
    ] as const;
    // The same bytes as in the JSON for a NetGear server.
    expect(encodeAsyncPorts(all)).toEqual(encodeAsyncReturn(Buffer.concat(encodePorts(all)).toString()));
    expect(Buffer.from(encodeAsyncTerminated()).toString('latin1')).toContain('terminated');
  });

  it.each([
    ['true', 'bool'],
    ['7', 'int'],
    ['18446744073709551616', 'int'],
    ['7.0', 'float'],
    ['NaN', 'float'],
    ['"a"', 'str'],
    ['[]', 'list'],
    ['{}', 'dict'],
    ['null', 'NoneType'],
  ])('contain the type of %s', (json, type) => {
    expect(Buffer.concat(encodeAsyncReturn(json)).toString('latin1')).toContain(
      `return_type${String.fromCharCode(0xa0 + type.length)}${type}`,
    );
  });

  it('contain an array in the format of msgpack_numpy', () => {
    // `packb({"return_type": "ndarray", "return_data": None})`, `packb(np.array([[0.5, 1.5]], np.float32),
    // default=msgpack_numpy.encode)`.
    expect(encodeAsyncArray({ dtype: '<f4', shape: [1, 2], data: hex('0000003f 0000c03f') })).toEqual([
      hex('82 ab72657475726e5f74797065 a7 6e646172726179 ab72657475726e5f64617461 c0'),
      hex(
        '85 c4026e64c3 c40474797065 a33c6634 c4046b696e64 c400 c4057368617065 92 01 02 c40464617461 c408 0000003f 0000c03f',
      ),
    ]);
  });
});
