import { describe, expect, it } from 'vitest';
import { DEFAULT_REPLY_LIMITS, decodeReply, encodeReply } from '../../../gateway/netgear/reply-codec.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const ARRAY =
  '{"port": "5567", "return_type": "ndarray", "compression": false, "array_dtype": "float32", "array_shape": [4, 5], "data": null}';
const JPEG =
  '{"port": "5567", "return_type": "ndarray", "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "array_dtype": "", "array_shape": "", "data": null}';

function decode(text: string, ...more: Uint8Array[]): ReturnType<typeof decodeReply> {
  return decodeReply([Buffer.from(text), ...more]);
}

describe('decodeReply', () => {
  it('keeps the text of a value as it was written', () => {
    expect(decode('{"port": "5567", "return_type": "float", "data": 2.0}')).toEqual({
      kind: 'value',
      json: '2.0',
      value: 2,
    });
    expect(decode('{"port": 5567, "return_type": "list", "data": [NaN,1.0]}')).toEqual({
      kind: 'value',
      json: '[NaN,1.0]',
      value: [NaN, 1],
    });
    expect(decode('{"return_type": "NoneType", "data": null}')).toEqual({ kind: 'value', json: 'null', value: null });
    expect(decode('{"data": "\\ud83d\\ude00", "future": 1}')).toEqual({
      kind: 'value',
      json: '"\\ud83d\\ude00"',
      value: '😀',
    });
  });

  it('reads arrays and JPEGs without copying them', () => {
    const data = new Uint8Array(80);
    const array = decode(ARRAY, data);
    expect(array).toEqual({ kind: 'array', array: { dtype: 'float32', shape: [4, 5], data } });
    const jpeg = decode(JPEG, data);
    expect(jpeg).toEqual({ kind: 'jpeg', data, colorspace: 'BGR' });
    expect(jpeg.kind === 'jpeg' && jpeg.data).toBe(data);
    expect(decode(JPEG.replace('BGR', 'GRAY'), data)).toMatchObject({ kind: 'jpeg', colorspace: 'GRAY' });
  });

  it('reads the replies of clients that return nothing', () => {
    expect(decode('Data received on device: 3UW5KQAN !')).toEqual({ kind: 'text' });
    expect(decode("Termination signal successfully received at Client's end!")).toEqual({ kind: 'termination' });
    expect(decode('Termination signal successfully received at client!')).toEqual({ kind: 'termination' });
  });

  it.each([
    '',
    'ok',
    'Data received on device: 3UW5KQAN !\n',
    'Data received on device:  !',
    "Termination signal successfully received at Client's end!!",
  ])('rejects the text %j', (text) => {
    expect(() => decode(text)).toThrow(coded('header-invalid'));
  });

  it('rejects zero parts, three parts, and parts that do not match', () => {
    const bytes = new Uint8Array(80);
    expect(() => decodeReply([])).toThrow(coded('parts-unexpected'));
    expect(() => decode(ARRAY, bytes, bytes)).toThrow(coded('parts-unexpected'));
    expect(() => decode(ARRAY)).toThrow(coded('parts-unexpected'));
    expect(() => decode('Data received on device: 3UW5KQAN !', bytes)).toThrow(coded('parts-unexpected'));
    expect(() => decode('{"return_type": "int", "data": 7}', bytes)).toThrow(coded('header-invalid'));
  });

  it('rejects JSON that is not return data', () => {
    expect(() => decode('{"port": "5567"}')).toThrow(coded('header-invalid'));
    expect(() => decode('{}')).toThrow(coded('header-invalid'));
    expect(() => decode('{"data": 1')).toThrow(coded('json-invalid'));
    expect(() => decode('{"data": 1}}')).toThrow(coded('json-invalid'));
  });

  it('rejects replies that would crash a Python server', () => {
    expect(decode(`{"data": ${'9'.repeat(4300)}}`)).toMatchObject({ kind: 'value' });
    expect(() => decode(`{"data": ${'9'.repeat(4301)}}`)).toThrow(coded('integer-too-long'));
    expect(() => decode(`{"data": -${'9'.repeat(4301)}}`)).toThrow(coded('integer-too-long'));
    expect(decode(`{"data": ${'['.repeat(63)}${']'.repeat(63)}}`)).toMatchObject({ kind: 'value' });
    expect(() => decode(`{"data": ${'['.repeat(64)}${']'.repeat(64)}}`)).toThrow(coded('json-too-deep'));
    expect(() => decode(`{"data": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).toThrow(coded('json-too-deep'));
  });

  it.each(['true', 'null', '[]', '{}', '{"colorspace": "YUV"}', '{"colorspace": ["BGR"]}', '{"colorspace": null}'])(
    'rejects a JPEG of compression %s',
    (compression) => {
      expect(() =>
        decode(JPEG.replace('{"dct": true, "ups": false, "colorspace": "BGR"}', compression), new Uint8Array(80)),
      ).toThrow(coded('header-invalid'));
    },
  );

  it('rejects an array whose bytes do not fit', () => {
    expect(() => decode(ARRAY, new Uint8Array(79))).toThrow(coded('array-misfit'));
    expect(() => decode(ARRAY, new Uint8Array(81))).toThrow(coded('array-misfit'));
    expect(() => decode(ARRAY.replace('float32', 'float31'), new Uint8Array(80))).toThrow(coded('dtype-unknown'));
    expect(() => decode(ARRAY.replace('"float32"', 'null'), new Uint8Array(80))).toThrow(coded('header-invalid'));
    expect(() => decode(ARRAY.replace('[4, 5]', '20'), new Uint8Array(80))).toThrow(coded('header-invalid'));
    expect(() => decode(ARRAY.replace('[4, 5]', '[-4, -5]'), new Uint8Array(80))).toThrow(coded('shape-invalid'));
    expect(() => decode(ARRAY.replace('[4, 5]', '[4, "5"]'), new Uint8Array(80))).toThrow(coded('shape-invalid'));
  });

  it('accepts a reply at each limit, and rejects a reply beyond it', () => {
    const parts = [Buffer.from(ARRAY), new Uint8Array(80)];
    const limits = { headerBytes: ARRAY.length, payloadBytes: 80 };
    expect(decodeReply(parts, limits)).toMatchObject({ kind: 'array' });
    expect(() => decodeReply(parts, { ...limits, headerBytes: ARRAY.length - 1 })).toThrow(coded('too-large'));
    expect(() => decodeReply(parts, { ...limits, payloadBytes: 79 })).toThrow(coded('too-large'));
    expect(() => decode(`{"data": "${'a'.repeat(DEFAULT_REPLY_LIMITS.headerBytes)}"}`)).toThrow(coded('too-large'));
  });

  it('rejects bytes that are not UTF-8', () => {
    expect(() => decodeReply([Uint8Array.from([0x7b, 0xff])])).toThrow(coded('header-invalid'));
  });
});

describe('encodeReply', () => {
  it('writes an object from parts, only once for the same object', () => {
    const data = { kind: 'object', json: ['{"5567": ', 'null', '}'].map((text) => Buffer.from(text)) } as const;
    const [reply] = encodeReply('5555', data);
    expect(String(reply)).toBe('{"port": "5555", "return_type": "dict", "data": {"5567": null}}');
    expect(encodeReply('5555', data)[0]).toBe(reply);
    expect(String(encodeReply('5556', data)[0])).toBe(
      '{"port": "5556", "return_type": "dict", "data": {"5567": null}}',
    );
  });

  it('writes the format that servers of every mode read', () => {
    // The recorded reply of a client in multi-clients mode.
    expect(encodeReply('19160', { kind: 'value', json: '{"a": 1, "b": [1, 2]}' })).toEqual([
      '{"port": "19160", "return_type": "dict", "data": {"a": 1, "b": [1, 2]}}',
    ]);
  });

  it.each([
    ['{}', 'dict'],
    ['[]', 'list'],
    ['"1"', 'str'],
    ['true', 'bool'],
    ['false', 'bool'],
    ['null', 'NoneType'],
    ['0', 'int'],
    ['-7', 'int'],
    ['18446744073709551616', 'int'],
    ['2.0', 'float'],
    ['-0.0', 'float'],
    ['1e+16', 'float'],
    ['NaN', 'float'],
    ['Infinity', 'float'],
    ['-Infinity', 'float'],
  ])('returns the type of %s %s', (json, type) => {
    expect(encodeReply('5567', { kind: 'value', json })).toEqual([
      `{"port": "5567", "return_type": "${type}", "data": ${json}}`,
    ]);
  });

  it('appends the bytes of an array and of a JPEG without copying them', () => {
    const bytes = new Uint8Array(80);
    const array = encodeReply('5567', { kind: 'array', array: { dtype: 'float32', shape: [4, 5], data: bytes } });
    expect(array).toEqual([ARRAY, bytes]);
    expect(array[1]).toBe(bytes);
    expect(
      encodeReply('5567', { kind: 'array', array: { dtype: 'uint8', shape: [], data: new Uint8Array(1) } })[0],
    ).toBe(
      '{"port": "5567", "return_type": "ndarray", "compression": false, "array_dtype": "uint8", "array_shape": [], "data": null}',
    );
    const jpeg = encodeReply('5567', { kind: 'jpeg', data: bytes, colorspace: 'BGR' });
    expect(jpeg).toEqual([JPEG, bytes]);
    expect(jpeg[1]).toBe(bytes);
  });
});
