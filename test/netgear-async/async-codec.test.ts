import { describe, expect, it } from 'vitest';
import { decodeAsyncMessage, encodeAsyncReturn, encodeAsyncTerminated } from '../../gateway/netgear-async/async-codec.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

// As msgpack 1.1.2 and msgpack_numpy 0.4.8 write them.
/** `packb({"terminate": False, "bi_mode": True, "data": {"n": 1}})` */
const HEADER = hex('83 a9 7465726d696e617465 c2 a7 62695f6d6f6465 c3 a4 64617461 81 a1 6e 01');
/** `packb({"terminate": True})` */
const TERMINATION = hex('81 a9 7465726d696e617465 c3');
/** `packb(np.array([[[1, 2, 3]]], dtype=np.uint8), default=msgpack_numpy.encode)` */
const ARRAY = hex('85 c4026e64 c3 c40474797065 a37c7531 c4046b696e64 c400 c4057368617065 93 01 01 03 c40464617461 c403 010203');

describe('decodeAsyncMessage', () => {
  it('reads a frame with its data', () => {
    expect(decodeAsyncMessage([HEADER, ARRAY])).toEqual({ kind: 'frame', message: { n: 1 }, bidirectional: true, array: { dtype: 'uint8', shape: [1, 1, 3], data: Buffer.of(1, 2, 3) } });
  });

  it('reads a termination', () => {
    expect(decodeAsyncMessage([TERMINATION])).toEqual({ kind: 'termination' });
  });

  it('reads nothing of a message that is cut short', () => {
    for (let end = 0; end < HEADER.byteLength; end += 1) expect(() => decodeAsyncMessage([HEADER.subarray(0, end), ARRAY]), `header, ${end} bytes`).toThrow(coded('header-invalid'));
    for (let end = 0; end < ARRAY.byteLength; end += 1) expect(() => decodeAsyncMessage([HEADER, ARRAY.subarray(0, end)]), `frame, ${end} bytes`).toThrow(coded('array-invalid'));
  });

  it.each<[string, Uint8Array[], string]>([
    ['nothing', [], 'parts-invalid'],
    ['a header alone', [HEADER], 'parts-invalid'],
    ['three parts', [HEADER, ARRAY, ARRAY], 'parts-invalid'],
    ['a header that is no map', [hex('01'), ARRAY], 'header-invalid'],
    ['a header that is too long', [Buffer.alloc((1 << 20) + 1), ARRAY], 'header-invalid'],
    ['a frame that is no array', [HEADER, HEADER], 'array-invalid'],
    ['bytes for data', [hex('82 a9 7465726d696e617465 c2 a4 64617461 c401ff'), ARRAY], 'value-invalid'],
  ])('refuses %s', (_name, parts, code) => {
    expect(() => decodeAsyncMessage(parts)).toThrow(coded(code));
  });
});

describe('the answers', () => {
  it('are what a server unpacks', () => {
    expect(encodeAsyncReturn(null).toString()).toBe(hex('82 ab 72657475726e5f74797065 a8 4e6f6e6554797065 ab 72657475726e5f64617461 a0').toJSON().data.toString());
    expect([...encodeAsyncReturn({ '6001': 1 })]).toEqual([...hex('82 ab 72657475726e5f74797065 a4 64696374 ab 72657475726e5f64617461 81 a4 36303031 01')]);
    expect(Buffer.from(encodeAsyncTerminated()).toString('latin1')).toContain('terminated');
  });
});
