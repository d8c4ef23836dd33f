import { describe, expect, it } from 'vitest';
import { encodeMessageBegin } from '../../../../gateway/clients/web/web-message.ts';

describe('encodeMessageBegin', () => {
  // RFC 6455, 5.2: 0x82, then the length in 7 bits, in 16 after 0x7e, in 64 after 0x7f; no mask.
  it.each([
    [0, '8202'],
    [123, '827d'],
    [124, '827e007e'],
    [65_533, '827effff'],
    [65_534, '827f0000000000010000'],
    [100_000, '827f00000000000186a2'],
    [5_000_000_000, '827f000000012a05f202'],
  ])('writes the header of a message of 2 bytes and a payload of %i', (payloadBytes, header) => {
    expect(Buffer.from(encodeMessageBegin(Uint8Array.of(0xab, 0xcd), payloadBytes)).toString('hex')).toBe(
      `${header}abcd`,
    );
  });

  it('allocates separate memory for each message', () => {
    expect(encodeMessageBegin(new Uint8Array(8), 8).buffer.byteLength).toBe(10);
  });
});
