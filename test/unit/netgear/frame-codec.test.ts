import { describe, expect, it } from 'vitest';
import { FRAME_LIMITS, type FrameLimits } from '../../../shared/frame.ts';
import {
  decodeFrame,
  decodeUtf8,
  encodeFrameHeader,
  encodeTermination,
  type HeaderVariant,
  MULTISERVER_TERMINATION_REPLY,
  rewriteFrameHeader,
  TERMINATION_REPLY,
} from '../../../gateway/netgear/frame-codec.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const RAW =
  '{"terminate_flag": false, "compression": false, "message": null, "pattern": "1", "dtype": "uint8", "shape": [2, 3, 3]}';
const JPEG =
  '{"terminate_flag": false, "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "message": null, "pattern": "1", "dtype": "", "shape": ""}';

/** SOI, a start of frame with a size, EOI: the parts that are read without decoding. */
function jpegClaiming(width: number, height: number, components = 3): Uint8Array {
  return Uint8Array.from([
    0xff,
    0xd8,
    0xff,
    0xc0,
    0,
    17,
    8,
    height >> 8,
    height & 255,
    width >> 8,
    width & 255,
    components,
    1,
    0x21,
    0,
    2,
    0x11,
    1,
    3,
    0x11,
    1,
    0xff,
    0xd9,
  ]);
}

function decode(
  header: string,
  payload: Uint8Array = new Uint8Array(18),
  limits?: FrameLimits,
): ReturnType<typeof decodeFrame> {
  return decodeFrame([Buffer.from(header), payload], limits);
}

describe('decodeFrame', () => {
  it('reads a raw frame without copying it', () => {
    const payload = new Uint8Array(18);
    expect(decode(RAW, payload)).toEqual({
      kind: 'frame',
      width: 3,
      height: 2,
      encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 3, 3] },
      message: null,
      colorspace: null,
      orientation: 1,
      serverPort: null,
      payload,
      headerText: RAW,
    });
  });

  it('reads the size of a JPEG from the JPEG itself', () => {
    const payload = jpegClaiming(1280, 720);
    expect(decode(JPEG, payload)).toEqual({
      kind: 'frame',
      width: 1280,
      height: 720,
      encoding: { kind: 'jpeg' },
      message: null,
      colorspace: 'BGR',
      orientation: 1,
      serverPort: null,
      payload,
      headerText: JPEG,
    });
  });

  it.each(['RGB', 'BGR', 'RGBX', 'BGRX', 'XBGR', 'XRGB', 'GRAY', 'RGBA', 'BGRA', 'ABGR', 'ARGB', 'CMYK'])(
    'accepts the colour space %s',
    (name) => {
      expect(decode(JPEG.replace('BGR', name), jpegClaiming(8, 8, name === 'CMYK' ? 4 : 3))).toMatchObject({
        kind: 'frame',
        colorspace: name,
      });
    },
  );

  it('rejects four components that are not CMYK, and CMYK of three components', () => {
    expect(() => decode(JPEG, jpegClaiming(8, 8, 4))).toThrow(coded('jpeg-invalid'));
    expect(() => decode(JPEG.replace('BGR', 'CMYK'), jpegClaiming(8, 8, 3))).toThrow(coded('jpeg-invalid'));
  });

  it.each([
    ['"5567"', '5567'],
    ['5567', '5567'],
    ['9007199254740993', '9007199254740993'],
    ['null', null],
    ['["5567"]', null],
    ['{"toString": 1}', null],
  ])('reads the port %s of a server', (port, expected) => {
    expect(decode(RAW.replace('{', `{"port": ${port}, `))).toMatchObject({ serverPort: expected });
  });

  it('accepts a pattern as a number, and unknown fields', () => {
    expect(decode(RAW.replace('"1"', '2'))).toMatchObject({ kind: 'frame' });
    expect(decode(RAW.replace('{', '{"port": "5567", "future": [1], '))).toMatchObject({ kind: 'frame' });
  });

  it('reads big-endian samples', () => {
    expect(decode(RAW.replace('uint8', '>u2'), new Uint8Array(36))).toMatchObject({ encoding: { dtype: '>u2' } });
  });

  it('reads a termination with or without a port', () => {
    expect(decodeFrame([Buffer.from('{"terminate_flag": true}')])).toEqual({ kind: 'termination', serverPort: null });
    expect(decodeFrame([Buffer.from('{"terminate_flag": true, "port": "5567"}')])).toEqual({
      kind: 'termination',
      serverPort: '5567',
    });
    expect(decodeFrame([Buffer.from('{"terminate_flag": true, "port": 5567}')])).toEqual({
      kind: 'termination',
      serverPort: '5567',
    });
  });

  it('rejects zero parts, three parts, and a frame without payload', () => {
    const header = Buffer.from(RAW);
    expect(() => decodeFrame([])).toThrow(coded('parts-unexpected'));
    expect(() => decodeFrame([header])).toThrow(coded('parts-unexpected'));
    expect(() => decodeFrame([header, new Uint8Array(18), new Uint8Array()])).toThrow(coded('parts-unexpected'));
    expect(() => decodeFrame(Array.from({ length: 1_000_000 }, () => header))).toThrow(coded('parts-unexpected'));
  });

  it.each(['terminate_flag', 'compression', 'message', 'pattern', 'dtype', 'shape'])(
    'rejects a header without %s',
    (key) => {
      for (const header of [RAW, JPEG]) {
        expect(() => decode(header.replace(`"${key}"`, '"other"'), jpegClaiming(8, 8))).toThrow(
          coded('header-invalid'),
        );
      }
    },
  );

  it.each([
    ['a terminate_flag that is not a bool', RAW.replace('false', '0')],
    ['a pattern beyond 2', RAW.replace('"1"', '"3"')],
    ['a pattern that is not a number', RAW.replace('"1"', '"one"')],
    ['a pattern in a list, which int() does not accept', RAW.replace('"1"', '["1"]')],
    ['a pattern that cannot become text', RAW.replace('"1"', '{"toString": 1, "valueOf": 1}')],
    ['a dtype that is not a string', RAW.replace('"uint8"', '8')],
    ['a shape that is not a list', RAW.replace('[2, 3, 3]', '18')],
    ['a shape of one size', RAW.replace('[2, 3, 3]', '[18]')],
    ['a shape of four sizes', RAW.replace('[2, 3, 3]', '[1, 2, 3, 3]')],
    ['a shape with a zero', RAW.replace('[2, 3, 3]', '[0, 3, 3]')],
    ['a shape with a negative size', RAW.replace('[2, 3, 3]', '[-2, -3, 3]')],
    ['a shape with a float', RAW.replace('[2, 3, 3]', '[2.0, 3, 3]')],
    ['a shape with an exponent', RAW.replace('[2, 3, 3]', '[2, 3e0, 3]')],
    ['a shape with a large exponent', RAW.replace('[2, 3, 3]', '[2,3,3E+0]')],
    ['a second shape with a float', RAW.replace('}', ', "sh\\u0061pe": [2.0, 3, 3]}')],
    ['a shape with a fraction', RAW.replace('[2, 3, 3]', '[1.5, 4, 3]')],
    ['a shape beyond 2^53', RAW.replace('[2, 3, 3]', '[9007199254740993, 3]')],
    ['a compression that is null', RAW.replace('"compression": false', '"compression": null')],
    ['a compression that is true', RAW.replace('"compression": false', '"compression": true')],
    ['a compression that is a list', RAW.replace('"compression": false', '"compression": []')],
    ['a compression without dct', JPEG.replace('"dct"', '"other"')],
    ['a compression without ups', JPEG.replace('"ups"', '"other"')],
    ['a compression without colour space', JPEG.replace('"colorspace"', '"other"')],
    ['an unknown colour space', JPEG.replace('BGR', 'YUV')],
    ['a colour space in a list', JPEG.replace('"BGR"', '["BGR"]')],
    ['a colour space that cannot become text', JPEG.replace('"BGR"', '{"toString": 1, "valueOf": 1}')],
  ])('rejects %s', (_name, header) => {
    expect(() =>
      decode(header, header.startsWith(JPEG.slice(0, 50)) ? jpegClaiming(8, 8) : new Uint8Array(18)),
    ).toThrow(coded('header-invalid'));
  });

  it('rejects a dtype that NetGear does not have', () => {
    expect(() => decode(RAW.replace('uint8', 'object'))).toThrow(coded('dtype-unknown'));
    expect(() => decode(RAW.replace('uint8', ''))).toThrow(coded('dtype-unknown'));
  });

  it('rejects a payload one byte too short or too long', () => {
    expect(() => decode(RAW, new Uint8Array(17))).toThrow(coded('array-misfit'));
    expect(() => decode(RAW, new Uint8Array(19))).toThrow(coded('array-misfit'));
    expect(() => decode(RAW, new Uint8Array(0))).toThrow(coded('array-misfit'));
  });

  it('rejects data that is not a JPEG', () => {
    expect(() => decode(JPEG, Buffer.from('\u0089PNG\r\n\u001a\n', 'latin1'))).toThrow(coded('jpeg-invalid'));
    expect(() => decode(JPEG, new Uint8Array(0))).toThrow(coded('jpeg-invalid'));
  });

  it('rejects a header that is not UTF-8, not JSON, or not an object', () => {
    expect(() => decodeFrame([Uint8Array.from([0xff, 0xfe]), new Uint8Array(18)])).toThrow(coded('header-invalid'));
    expect(() => decode('hello')).toThrow(coded('json-invalid'));
    expect(() => decode(`[${RAW}]`)).toThrow(coded('json-invalid'));
    expect(() => decode(`${RAW} `.repeat(2))).toThrow(coded('json-invalid'));
    expect(() => decode(RAW.replace('null', `${'['.repeat(100_000)}${']'.repeat(100_000)}`))).toThrow(
      coded('json-too-deep'),
    );
    expect(() => decode(RAW.replace('null', '9'.repeat(4301)))).toThrow(coded('integer-too-long'));
  });

  it('accepts a frame at each limit, and rejects a frame beyond it', () => {
    const limits: FrameLimits = { headerBytes: RAW.length, payloadBytes: 18, side: 3, pixels: 6 };
    expect(decode(RAW, new Uint8Array(18), limits)).toMatchObject({ kind: 'frame' });
    expect(() => decode(RAW, new Uint8Array(18), { ...limits, headerBytes: RAW.length - 1 })).toThrow(
      coded('too-large'),
    );
    expect(() => decode(RAW, new Uint8Array(18), { ...limits, payloadBytes: 17 })).toThrow(coded('too-large'));
    expect(() => decode(RAW, new Uint8Array(18), { ...limits, side: 2 })).toThrow(coded('too-large'));
    expect(() => decode(RAW, new Uint8Array(18), { ...limits, pixels: 5 })).toThrow(coded('too-large'));
  });

  it('accepts 16384 × 4096 and rejects a wider one, and 20000 × 20000, by default', () => {
    expect(decode(JPEG, jpegClaiming(16_384, 4096))).toMatchObject({ width: 16_384, height: 4096 });
    expect(() => decode(JPEG, jpegClaiming(16_385, 1))).toThrow(coded('too-large'));
    expect(() => decode(JPEG, jpegClaiming(1, 16_385))).toThrow(coded('too-large'));
    expect(() => decode(JPEG, jpegClaiming(16_384, 4097))).toThrow(coded('too-large'));
    expect(() => decode(JPEG, jpegClaiming(20_000, 20_000))).toThrow(coded('too-large'));
  });

  it('accepts a header of a megabyte and rejects a larger one by default', () => {
    const padded = (bytes: number): string => RAW.replace('null', `"${'a'.repeat(bytes - RAW.length + 2)}"`);
    expect(padded(1 << 20)).toHaveLength(FRAME_LIMITS.headerBytes);
    expect(decode(padded(1 << 20))).toMatchObject({ kind: 'frame' });
    expect(() => decode(padded((1 << 20) + 1))).toThrow(coded('too-large'));
  });
});

describe('decodeUtf8', () => {
  it('reads valid text', () => {
    expect(decodeUtf8(Buffer.from('é漢😀'))).toBe('é漢😀');
  });

  it.each([[[0xc3]], [[0xff]], [[0xed, 0xa0, 0x80]], [[0xc0, 0x80]], [[0xf5, 0x80, 0x80, 0x80]]])(
    'rejects %j',
    (bytes) => {
      expect(() => decodeUtf8(Uint8Array.from(bytes))).toThrow(coded('header-invalid'));
    },
  );
});

const PLAIN: HeaderVariant = { pattern: 'request-reply', serverPort: null, dropMessage: false };

describe('encodeFrameHeader', () => {
  it('writes every key that NetGear writes', () => {
    expect(encodeFrameHeader({ kind: 'raw', dtype: 'uint8', shape: [2, 3, 3] }, 'null', PLAIN)).toBe(RAW);
    expect(encodeFrameHeader({ kind: 'jpeg' }, 'null', PLAIN)).toBe(JPEG);
    expect(encodeFrameHeader({ kind: 'jpeg' }, '{"n": NaN}', { ...PLAIN, pattern: 'pair' })).toBe(
      JPEG.replace('null', '{"n": NaN}').replace('"1"', '"0"'),
    );
    expect(encodeFrameHeader({ kind: 'jpeg' }, 'null', PLAIN, 'GRAY')).toBe(JPEG.replace('BGR', 'GRAY'));
  });

  it('writes the port of a server in multi-servers mode first', () => {
    expect(encodeFrameHeader({ kind: 'jpeg' }, 'null', { ...PLAIN, serverPort: '5567' })).toBe(
      '{"port": "5567", "terminate_flag": false, "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "message": null, "pattern": "1", "dtype": "", "shape": ""}',
    );
  });

  it('omits the message of a repeat', () => {
    expect(encodeFrameHeader({ kind: 'jpeg' }, '{"n": 1}', { ...PLAIN, dropMessage: true })).toBe(JPEG);
  });
});

describe('rewriteFrameHeader', () => {
  const odd =
    '{ "pattern" : "1","x":"\\u00e9","message":{"pattern": "1", "message": 2.0},"shape":[2, 3] , "pattern_": "1"}';

  it('replaces the values of the top-level keys and keeps every other byte', () => {
    expect(rewriteFrameHeader(odd, { pattern: 'pair', serverPort: null, dropMessage: true })).toBe(
      '{ "pattern" : "0","x":"\\u00e9","message":null,"shape":[2, 3] , "pattern_": "1"}',
    );
    expect(rewriteFrameHeader(odd, PLAIN)).toBe(odd);
    expect(rewriteFrameHeader(RAW.replace('"1"', '1'), PLAIN)).toBe(RAW.replace('"1"', '1'));
  });

  it('adds or replaces the port of a server', () => {
    expect(rewriteFrameHeader(odd, { ...PLAIN, serverPort: '5567' })).toBe(
      '{"port": "5567",  "pattern" : "1","x":"\\u00e9","message":{"pattern": "1", "message": 2.0},"shape":[2, 3] , "pattern_": "1"}',
    );
    expect(
      rewriteFrameHeader('{"x": 1, "port":19130, "pattern": "1", "message": 0}', {
        pattern: 'pair',
        serverPort: '5567',
        dropMessage: true,
      }),
    ).toBe('{"x": 1, "port":"5567", "pattern": "0", "message": null}');
    expect(rewriteFrameHeader('{"port": 19130, "pattern": "1", "message": 0}', PLAIN)).toBe(
      '{"port": 19130, "pattern": "1", "message": 0}',
    );
  });
});

describe('encodeTermination', () => {
  it('contains the port of a server in multi-servers mode', () => {
    expect(encodeTermination(null)).toBe('{"terminate_flag": true}');
    expect(encodeTermination('5567')).toBe('{"terminate_flag": true, "port": "5567"}');
  });
});

describe('TERMINATION_REPLY', () => {
  it('is not JSON', () => {
    expect(TERMINATION_REPLY).toBe("Termination signal successfully received at Client's end!");
  });
});

describe('MULTISERVER_TERMINATION_REPLY', () => {
  it('is not JSON', () => {
    expect(MULTISERVER_TERMINATION_REPLY).toBe('Termination signal successfully received at client!');
  });
});
