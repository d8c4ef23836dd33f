/** Bytes are hand-written or from Python's msgpack 1.2, never from the code under test. */
import { describe, expect, it } from 'vitest';
import { formatPythonJson } from '../../../gateway/codecs/python-json.ts';
import { GearwayError } from '../../../shared/errors.ts';
import { MAX_MESSAGE_JSON } from '../../../shared/frame.ts';
import {
  closeCode,
  type Data,
  decodeGatewayMessage,
  decodePublisherAnswer,
  decodePublisherMessage,
  decodeViewerMessage,
  type ElementBudget,
  encodeData,
  encodeFrameHead,
  encodeMessage,
  encodePublishedHead,
  encodeReturn,
  type FrameMessage,
  type GatewayMessage,
  type Hello,
  MAX_HEADER_BYTES,
  maxHeaderBytes,
  messageType,
  PROTOCOL,
  type PublisherAnswer,
  type PublisherMessage,
  type Value,
  type ViewerMessage,
} from '../../../shared/protocol.ts';

const bad: unknown = expect.objectContaining({ name: 'GearwayError', code: 'message-invalid' });
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/[\s|]/g, ''), 'hex'));
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');

/** A message around a header given in hexadecimal digits. */
function message(type: number, headerHex: string, payloadHex = ''): Uint8Array {
  const header = bytes(headerHex);
  const length = header.byteLength.toString(16).padStart(8, '0');
  return bytes(
    `${type.toString(16).padStart(2, '0')}000000 ${length} ${headerHex} ${'00'.repeat((8 - (header.byteLength % 8)) % 8)} ${payloadHex}`,
  );
}

/** The `hello` in docs/protocol.md. */
const HELLO = '01 00 00 00 00 00 00 09 | 81 a4 70 6f 72 74 cd 17 77 | 00 00 00 00 00 00 00';
const KEY = '00112233445566778899aabbccddeeff';

const VIEWER: readonly (readonly [string, string, ViewerMessage])[] = [
  ['the documented hello', HELLO, { type: 'hello', port: 6007 }],
  ['an empty hello', '0100000000000001 80 00000000000000', { type: 'hello' }],
  [
    'a full hello',
    '010000000000005b 85a4706f7274cd1777a86c656173654b6579d9203030313132323333343435353636373738383939616162626363646465656666a87370656374617465c2a5746f6b656ea6733363726574a46e616d65aa6c61622073637265656e 0000000000',
    { type: 'hello', port: 6007, leaseKey: KEY, spectate: false, token: 's3cret', name: 'lab screen' },
  ],
  [
    'an ack of a viewer that can show none of the frames',
    '0200000000000040 86a873657175656e636578a77061696e74656400a7736b697070656402a66661696c656476a86465636f64654d73cb401a000000000000a76661696c696e67c3',
    { type: 'ack', sequence: 120, painted: 0, skipped: 2, failed: 118, decodeMs: 6.5, failing: true },
  ],
  [
    'taking control',
    '0600000000000011 82a2696403a6616374696f6ea474616b65 00000000000000',
    { type: 'control', id: 3, action: 'take' },
  ],
  [
    'handing control over',
    '060000000000001e 83a2696404a6616374696f6ea968616e642d6f766572a4706f7274cd1772 0000',
    { type: 'control', id: 4, action: 'hand-over', port: 6002 },
  ],
  [
    'an ack',
    '0200000000000037 85a873657175656e636578a77061696e74656476a7736b697070656402a66661696c656400a86465636f64654d73cb4018666666666666 00',
    { type: 'ack', sequence: 120, painted: 118, skipped: 2, failed: 0, decodeMs: 6.1 },
  ],
  [
    'a sticky value',
    '030000000000003a 85a2696401a46d6f6465a6737469636b79a574746c4d73cd01f4a46b696e64a576616c7565a576616c756581a767726970706572a5636c6f7365 000000000000',
    { type: 'return', id: 1, mode: 'sticky', ttlMs: 500, body: { kind: 'value', value: { gripper: 'close' } } },
  ],
  [
    'a value of every kind',
    '0300000000000052 84a2696401a46d6f6465a46f6e6365a46b696e64a576616c7565a576616c75659bc0c3c2ffcb4004000000000000a6c3a9f09f98809080cf0020000000000000d38000000000000000cfffffffffffffffff 000000000000',
    {
      type: 'return',
      id: 1,
      mode: 'once',
      body: {
        kind: 'value',
        value: [
          null,
          true,
          false,
          -1,
          2.5,
          'é😀',
          [],
          {},
          9_007_199_254_740_992n,
          -9_223_372_036_854_775_808n,
          18_446_744_073_709_551_615n,
        ],
      },
    },
  ],
  [
    'NaN and infinities',
    '030000000000003c 84a2696401a46d6f6465a46f6e6365a46b696e64a576616c7565a576616c756593cb7ff8000000000000cb7ff0000000000000cbfff0000000000000 00000000',
    { type: 'return', id: 1, mode: 'once', body: { kind: 'value', value: [NaN, Infinity, -Infinity] } },
  ],
  [
    'integers beyond 64 bits',
    '0300000000000065 84a2696401a46d6f6465a46f6e6365a46b696e64a576616c7565a576616c756595c70942400000000000000000c70942c00000000000000000c70942010000000000000000c70942ff7fffffffffffffffc711421d6329f1c35ca4bfabb9f5610000000000 000000',
    {
      type: 'return',
      id: 1,
      mode: 'once',
      body: { kind: 'value', value: [2n ** 70n, -(2n ** 70n), 2n ** 64n, -(2n ** 63n) - 1n, 10n ** 40n] },
    },
  ],
  [
    'a JPEG',
    '0300000000000019 83a2696402a46d6f6465a46f6e6365a46b696e64a46a706567 00000000000000 ffd8ffd9',
    { type: 'return', id: 2, mode: 'once', body: { kind: 'jpeg', data: bytes('ffd8ffd9') } },
  ],
  [
    'an array',
    '0300000000000032 85a2696403a46d6f6465a6737469636b79a46b696e64a56172726179a56474797065a675696e743136a57368617065920203 000000000000 000102030405060708090a0b',
    {
      type: 'return',
      id: 3,
      mode: 'sticky',
      body: { kind: 'array', array: { dtype: 'uint16', shape: [2, 3], data: bytes('000102030405060708090a0b') } },
    },
  ],
  [
    'a want',
    '0400000000000022 83a6706175736564c3b26d61784672616d65735065725365636f6e640aa3726177c2 000000000000',
    { type: 'want', paused: true, maxFramesPerSecond: 10, raw: false },
  ],
  [
    'a hello with features',
    '0100000000000016 81a8666561747572657391aa72656e646974696f6e73 0000',
    { type: 'hello', features: ['renditions'] },
  ],
  [
    'a hello with a want',
    '0100000000000019 81a477616e74 82a7 7175616c697479 a4 68616c66 a3 726177 c3 00000000000000',
    { type: 'hello', want: { quality: 'half', raw: true } },
  ],
  [
    'an ack with the wait in the viewer',
    '0200000000000047 86a873657175656e636578a77061696e74656476a7736b697070656402a66661696c656400a86465636f64654d73cb401a000000000000a6776169744d73cb4029000000000000 00',
    { type: 'ack', sequence: 120, painted: 118, skipped: 2, failed: 0, decodeMs: 6.5, waitMs: 12.5 },
  ],
  [
    'a want of small pictures',
    '0400000000000037 84a77175616c697479a468616c66b06d6178426974735065725365636f6e64ce000f4240a57769647468cd0280a6686569676874cd0168 00',
    { type: 'want', quality: 'half', maxBitsPerSecond: 1_000_000, width: 640, height: 360 },
  ],
  ['a want of baseline JPEG', '040000000000000b 81a8626173656c696e65c3 0000000000', { type: 'want', baseline: true }],
  ['an empty want', '0400000000000001 80 00000000000000', { type: 'want' }],
  ['a ping', '0500000000000005 81a2696407 000000', { type: 'ping', id: 7 }],
];

const LIMITS = { messageBytes: 8_388_608, messagesPerSecond: 500, depth: 64 };
const CLOCK = 1_766_400_000_000_000;

const GATEWAY: readonly (readonly [string, string, GatewayMessage])[] = [
  [
    'a welcome',
    '11000000000000bb 88a673747265616da46d61696ea4706f7274cd1777a86c656173654b6579d9203030313132323333343435353636373738383939616162626363646465656666a672696768747392a476696577a672657475726ea66c696d69747383ac6d6573736167654279746573ce00800000b16d657373616765735065725365636f6e64cd01f4a5646570746840a57374617465a46c697665a6726561736f6ead6672616d657320617272697665a7636c6f636b5573cf000646880c880000 0000000000',
    {
      type: 'welcome',
      stream: 'main',
      port: 6007,
      leaseKey: KEY,
      rights: ['view', 'return'],
      limits: LIMITS,
      state: 'live',
      reason: 'frames arrive',
      clockUs: CLOCK,
    },
  ],
  [
    'a welcome for a spectator',
    '1100000000000088 88a673747265616da46d61696ea4706f7274c0a86c656173654b6579c0a672696768747391a476696577a66c696d69747383ac6d6573736167654279746573ce00800000b16d657373616765735065725365636f6e64cd01f4a5646570746840a57374617465a777616974696e67a6726561736f6ea172a7636c6f636b5573cf000646880c880000',
    {
      type: 'welcome',
      stream: 'main',
      port: null,
      leaseKey: null,
      rights: ['view'],
      limits: LIMITS,
      state: 'waiting',
      reason: 'r',
      clockUs: CLOCK,
    },
  ],
  [
    'a JPEG frame',
    '120000000000004e 86a873657175656e636578ac726563656976656441745573cf000646880c880000a57769647468cd0500a6686569676874cd02d0a8656e636f64696e67a46a706567a76d65737361676581a16e78 0000 ffd8ffd9',
    {
      type: 'frame',
      sequence: 120,
      receivedAtUs: CLOCK,
      width: 1280,
      height: 720,
      encoding: { kind: 'jpeg' },
      message: { n: 120 },
      payload: bytes('ffd8ffd9'),
    },
  ],
  [
    'a frame whose message contains the capture time',
    '1200000000000064 87a873657175656e636578ac726563656976656441745573cf000646880c880000ac636170747572656441745573cf000646880c87fc18a57769647468cd0500a6686569676874cd02d0a8656e636f64696e67a46a706567a76d65737361676581a16e78 00000000 ffd8ffd9',
    {
      type: 'frame',
      sequence: 120,
      receivedAtUs: CLOCK,
      capturedAtUs: CLOCK - 1000,
      width: 1280,
      height: 720,
      encoding: { kind: 'jpeg' },
      message: { n: 120 },
      payload: bytes('ffd8ffd9'),
    },
  ],
  [
    'a raw frame',
    '120000000000005c 88a873657175656e636579ac726563656976656441745573cf000646880c880000a5776964746802a668656967687401a8656e636f64696e67a3726177a56474797065a675696e743136a57368617065920102a76d657373616765c0 00000000 01000200',
    {
      type: 'frame',
      sequence: 121,
      receivedAtUs: CLOCK,
      width: 2,
      height: 1,
      encoding: { kind: 'raw', dtype: 'uint16', shape: [1, 2] },
      message: null,
      payload: bytes('01000200'),
    },
  ],
  [
    'a rendition',
    '1200000000000083 89a873657175656e636578ac726563656976656441745573cf000646880c880000a57769647468cd0500a6686569676874cd02d0a8656e636f64696e67a46a706567a972656e646974696f6ea96a7065672d322d3530ac706963747572655769647468cd0280ad70696374757265486569676874cd0168a76d65737361676581a16e78 0000000000 ffd8ffd9',
    {
      type: 'frame',
      sequence: 120,
      receivedAtUs: CLOCK,
      width: 1280,
      height: 720,
      encoding: { kind: 'jpeg' },
      message: { n: 120 },
      payload: bytes('ffd8ffd9'),
      rendition: { rendition: 'jpeg-2-50', pictureWidth: 640, pictureHeight: 360 },
    },
  ],
  [
    'the holder of control, with a request',
    '9200000000000044 83a4706f7274cd1771a46e616d65aa66726f6e742d6465736ba872657175657374739183a4706f7274cd1772a46e616d65a36c6162ab72656d61696e696e674d73cd2328 00000000',
    {
      type: 'controller',
      port: 6001,
      name: 'front-desk',
      requests: [{ port: 6002, name: 'lab', remainingMs: 9000 }],
    },
  ],
  [
    'control that was taken away',
    '9200000000000035 85a4706f7274c0a46e616d65a0a8726571756573747390a4636f6465af636f6e74726f6c2d7265766f6b6564a6726561736f6ea172 000000',
    { type: 'controller', port: null, name: '', requests: [], code: 'control-revoked', reason: 'r' },
  ],
  [
    'a delivery',
    '9100000000000058 83a474657874d92e4a50454720363430c397333630207135302c20312e31204d6269742f733a206c696e6b20312e34204d6269742f73a969734c696d69746564c3b16c696e6b426974735065725365636f6e64ce00155cc0',
    {
      type: 'delivery',
      text: 'JPEG 640×360 q50, 1.1 Mbit/s: link 1.4 Mbit/s',
      isLimited: true,
      linkBitsPerSecond: 1_400_000,
    },
  ],
  [
    'a state',
    '1300000000000016 82a57374617465a57374616c65a6726561736f6ea172 0000',
    { type: 'state', state: 'stale', reason: 'r' },
  ],
  [
    'a state at the end of a pause',
    '1300000000000032 83a57374617465a46c697665a6726561736f6ead6672616d657320617272697665ae726573756d6553657175656e6365cc82 000000000000',
    { type: 'state', state: 'live', reason: 'frames arrive', resumeSequence: 130 },
  ],
  [
    'an accepted return',
    '140000000000000f 82a2696401a86163636570746564c3 00',
    { type: 'returned', id: 1, accepted: true },
  ],
  [
    'a refused return',
    '140000000000002a 84a2696401a86163636570746564c2a4636f6465ac61727261792d6d6973666974a6726561736f6ea172 000000000000',
    { type: 'returned', id: 1, accepted: false, code: 'array-misfit', reason: 'r' },
  ],
  [
    'a pong',
    '1500000000000016 82a2696407a7636c6f636b5573cf000646880c880000 0000',
    { type: 'pong', id: 7, clockUs: CLOCK },
  ],
];

const JPEG_FRAME =
  '120000000000003b 84a873657175656e636501ac636170747572656441745573cf000646880c880000a8656e636f64696e67a46a706567a76d65737361676581a16e01 0000000000';
const RAW_FRAME =
  '1200000000000037 85a873657175656e636503a8656e636f64696e67a3726177a56474797065a575696e7438a5736861706593010203a76d657373616765c0 00';
const PUBLISHER: readonly (readonly [string, string, PublisherMessage])[] = [
  [
    "a publisher's hello",
    '0100000000000023 83a5746f6b656ea6733363726574a46e616d65a570686f6e65a874616b654f766572c3 0000000000',
    { type: 'hello', token: 's3cret', name: 'phone', takeOver: true },
  ],
  ['an empty hello', '0100000000000001 80 00000000000000', { type: 'hello' }],
  [
    'a JPEG',
    `${JPEG_FRAME} ffd8ffd9`,
    {
      type: 'frame',
      sequence: 1,
      capturedAtUs: CLOCK,
      encoding: { kind: 'jpeg' },
      message: { n: 1 },
      payload: bytes('ffd8ffd9'),
    },
  ],
  [
    'samples',
    `${RAW_FRAME} 010203040506`,
    {
      type: 'frame',
      sequence: 3,
      encoding: { kind: 'raw', dtype: 'uint8', shape: [1, 2, 3] },
      message: null,
      payload: bytes('010203040506'),
    },
  ],
  [
    'a JPEG without further fields',
    '1200000000000019 82a873657175656e636502a8656e636f64696e67a46a706567 00000000000000 ffd8ffd9',
    { type: 'frame', sequence: 2, encoding: { kind: 'jpeg' }, message: null, payload: bytes('ffd8ffd9') },
  ],
  ['a ping', '0500000000000005 81a2696407 000000', { type: 'ping', id: 7 }],
];

const DATA: readonly (readonly [string, string, Data])[] = [
  [
    'a sticky value',
    '1700000000000035 84a4706f7274cd1777a46d6f6465a6737469636b79a46b696e64a576616c7565a576616c756581a767726970706572a5636c6f7365 000000',
    { type: 'data', port: 6007, mode: 'sticky', body: { kind: 'value', value: { gripper: 'close' } } },
  ],
  [
    'the end of a sticky value',
    '1700000000000027 84a4706f7274cd1777a46d6f6465a6737469636b79a46b696e64a576616c7565a576616c7565c0 00',
    { type: 'data', port: 6007, mode: 'sticky', body: { kind: 'value', value: null } },
  ],
  [
    'a JPEG',
    '170000000000001d 83a4706f7274cd1777a46d6f6465a46f6e6365a46b696e64a46a706567 000000 ffd8ffd9',
    { type: 'data', port: 6007, mode: 'once', body: { kind: 'jpeg', data: bytes('ffd8ffd9') } },
  ],
  [
    'an array',
    '1700000000000036 85a4706f7274cd1777a46d6f6465a6737469636b79a46b696e64a56172726179a56474797065a675696e743136a57368617065920102 0000 01000200',
    {
      type: 'data',
      port: 6007,
      mode: 'sticky',
      body: { kind: 'array', array: { dtype: 'uint16', shape: [1, 2], data: bytes('01000200') } },
    },
  ],
];
const ANSWERS: readonly (readonly [string, string, PublisherAnswer])[] = [
  [
    'a welcome for a publisher',
    '110000000000008b 88a673747265616da46d61696ea4706f7274c0a86c656173654b6579c0a672696768747391a77075626c697368a66c696d69747383ac6d6573736167654279746573ce04100008b16d657373616765735065725365636f6e64cd01f4a5646570746840a57374617465a777616974696e67a6726561736f6ea172a7636c6f636b5573cf000646880c880000 0000000000',
    {
      type: 'welcome',
      stream: 'main',
      port: null,
      leaseKey: null,
      rights: ['publish'],
      limits: { ...LIMITS, messageBytes: 68_157_448 },
      state: 'waiting',
      reason: 'r',
      clockUs: CLOCK,
    },
  ],
  [
    'an accepted frame',
    '1600000000000014 82a873657175656e636501a7636c69656e747303 00000000',
    { type: 'taken', sequence: 1, clients: 3 },
  ],
  [
    'a refused frame',
    '160000000000002f 84a873657175656e636502a7636c69656e747300a4636f6465ac6a7065672d696e76616c6964a6726561736f6ea172 00',
    { type: 'taken', sequence: 2, clients: 0, code: 'jpeg-invalid', reason: 'r' },
  ],
  ...DATA,
  [
    'a pong',
    '1500000000000016 82a2696407a7636c6f636b5573cf000646880c880000 0000',
    { type: 'pong', id: 7, clockUs: CLOCK },
  ],
];

/** Offset of a message's payload, by its length field. */
const payloadStart = (data: Uint8Array): number => 8 + Math.ceil(Buffer.from(data).readUInt32BE(4) / 8) * 8;

const DECODERS: readonly {
  name: string;
  decode: (data: Uint8Array) => unknown;
  messages: readonly (readonly [string, string, unknown])[];
}[] = [
  { name: 'decodeViewerMessage', decode: decodeViewerMessage, messages: VIEWER },
  { name: 'decodeGatewayMessage', decode: decodeGatewayMessage, messages: GATEWAY },
  { name: 'decodePublisherMessage', decode: decodePublisherMessage, messages: PUBLISHER },
  { name: 'decodePublisherAnswer', decode: decodePublisherAnswer, messages: ANSWERS },
];

for (const { name, decode, messages } of DECODERS) {
  describe(`${name} with any input`, () => {
    it.each(messages)('reads %s', (_name, data, expected) => {
      expect(decode(bytes(data))).toEqual(expected);
    });

    it.each(messages)('reads %s from the middle of a larger buffer', (_name, data, expected) => {
      const whole = bytes(data);
      const larger = new Uint8Array(whole.byteLength + 10).fill(0xc1);
      larger.set(whole, 3);
      expect(decode(larger.subarray(3, 3 + whole.byteLength))).toEqual(expected);
    });

    it.each(messages)('rejects %s at every length that truncates its header or padding', (_name, data) => {
      const whole = bytes(data);
      for (let length = 0; length < payloadStart(whole); length += 1)
        expect(() => decode(whole.subarray(0, length))).toThrow(bad);
    });

    it.each(messages)('rejects %s with every other header length', (_name, data) => {
      const whole = bytes(data);
      const view = new DataView(whole.buffer);
      const length = view.getUint32(4);
      for (const lie of [
        ...Array.from({ length: length + 64 }, (_, index) => index),
        0x7f_ff_ff_ff,
        0xff_ff_ff_f8,
        0xff_ff_ff_ff,
      ]) {
        if (lie === length) continue;
        view.setUint32(4, lie);
        expect(() => decode(whole)).toThrow(bad);
      }
    });

    it.each(messages.filter(([, data]) => bytes(data).byteLength === payloadStart(bytes(data))))(
      'rejects %s with a payload',
      (_name, data) => {
        expect(() => decode(bytes(`${data} 00`))).toThrow(bad);
        expect(() => decode(bytes(`${data} ${'00'.repeat(8)}`))).toThrow(bad);
      },
    );

    it.each(messages)('returns a message or throws its error for every changed byte of %s', (_name, data) => {
      const whole = bytes(data);
      const unexpected: unknown[] = [];
      for (let at = 0; at < payloadStart(whole); at += 1) {
        for (const value of [0x00, 0x7f, 0x80, 0xc1, 0xc7, 0xd4, 0xdd, 0xdf, 0xff]) {
          const changed = Uint8Array.from(whole);
          changed[at] = value;
          try {
            decode(changed);
          } catch (error) {
            if (!(error instanceof GearwayError)) unexpected.push({ at, value, error });
          }
        }
      }
      expect(unexpected).toEqual([]);
    });

    it('ignores an unknown type with the high bit, and rejects one without it', () => {
      for (const type of [0x80, 0x93, 0xff]) expect(decode(message(type, '80'))).toBeUndefined();
      expect(decode(message(0xff, 'c1', 'ffff'))).toBeUndefined();
      for (const type of [0x00, 0x07, 0x10, 0x18, 0x7f]) expect(() => decode(message(type, '80'))).toThrow(bad);
    });

    it('rejects a message shorter than a prelude', () => {
      expect(() => decode(new Uint8Array(0))).toThrow(bad);
      expect(() => decode(new Uint8Array(7))).toThrow(bad);
    });

    it.each([
      ['nothing', ''],
      ['nil', 'c0'],
      ['an integer', '07'],
      ['text', 'a161'],
      ['a list', '9101'],
      ['binary', 'c40161'],
      ['a timestamp', 'd6ff00000000'],
      ['a set', 'c7017300 90'],
      ['an unknown extension', 'd40161'],
      ['two maps', '8080'],
      ['a map without its value', '81a161'],
      ['a map that announces more entries than it has', 'dfffffffff'],
      ['an unused byte', 'c1'],
    ])('rejects a header that is %s', (_name, header) => {
      for (const type of [messageType.hello, messageType.want, messageType.state])
        expect(() => decode(message(type, header))).toThrow(bad);
    });
  });
}

describe('decodeViewerMessage', () => {
  it("rejects the gateway's messages", () => {
    for (const [, data, { type }] of GATEWAY) {
      // Their types have the bit of types that may be ignored.
      if (type === 'delivery' || type === 'controller') expect(decodeViewerMessage(bytes(data))).toBeUndefined();
      else expect(() => decodeViewerMessage(bytes(data))).toThrow(bad);
    }
  });

  it('ignores unknown fields, and treats null as absent', () => {
    expect(decodeViewerMessage(message(0x05, '82 a26964 07 a6667574757265 9101'))).toEqual({ type: 'ping', id: 7 });
    expect(decodeViewerMessage(message(0x01, '81 a4706f7274 c0'))).toEqual({ type: 'hello' });
  });

  /** A message whose header has this many bytes: the given members, then `"x"` with a text that fills it up. */
  const padded = (type: number, memberCount: number, membersHex: string, length: number): Uint8Array => {
    const members = bytes(membersHex);
    const header = new Uint8Array(length).fill(0x61);
    header.set([0x80 + memberCount + 1]);
    header.set(members, 1);
    header.set([0xa1, 0x78, 0xdb], 1 + members.byteLength);
    new DataView(header.buffer).setUint32(4 + members.byteLength, length - 8 - members.byteLength);
    return message(type, hex(header));
  };

  it.each([
    ['hello', 0x01, 4096, 0, ''],
    [
      'ack',
      0x02,
      256,
      5,
      'a873657175656e636501 a77061696e74656401 a7736b697070656401 a66661696c656401 a86465636f64654d7301',
    ],
    ['return', 0x03, MAX_HEADER_BYTES, 3, 'a2696401 a46d6f6465a46f6e6365 a46b696e64a576616c7565'],
    ['want', 0x04, 256, 0, ''],
    ['ping', 0x05, 256, 1, 'a2696401'],
  ])('accepts the largest header of %s and rejects a larger one', (name, type, limit, memberCount, members) => {
    expect(maxHeaderBytes(type)).toBe(limit);
    expect(decodeViewerMessage(padded(type, memberCount, members, limit))).toMatchObject({ type: name });
    expect(() => decodeViewerMessage(padded(type, memberCount, members, limit + 1))).toThrow(bad);
  });

  it.each<[string, Value]>([
    ['numbers that take more bytes than in JSON', Array<number>(131_000).fill(0.5)],
    ['text of as many bytes as a NetGear header has', 'x'.repeat(MAX_HEADER_BYTES)],
    ['numbers within the limit of a message as JSON', Array<number>(1_200_000).fill(0.5)],
  ])('accepts a frame with a message of %s', (_what, content) => {
    expect(formatPythonJson(content).length).toBeLessThanOrEqual(MAX_MESSAGE_JSON);
    const frame = { sequence: 1, receivedAtUs: 1, width: 2, height: 2, encoding: { kind: 'jpeg' } } as const;
    const decoded = decodeGatewayMessage(encodeFrameHead(frame, content));
    expect(JSON.stringify((decoded as FrameMessage).message)).toBe(JSON.stringify(content));
  });

  it('rejects a frame whose header is larger, and of a publisher one of more than 1 MiB', () => {
    const [fromGateway, fromPublisher] = [12, 1].map((size) => new Uint8Array((size << 20) + 24));
    for (const [data, decode] of [
      [fromGateway!, decodeGatewayMessage],
      [fromPublisher!, decodePublisherMessage],
    ] as const) {
      data[0] = messageType.frame;
      new DataView(data.buffer).setUint32(4, data.byteLength - 16);
      expect(() => decode(data)).toThrow(/header of type 0x12 is \d+ bytes, expected at most/);
    }
  });

  it('rejects a header that is too large before decoding it', () => {
    // An unused byte, which the decoder would reject.
    expect(() => decodeViewerMessage(message(0x04, 'c1'.repeat(257)))).toThrow(/257 bytes, expected at most 256/);
  });

  it('spends only the elements of headers that may be large, and decodes no more than are available', () => {
    const spent: number[] = [];
    let available = 5000;
    const budget: ElementBudget = {
      available: () => available,
      spend: (elements) => {
        available -= elements;
        spent.push(elements);
      },
      exceeded: () => new RangeError('exceeded'),
    };
    decodeViewerMessage(bytes(HELLO), budget);
    expect(spent).toEqual([]);
    const thousand = message(
      0x03,
      `84 a2696401 a46d6f6465a46f6e6365 a46b696e64a576616c7565 a576616c7565 dc03e8${'01'.repeat(1000)}`,
    );
    const elements = 4 + 4 * (4 + 1) + 3 + 1000;
    for (let index = 0; index < 4; index += 1) decodeViewerMessage(thousand, budget);
    expect(() => decodeViewerMessage(thousand, budget)).toThrow(RangeError);
    expect(() => decodeViewerMessage(thousand, budget)).toThrow(RangeError);
    // Elements decoded before the limit count as well.
    expect(spent).toEqual([elements, elements, elements, elements, 5000 - 4 * elements, 0]);
    expect(() => decodeViewerMessage(message(0x03, 'c1'), { ...budget, available: () => 10 })).toThrow(bad);
  });

  it.each([
    ['a port of 65535', 'a4706f7274 cdffff', true],
    ['a port of 65536', 'a4706f7274 ce00010000', false],
    ['a negative port', 'a4706f7274 ff', false],
    ['a port with a fraction', 'a4706f7274 cb40b7770000000001', false],
    ['a port that is NaN', 'a4706f7274 cb7ff8000000000000', false],
    ['a port that is text', 'a4706f7274 a436303037', false],
    ['a port as a 64-bit integer', 'a4706f7274 cf0000000000001777', true],
    ['a port of 2^64 - 1', 'a4706f7274 cfffffffffffffffff', false],
    ['a key of 32 digits', `a86c656173654b6579 d920${'61'.repeat(32)}`, true],
    ['a key of 33 digits', `a86c656173654b6579 d921${'61'.repeat(33)}`, false],
    ['a name of 64 characters', `a46e616d65 d940${'61'.repeat(64)}`, true],
    ['a name of 65 characters', `a46e616d65 d941${'61'.repeat(65)}`, false],
    ['a token of 2048 characters', `a5746f6b656e da0800${'61'.repeat(2048)}`, true],
    ['a token of 2049 characters', `a5746f6b656e da0801${'61'.repeat(2049)}`, false],
    ['a spectate that is a number', 'a87370656374617465 01', false],
    ['16 features', `a86665617475726573 dc0010${'a161'.repeat(16)}`, true],
    ['17 features', `a86665617475726573 dc0011${'a161'.repeat(17)}`, false],
    ['features that are text', 'a86665617475726573 a161', false],
    ['a feature that is a number', 'a86665617475726573 9101', true],
    ['a want that is empty', 'a477616e74 80', true],
    ['a want that is a list', 'a477616e74 90', false],
    ['a want with a width of 65536', 'a477616e74 81 a57769647468 ce00010000', false],
  ])('checks a hello with %s', (_name, field, isValid) => {
    const data = message(0x01, `81 ${field}`);
    if (isValid) expect(decodeViewerMessage(data)).toMatchObject({ type: 'hello' });
    else expect(() => decodeViewerMessage(data)).toThrow(bad);
  });

  it.each([
    ['0.1 frames per second', 'b26d61784672616d65735065725365636f6e64 cb3fb999999999999a', true],
    ['0.09 frames per second', 'b26d61784672616d65735065725365636f6e64 cb3fb70a3d70a3d70a', false],
    ['1000 frames per second', 'b26d61784672616d65735065725365636f6e64 cd03e8', true],
    ['1001 frames per second', 'b26d61784672616d65735065725365636f6e64 cd03e9', false],
    ['NaN frames per second', 'b26d61784672616d65735065725365636f6e64 cb7ff8000000000000', false],
    ['a paused that is text', 'a6706175736564 a161', false],
    ['a baseline that is a number', 'a8626173656c696e65 01', false],
    ['an unknown quality', 'a77175616c697479 a464656570', false],
    ['a width of 65535', 'a57769647468 cdffff', true],
    ['a width of 65536', 'a57769647468 ce00010000', false],
    ['a negative bit rate', 'b06d6178426974735065725365636f6e64 ff', false],
    ['a field of a later version', 'a56c61746572 01', true],
  ])('checks a want with %s', (_name, field, isValid) => {
    const data = message(0x04, `81 ${field}`);
    if (isValid) expect(decodeViewerMessage(data)).toMatchObject({ type: 'want' });
    else expect(() => decodeViewerMessage(data)).toThrow(bad);
  });

  // The common start of a return: id 1, mode once.
  const ONCE = 'a26964 01 a46d6f6465 a46f6e6365';

  it.each([
    ['no kind', `82 ${ONCE}`],
    ['an unknown kind', `83 ${ONCE} a46b696e64 a3676966`],
    ['an unknown mode', '83 a26964 01 a46d6f6465 a474776963 a46b696e64 a576616c7565'],
    ['no id', '82 a46d6f6465 a46f6e6365 a46b696e64 a46a706567'],
    ['a negative id', '83 a26964 ff a46d6f6465 a46f6e6365 a46b696e64 a46a706567'],
    ['a time to live of 0', `84 ${ONCE} a46b696e64 a46a706567 a574746c4d73 00`],
    ['a time to live beyond a day', `84 ${ONCE} a46b696e64 a46a706567 a574746c4d73 ce05265c01`],
    ['an array without dtype', `84 ${ONCE} a46b696e64 a56172726179 a57368617065 9101`],
    ['an array without shape', `84 ${ONCE} a46b696e64 a56172726179 a56474797065 a575696e7438`],
    [
      'an array of nine dimensions',
      `85 ${ONCE} a46b696e64 a56172726179 a56474797065 a575696e7438 a57368617065 99010101010101010101`,
    ],
    ['an array of a negative size', `85 ${ONCE} a46b696e64 a56172726179 a56474797065 a575696e7438 a57368617065 91ff`],
    [
      'a dtype of 17 characters',
      `85 ${ONCE} a46b696e64 a56172726179 a56474797065 b1${'61'.repeat(17)} a57368617065 9101`,
    ],
  ])('rejects a return with %s', (_name, header) => {
    expect(() => decodeViewerMessage(message(0x03, header))).toThrow(bad);
  });

  it('reads a value without "value" as null', () => {
    expect(decodeViewerMessage(message(0x03, `83 ${ONCE} a46b696e64 a576616c7565`))).toMatchObject({
      body: { kind: 'value', value: null },
    });
  });

  const valueOf = (valueHex: string): unknown => {
    const decoded = decodeViewerMessage(message(0x03, `84 ${ONCE} a46b696e64 a576616c7565 a576616c7565 ${valueHex}`));
    return decoded?.type === 'return' && decoded.body.kind === 'value' ? decoded.body.value : undefined;
  };

  it('reads integers of every width', () => {
    expect(
      valueOf('9a 7f ccff cdffff ceffffffff cfffffffffffffffff e0 d080 d18000 d280000000 d38000000000000000'),
    ).toEqual([127, 255, 65_535, 4_294_967_295, 2n ** 64n - 1n, -32, -128, -32_768, -2_147_483_648, -(2n ** 63n)]);
    expect(valueOf('94 d442ff d54280 00 d64200000001 d842 00000000000000010000000000000000')).toEqual([
      -1n,
      -32_768n,
      1n,
      2n ** 64n,
    ]);
  });

  it('reads a negative zero', () => {
    expect(Object.is(valueOf('cb8000000000000000'), -0)).toBe(true);
  });

  it('reads an integer of 5000 digits, so that its return can be refused by id', () => {
    const digits = (10n ** 5000n).toString(16).padStart(4154, '0');
    expect(valueOf(`c8081d42${digits}`)).toBe(10n ** 5000n);
  });

  it('rejects references between values', () => {
    // [id 1: [1], reference to 1]: not part of MessagePack itself.
    expect(() => valueOf('92 d66900000001 9101 d67000000001')).toThrow(bad);
    expect(() => valueOf('d67000000001')).toThrow(bad);
    expect(() => valueOf('d66900000001 91 d67000000001')).toThrow(bad);
  });

  it('discards definitions of one message before the next', () => {
    try {
      // msgpackr's records, which are not MessagePack: 0x41 denotes a map with the key "k" from here on.
      valueOf('92 d47241 91a16b 01 4102');
    } catch (error) {
      expect(error).toMatchObject({ code: 'message-invalid' });
    }
    expect(valueOf('4102'.slice(0, 2))).toBe(0x41);
  });

  it('rejects 100 000 nested lists, and reads the next message', () => {
    expect(() => valueOf('91'.repeat(100_000) + 'c0')).toThrow(bad);
    expect(decodeViewerMessage(bytes(HELLO))).toEqual({ type: 'hello', port: 6007 });
  });

  it('allocates no memory for announced lengths', () => {
    for (const header of [
      'dfffffffff',
      '81a161ddffffffff',
      '81a161dbffffffff',
      '81a161c6ffffffff',
      '81a161c9ffffffff42',
    ]) {
      expect(() => decodeViewerMessage(message(0x01, header))).toThrow(bad);
    }
  });

  it('treats an undefined field of a JavaScript viewer as absent', () => {
    expect(
      decodeViewerMessage(encodeMessage({ type: 'hello', port: 6007, token: undefined } as unknown as Hello)),
    ).toEqual({ type: 'hello', port: 6007 });
  });

  it('keeps the prototype of objects', () => {
    expect(valueOf('81 a95f5f70726f746f5f5f 81a17801')).not.toHaveProperty('x');
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});

describe('decodeViewerMessage: control', () => {
  it.each([
    ['an unknown action', '82 a26964 03 a6616374696f6e a5 7374 65616c'],
    ['no action', '81 a26964 03'],
    ['no id', '81 a6616374696f6e a474616b65'],
    ['a hand-over without a recipient', '82 a26964 03 a6616374696f6e a968616e642d6f766572'],
    ['a refusal without a request', '82 a26964 03 a6616374696f6e a6726566757365'],
    ['an invalid port', '83 a26964 03 a6616374696f6e a6726566757365 a4706f7274 ce00010000'],
  ])('rejects %s', (_name, header) => {
    expect(() => decodeViewerMessage(message(messageType.control, header))).toThrow(bad);
  });

  it('rejects a header of more than 256 bytes', () => {
    const padding = `a178 d9fa ${'61'.repeat(250)}`;
    expect(() =>
      decodeViewerMessage(message(messageType.control, `83 a26964 03 a6616374696f6e a474616b65 ${padding}`)),
    ).toThrow(bad);
  });
});

describe('decodeGatewayMessage', () => {
  it("rejects the viewer's messages", () => {
    for (const [, data] of VIEWER) expect(() => decodeGatewayMessage(bytes(data))).toThrow(bad);
  });

  it('returns the payload as a view that is aligned to 8 bytes', () => {
    const [, data] = GATEWAY[3] ?? ['', ''];
    const whole = bytes(data);
    const frame = decodeGatewayMessage(whole);
    if (frame?.type !== 'frame') throw new Error('no frame arrived');
    expect(frame.payload.buffer).toBe(whole.buffer);
    expect(frame.payload.byteOffset % 8).toBe(0);
  });
});

describe('encodeMessage', () => {
  it('writes the hello of docs/protocol.md byte for byte', () => {
    expect(hex(encodeMessage({ type: 'hello', port: 6007 }))).toBe(hex(bytes(HELLO)));
  });

  // Python writes an integer beyond 32 bits as one, we as a float 64: those with a clock are read back below.
  const same = [...VIEWER, ...GATEWAY].flatMap(([name, data, value]) =>
    value.type === 'return' || value.type === 'frame' || 'clockUs' in value ? [] : [[name, data, value] as const],
  );

  it.each(same)('writes %s as Python does', (_name, data, value) => {
    expect(hex(encodeMessage(value))).toBe(hex(bytes(data)));
  });

  it('writes integers beyond 32 bits so that they can be read again', () => {
    for (const [, , value] of GATEWAY) {
      if (value.type === 'welcome' || value.type === 'pong')
        expect(decodeGatewayMessage(encodeMessage(value))).toEqual(value);
    }
  });

  it('returns separate memory', () => {
    const first = encodeMessage({ type: 'ping', id: 1 });
    const second = encodeMessage({ type: 'ping', id: 2 });
    expect(first.buffer).not.toBe(second.buffer);
    expect(first.byteLength).toBe(first.buffer.byteLength);
  });
});

describe('encodeReturn', () => {
  it.each(
    VIEWER.filter(
      ([name, , value]) => value.type === 'return' && !name.startsWith('integers') && !name.includes('every kind'),
    ),
  )('writes %s as Python does', (_name, data, value) => {
    if (value.type !== 'return') throw new Error('no return');
    const { head, payload } = encodeReturn(value);
    expect(hex(head) + hex(payload)).toBe(hex(bytes(data)));
  });

  it('forwards bytes by reference', () => {
    const data = bytes('ffd8ffd9');
    expect(encodeReturn({ type: 'return', id: 1, mode: 'once', body: { kind: 'jpeg', data } }).payload).toBe(data);
  });

  it.each([2n ** 70n, -(2n ** 70n), 2n ** 64n, -(2n ** 63n) - 1n, 10n ** 4299n, -(10n ** 4299n), 2n ** 63n, 0n, -1n])(
    'writes an integer of any size so that it can be read again',
    (value) => {
      const { head } = encodeReturn({ type: 'return', id: 1, mode: 'once', body: { kind: 'value', value } });
      expect(decodeViewerMessage(head)).toMatchObject({ body: { value } });
    },
  );
});

describe('encodePublishedHead', () => {
  it.each<[string, string, Parameters<typeof encodePublishedHead>[0]]>([
    [
      'a JPEG',
      '1200000000000022 83a873657175656e636502a8656e636f64696e67a46a706567a76d657373616765c0 000000000000',
      { sequence: 2, encoding: { kind: 'jpeg' }, message: null },
    ],
    ['samples', RAW_FRAME, { sequence: 3, encoding: { kind: 'raw', dtype: 'uint8', shape: [1, 2, 3] }, message: null }],
    // Values beyond 32 bits are floats, the number type of JavaScript.
    [
      'a JPEG with its time',
      JPEG_FRAME.replace('cf000646880c880000', 'cb43191a2032200000'),
      { sequence: 1, capturedAtUs: CLOCK, encoding: { kind: 'jpeg' }, message: { n: 1 } },
    ],
  ])('writes the head of %s', (_name, data, fields) => {
    expect(hex(encodePublishedHead(fields))).toBe(hex(bytes(data)));
  });
});

describe('encodeData', () => {
  it.each(DATA)('writes %s', (_name, data, message) => {
    const { head, payload } = encodeData(message);
    expect(hex(head) + hex(payload)).toBe(hex(bytes(data)));
  });
});

describe('decodePublisherMessage', () => {
  it.each([
    ['a frame without a number', '81a8656e636f64696e67a46a706567'],
    ['a frame with an invalid number', '82a873657175656e6365cb3ff8000000000000a8656e636f64696e67a46a706567'],
    ['a frame that is a PNG', '82a873657175656e636501a8656e636f64696e67a3706e67'],
    ['samples without a shape', '83a873657175656e636501a8656e636f64696e67a3726177a56474797065a575696e7438'],
  ])('rejects %s', (_name, header) => {
    expect(() => decodePublisherMessage(message(0x12, header))).toThrow(bad);
  });

  it.each(VIEWER.filter(([, , { type }]) => type !== 'hello' && type !== 'ping'))(
    'is not a message of a viewer: %s',
    (_name, data) => {
      expect(() => decodePublisherMessage(bytes(data))).toThrow(bad);
    },
  );
});

describe('encodeFrameHead', () => {
  it('describes a rendition and the size of its frame', () => {
    const rendition = { rendition: 'jpeg-2-50', pictureWidth: 640, pictureHeight: 360 };
    const head = encodeFrameHead(
      { sequence: 120, receivedAtUs: 1, width: 1280, height: 720, encoding: { kind: 'jpeg' } },
      { n: 120 },
      rendition,
    );
    expect(Buffer.from(head).toString('hex')).toBe(
      `120000000000007b89${'a873657175656e636578'}${'ac72656365697665644174557301'}${'a57769647468cd0500'}${'a6686569676874cd02d0'}${'a8656e636f64696e67a46a706567'}${'a972656e646974696f6ea96a7065672d322d3530'}${'ac706963747572655769647468cd0280'}${'ad70696374757265486569676874cd0168'}${'a76d65737361676581a16e78'}0000000000`,
    );
  });

  it('writes length, padding and fields of a frame', () => {
    const head = encodeFrameHead(
      { sequence: 120, receivedAtUs: 1, width: 1280, height: 720, encoding: { kind: 'jpeg' } },
      { n: 120 },
    );
    // As Python writes it, with receivedAtUs 1.
    expect(hex(head)).toBe(
      hex(
        bytes(
          '1200000000000046 86a873657175656e636578ac72656365697665644174557301a57769647468cd0500a6686569676874cd02d0a8656e636f64696e67a46a706567a76d65737361676581a16e78 0000',
        ),
      ),
    );
  });

  it('carries a message of every kind', () => {
    const received = [NaN, -Infinity, 2n ** 70n, 'é', null, { a: [1.5] }];
    const head = encodeFrameHead(
      { sequence: 1, receivedAtUs: CLOCK, width: 2, height: 1, encoding: { kind: 'raw', dtype: '>u2', shape: [1, 2] } },
      received,
    );
    expect(decodeGatewayMessage(head)).toEqual({
      type: 'frame',
      sequence: 1,
      receivedAtUs: CLOCK,
      width: 2,
      height: 1,
      encoding: { kind: 'raw', dtype: '>u2', shape: [1, 2] },
      message: received,
      payload: new Uint8Array(0),
    });
  });
});

describe('PROTOCOL', () => {
  it('and the close codes are those of docs/protocol.md', () => {
    expect(PROTOCOL).toBe('gearway.v1');
    expect(closeCode).toEqual({
      goingAway: 1001,
      badMessage: 4000,
      unknownStream: 4001,
      portTaken: 4002,
      takenOver: 4003,
      portOutOfRange: 4004,
      notAllowed: 4005,
      tooMuch: 4006,
      noAcknowledgement: 4007,
      noHello: 4008,
      sentAway: 4009,
      publisherPresent: 4010,
      notForPublishers: 4011,
    });
    expect(messageType).toEqual({
      hello: 1,
      ack: 2,
      return: 3,
      want: 4,
      ping: 5,
      control: 6,
      welcome: 0x11,
      frame: 0x12,
      state: 0x13,
      returned: 0x14,
      pong: 0x15,
      taken: 0x16,
      data: 0x17,
      delivery: 0x91,
      controller: 0x92,
    });
  });
});
