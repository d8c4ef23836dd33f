import { describe, expect, it } from 'vitest';
import { decodeSent } from '../../../../gateway/sources/imagezmq/picture-codec.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const parts = (json: string, ...rest: Uint8Array[]): Uint8Array[] => [Buffer.from(json), ...rest];
const data = Uint8Array.of(1, 2, 3);

describe('decodeSent', () => {
  it('reads the messages of send_jpg and send_image', () => {
    // JSON as written by pyzmq's send_json.
    expect(decodeSent(parts('{"msg": "rpi1"}', data))).toEqual({
      message: 'rpi1',
      messageJson: '"rpi1"',
      picture: data,
    });
    expect(decodeSent(parts('{"msg":"rpi1","dtype":"uint8","shape":[1,1,3]}', data))).toEqual({
      message: 'rpi1',
      messageJson: '"rpi1"',
      picture: { dtype: 'uint8', shape: [1, 1, 3], data },
    });
    expect(decodeSent(parts('{"msg": {"n": 1, "x": NaN}}', data)).message).toEqual({ n: 1, x: NaN });
    expect(decodeSent(parts('{}', data))).toMatchObject({ message: null, messageJson: 'null' });
    // Python distinguishes the two numbers.
    expect(decodeSent(parts('{"msg": [2.0, 2]}', data))).toMatchObject({ message: [2, 2], messageJson: '[2.0, 2]' });
    // A text that contains JSON is still a text.
    expect(decodeSent(parts('{"msg": "{\\"n\\": 1}"}', data)).message).toBe('{"n": 1}');
  });

  it.each<[string, Uint8Array[], string]>([
    ['nothing', [], 'parts-invalid'],
    ['JSON alone', parts('{}'), 'parts-invalid'],
    ['three parts', parts('{}', data, data), 'parts-invalid'],
    ['no JSON', parts('rpi1', data), 'header-invalid'],
    ['half of the JSON', parts('{"msg": "rpi', data), 'header-invalid'],
    ['a list', parts('[]', data), 'header-invalid'],
    ['no UTF-8', [Uint8Array.of(0xff, 0xfe), data], 'header-invalid'],
    ['a dtype without a shape', parts('{"dtype": "uint8"}', data), 'header-invalid'],
    ['an invalid shape', parts('{"dtype": "uint8", "shape": 3}', data), 'header-invalid'],
    ['JSON that is too long', parts(`{"msg": "${'a'.repeat(1 << 20)}"}`, data), 'header-invalid'],
    ['a message that is too deep', parts(`{"msg": ${'['.repeat(70)}${']'.repeat(70)}}`, data), 'header-invalid'],
  ])('refuses %s', (_name, sent, code) => {
    expect(() => decodeSent(sent)).toThrow(coded(code));
  });
});
